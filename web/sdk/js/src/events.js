// The feed of events: page by page, or followed as it happens.

import { networkError } from "./errors.js";
import { sleep } from "./transport.js";

/** @typedef {import("./models.js").GantryEvent} GantryEvent */
/** @typedef {import("./models.js").Waiting} Waiting */

const PAGE_TIMEOUT = 90_000;

export class Events {
  /** @param {import("./transport.js").Transport} transport */
  constructor(transport) {
    this.transport = transport;
  }

  /** The events behind `after`; `next` is the next page's `after`. `wait`, such as `30s`, waits for the first one.
   * @param {{after?: string | number, limit?: number, wait?: string} & Waiting} [options] @returns {Promise<{events: GantryEvent[], next: string}>} */
  page({ after = 0, limit, wait, signal } = {}) {
    return this.transport.ask("GET", "/v1/events", { params: { after, limit, wait }, signal, timeout: PAGE_TIMEOUT });
  }

  /** Events as they happen, for ever. After a cut it goes on behind the last one that it gave (`Last-Event-ID`). Without `after` it
   * begins now; 0 is the oldest that is kept. Throws a `GoneError` if `after` is older than that.
   * @param {{after?: string | number, asset?: string} & Waiting} [options] @returns {AsyncGenerator<GantryEvent>} */
  async *follow({ after, asset, signal } = {}) {
    let position = after === undefined ? undefined : String(after);
    for (let failures = 1; ; failures++) {
      const headers = { accept: "text/event-stream", ...(position !== undefined && { "last-event-id": position }) };
      const answer = await this.transport.send("GET", asset ? `/v1/assets/${asset}/events` : "/v1/events", { headers, signal });
      try {
        for await (const { id, data } of messagesOf(/** @type {ReadableStream<Uint8Array>} */ (answer.body))) {
          if (id !== undefined) position = id;
          if (data === undefined) continue;
          failures = 0;
          yield JSON.parse(data);
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof SyntaxError) throw error;
      }
      await sleep(this.transport.waitAfter(Math.min(failures, this.transport.retry.attempts - 1), networkError("cut")) ?? 1000, signal);
    }
  }
}

/** @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<{id?: string, data?: string}>} */
async function* messagesOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let read; !(read = await reader.read()).done;) {
      text += decoder.decode(read.value, { stream: true });
      const blocks = text.split(/\r?\n\r?\n/);
      text = /** @type {string} */ (blocks.pop());
      for (const block of blocks) yield messageOf(block);
    }
  } finally {
    // Whoever stops reading closes the connection.
    await reader.cancel().catch(() => {});
  }
}

/** @param {string} block */
function messageOf(block) {
  /** @type {string | undefined} */
  let id;
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "id") id = value;
    if (name === "data") data.push(value);
  }
  return { id, data: data.length > 0 ? data.join("\n") : undefined };
}
