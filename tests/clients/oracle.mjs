// What must hold after the trouble: each acknowledged file is there once and whole, each event once and without a gap, and each
// hand-off was offered once.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { pause } from "./cluster.mjs";

/** Every page of a list. */
export async function pages(load, path, read, next, first = "") {
  const all = [];
  for (let cursor = first; ;) {
    const page = await (await load.get(`${path}${cursor}`)).json();
    all.push(...read(page));
    cursor = next(page);
    if (!cursor) return all;
  }
}

export async function everyFileIsThereOnce(load) {
  const assets = await pages(load, "/v1/assets?limit=100", (page) => page.assets,
    (page) => page.next && `&cursor=${encodeURIComponent(page.next)}`);
  for (const [name, digest] of load.sent) {
    const named = assets.filter((asset) => asset.filename === name);
    assert.equal(named.length, 1, `${name} is there ${named.length} times`);
    const answer = await load.get(`/v1/assets/${named[0].id}?wait=30s&until=ready`);
    const asset = await answer.json();
    assert.deepEqual([asset.state, asset.sha256], ["ready", digest], name);
  }
  return assets;
}

export async function everyEventIsThereOnce(load, assets) {
  const events = await pages(load, "/v1/events?limit=100&after=", (page) => page.events,
    (page) => page.events.length > 0 && String(page.next), "0");
  assert.deepEqual(events.map((event) => Number(event.id)), events.map((_, index) => index + 1), "ids have a gap or a double");
  const ready = new Map();
  for (const event of events.filter(({ type }) => type === "asset.ready")) ready.set(event.asset_id, (ready.get(event.asset_id) ?? 0) + 1);
  for (const asset of assets.filter(({ filename }) => load.sent.has(filename))) assert.equal(ready.get(asset.id), 1, asset.filename);
  const steps = events.map(({ asset_id: asset, seq }) => `${asset} ${seq}`);
  assert.equal(new Set(steps).size, steps.length, "an asset's step was published twice");
  return events;
}

/** The offers that a JetStream stream holds, read over NATS' own protocol; also the processor that answers them. */
export class HandOffs {
  offers = [];

  constructor(load, address, key) {
    this.load = load;
    this.address = new URL(address);
    this.headers = { authorization: `Bearer ${key}` };
    this.stopping = false;
  }

  /** Asks JetStream; `undefined` if there is no such stream or message yet. */
  async #ask(subject, body) {
    this.socket ??= await this.#open();
    const answer = new Promise((resolve, reject) => { this.waiting = { resolve, reject }; });
    this.socket.write(`PUB ${subject} inbox ${body.length}\r\n${body}\r\n`);
    const { error, ...found } = JSON.parse(await answer);
    return error ? undefined : found;
  }

  /** A connection with a subscription to `inbox`. An answer is one line of JSON after its MSG line. */
  async #open() {
    const socket = connect(Number(this.address.port), this.address.hostname);
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    socket.on("error", (error) => this.waiting?.reject(error)).on("close", () => this.waiting?.reject(new Error("NATS has gone")));
    createInterface({ input: socket }).on("line", (line) => {
      if (line === "PING") socket.write("PONG\r\n");
      if (line.startsWith("{")) this.waiting?.resolve(line);
    });
    socket.write('CONNECT {"verbose":false,"pedantic":false}\r\nSUB inbox 1\r\n');
    return socket;
  }

  start() {
    this.answering = this.#answer().catch((error) => { this.failure = error; });
  }

  stop() {
    this.stopping = true;
    return this.answering;
  }

  /** Takes each new offer, and accepts the asset. */
  async #answer() {
    while (!this.stopping) {
      const found = await this.#ask("$JS.API.STREAM.MSG.GET.GANTRY", JSON.stringify({ seq: this.offers.length + 1 }));
      if (!found) {
        await pause(50);
        continue;
      }
      const { id, data } = JSON.parse(Buffer.from(found.message.data, "base64"));
      this.offers.push({ id, asset: data.asset_id });
      await this.#report(data);
    }
    this.socket?.destroy();
  }

  /** Until somebody takes the report: whoever was away did not. */
  async #report({ asset_id: asset, token }) {
    const body = JSON.stringify({ token, outcome: "accept", metadata: {} });
    for (;;) {
      const init = { method: "POST", headers: this.headers, body, signal: AbortSignal.timeout(15_000) };
      const answer = await this.load.get(`/v1/assets/${asset}/processing`, init).catch(() => undefined);
      if (answer?.ok) return;
      if (answer && answer.status < 500) throw new Error(`the report of ${asset} was refused: ${answer.status} ${await answer.text()}`);
      await pause(200);
    }
  }

  /** Each finished asset was offered, and none a second time. */
  check(assets) {
    const doubled = this.offers.filter(({ id, asset }, index) =>
      this.offers.findIndex((other) => other.id === id || other.asset === asset) !== index);
    assert.deepEqual(doubled, [], "an asset was offered twice");
    const offered = new Set(this.offers.map(({ asset }) => asset));
    const lost = assets.filter(({ id, state }) => state === "ready" && !offered.has(id));
    assert.deepEqual(lost, [], "an asset was never offered");
  }
}
