// An uploader of the core's shape that does what a test tells it, for the element's tests.

const LIMITS = { maxFiles: 20_000, maxSize: 2_000_000_000, types: [] };

export class FakeUploader {
  #listeners = new Set();
  #changed = new Set();
  #next = 1;
  #timer = 0;
  calls = [];

  constructor({ limits = LIMITS } = {}) {
    this.items = new Map();
    this.online = true;
    this.limits = limits;
    this.state = this.#snapshot();
  }

  #snapshot() {
    const items = [...this.items.values()];
    const sum = (key) => items.reduce((total, item) => total + (item[key] ?? 0), 0);
    const of = (...kinds) => items.filter((item) => kinds.includes(item.state.kind)).length;
    const [bytes, confirmed, rate] = [sum("size"), sum("confirmed"), sum("rate")];
    const totals = { files: items.length, done: of("ready"), failed: of("failed", "rejected"), bytes, sent: sum("sent"), confirmed, rate, eta: rate ? (bytes - confirmed) / rate : undefined };
    return { items, totals, online: this.online, limits: this.limits };
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.state = this.#snapshot();
      const changed = this.#changed;
      this.#changed = new Set();
      for (const listener of this.#listeners) listener(this.state, changed);
    }, 20);
  }

  /** Changes a file: by its id or its name. */
  set(which, change) {
    for (const item of this.items.values()) {
      if (item.id !== which && item.name !== which && which !== "*") continue;
      this.items.set(item.id, { ...item, ...change, ...(change.state && { state: change.state }) });
      this.#changed.add(item.id);
    }
    this.tell();
  }

  setOnline(online) {
    this.online = online;
    this.tell();
  }

  put(item) {
    const id = `f${this.#next++}`;
    this.items.set(id, { id, path: item.name, size: 0, type: "", sent: 0, confirmed: 0, addedAt: Date.now(), state: { kind: "queued" }, ...item });
    this.#changed.add(id);
    this.tell();
    return id;
  }

  add(sources) {
    const [added, refused] = [[], []];
    for (const source of sources) {
      const { file, path } = source instanceof File ? { file: source } : source;
      if (file.size > this.limits.maxSize) refused.push({ name: file.name, path: path ?? file.name, code: "too_large", maxSize: this.limits.maxSize });
      else if (file.size > this.limits.left) refused.push({ name: file.name, path: path ?? file.name, code: "quota", left: this.limits.left });
      else added.push(this.put({ name: file.name, path: path ?? file.name, size: file.size, type: file.type }));
    }
    this.state = this.#snapshot();
    return { added, refused };
  }

  #each(call, id, from, to) {
    this.calls.push([call, id]);
    for (const item of this.items.values()) if ((id === undefined || id === item.id) && from.includes(item.state.kind)) this.set(item.id, { state: to, rate: 0, eta: undefined });
  }

  start(id) { this.#each("start", id, ["queued"], { kind: "uploading" }); }
  pause(id) { this.#each("pause", id, ["queued", "preparing", "uploading", "offline", "waiting"], { kind: "paused", by: "user" }); }
  resume(id) { this.#each("resume", id, ["paused"], { kind: "uploading" }); }
  retry(id) { this.#each("retry", id, ["failed", "waiting", "cancelled"], { kind: "uploading" }); }
  cancel(id) { this.#each("cancel", id, ["queued", "preparing", "uploading", "paused", "offline", "waiting", "needs-file"], { kind: "cancelled" }); }

  remove(id) {
    this.calls.push(["remove", id]);
    this.items.delete(id);
    this.tell();
  }

  async restore() {}
  async reselect(sources) { return this.answer ?? { matched: [], different: [], unknown: [...sources].map((source) => source.file ?? source) }; }
  async link(id) { return `https://files.example/d/gd_${id}`; }
  destroy() { this.calls.push(["destroy"]); }
}

export function createUploader(options) {
  const fake = new FakeUploader(options.limits?.maxSize ? { limits: { ...LIMITS, ...options.limits } } : {});
  fake.options = options;
  return fake;
}
