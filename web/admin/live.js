// The tenant's events as they happen. A stream that breaks off goes on after the last event that was seen.

const MIN_PAUSE = 1000;
const MAX_PAUSE = 30_000;

export class Live {
  #api;
  #listeners = new Set();
  #abort;
  #last;
  #timer;
  #pause = MIN_PAUSE;
  /** `live`, `connecting`, `paused` or `lost`. */
  state = "connecting";

  constructor(api) {
    this.#api = api;
  }

  /** The listener hears `{event}` for events and `{state}` for changes of the stream. */
  on(listener) {
    this.#listeners.add(listener);
  }

  #tell(message) {
    for (const listener of this.#listeners) listener(message);
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell({ state });
  }

  start() {
    this.stop();
    this.#become("connecting");
    this.#follow(this.#abort = new AbortController());
  }

  stop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  toggle() {
    if (this.state === "paused") return this.start();
    this.stop();
    this.#become("paused");
  }

  async #follow(abort) {
    try {
      const headers = { accept: "text/event-stream", ...(this.#last && { "last-event-id": this.#last }) };
      const answer = await this.#api.fetch("/v1/events", { headers, signal: abort.signal, cache: "no-store" });
      this.#become("live");
      this.#pause = MIN_PAUSE;
      await this.#read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), abort);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error.code === "gone" || error.status === 410) this.#last = undefined;
    }
    if (abort.signal.aborted) return;
    this.#become("lost");
    this.#timer = setTimeout(() => this.#follow(abort), this.#pause);
    this.#pause = Math.min(this.#pause * 2, MAX_PAUSE);
  }

  async #read(reader, abort) {
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || abort.signal.aborted) return;
      text += value;
      const records = text.split(/\r?\n\r?\n/);
      text = records.pop();
      records.forEach((record) => this.#take(record));
    }
  }

  #take(record) {
    const field = (name) => record.split(/\r?\n/).filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n");
    const id = field("id");
    if (id) this.#last = id;
    const data = field("data");
    if (data) this.#tell({ event: JSON.parse(data) });
  }
}
