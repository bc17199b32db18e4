// The tenant's assets as the list shows them: read page by page, kept in order while events tell of changes.

/** Assets of one request. */
const PAGE = 200;
/** Events are heard of together, after so many milliseconds. */
const DELAY = 250;
/** Assets of one question. */
const BATCH = 200;
/** A feed that ended is asked for again after so many milliseconds. */
const FEED_PAUSE = 3000;
/** States that are shown only where they were asked for. */
const ENDED = new Set(["deleted", "abandoned"]);

export class Assets {
  /** `changed()` is called whenever there is something else to show. */
  constructor(api, changed) {
    Object.assign(this, { api, changed, filter: { state: "", name: "" }, items: [], next: null, begun: false, problem: null });
    /** Given when the filter changes: what is on its way is for nobody. */
    this.reading = null;
    this.changedIds = new Set();
    this.timer = null;
  }

  get complete() {
    return this.begun && !this.next;
  }

  /** Begins anew with this filter. */
  show(filter) {
    Object.assign(this, { filter, items: [], next: null, begun: false, problem: null });
    this.reading?.abort();
    this.reading = null;
    return this.more();
  }

  /** Reads on, until there is something new to show or nothing more to read. */
  async more() {
    if (this.reading || this.complete) return;
    const reading = this.reading = new AbortController();
    const { signal } = reading;
    this.problem = null;
    // The service finds one text; of several words the longest leaves the fewest files to look through here.
    const name = this.filter.name.split(/\s+/).reduce((longest, word) => (word.length > longest.length ? word : longest), "");
    try {
      const before = this.items.length;
      do {
        const { assets, next } = await this.api.assets({ state: this.filter.state, name, cursor: this.next, limit: PAGE }, signal);
        if (signal.aborted) return;
        // An asset that an event told of may come again with its page.
        const known = new Set(this.items.map(({ id }) => id));
        this.items.push(...assets.filter((asset) => this.wants(asset) && !known.has(asset.id)));
        Object.assign(this, { next, begun: true });
        this.changed();
      } while (this.next && this.items.length - before < PAGE / 4);
    } catch (error) {
      if (signal.aborted) return;
      this.problem = error;
    } finally {
      if (this.reading === reading) this.reading = null;
    }
    this.changed();
  }

  /** Whether the filter lets an asset through. */
  wants({ state, filename }) {
    const wanted = this.filter.state;
    const words = this.filter.name.toLowerCase().split(/\s+/).filter(Boolean);
    const name = filename.toLowerCase();
    return (wanted ? state === wanted : !ENDED.has(state)) && words.every((word) => name.includes(word));
  }

  find(id) {
    return this.items.find((asset) => asset.id === id);
  }

  /** Something has happened to an asset: it is asked about soon. */
  heard(id) {
    this.changedIds.add(id);
    this.timer ??= setTimeout(() => void this.ask(), DELAY);
  }

  async ask() {
    const ids = [...this.changedIds].slice(0, BATCH);
    for (const id of ids) this.changedIds.delete(id);
    try {
      const { results } = await this.api.someAssets(ids);
      for (const { id, asset } of results) {
        if (asset) this.put(asset);
        else this.drop(id);
      }
      this.changed();
    } catch {
      // The next event tells of it again.
    }
    this.timer = this.changedIds.size > 0 ? setTimeout(() => void this.ask(), DELAY) : null;
  }

  /** Puts an asset where it belongs: ids grow with time, and the newest is first. */
  put(asset) {
    const at = this.items.findIndex(({ id }) => id <= asset.id);
    const known = at >= 0 && this.items[at].id === asset.id;
    if (!this.wants(asset)) {
      if (known) this.items.splice(at, 1);
    } else if (known) this.items[at] = asset;
    else if (at >= 0) this.items.splice(at, 0, asset);
    // What is older than all that was read comes with its page.
    else if (this.complete) this.items.push(asset);
  }

  drop(id) {
    const at = this.items.findIndex((asset) => asset.id === id);
    if (at >= 0) this.items.splice(at, 1);
  }

  /** Hears of changes as long as the page lives. `stream` is that of the uploader's port for HTTP. */
  async follow(stream) {
    let last = "";
    for (;;) {
      const begun = new AbortController();
      const status = await stream({
        url: `/v1/events${last && `?after=${last}`}`,
        headers: { authorization: `Bearer ${this.api.key}` },
        signal: begun.signal,
        onMessage: (text) => {
          const event = JSON.parse(text);
          last = event.id ?? last;
          if (event.asset_id) this.heard(event.asset_id);
        },
      }).catch(() => 0);
      if (status === 401 || status === 403) return;
      if (status === 410) last = "";
      await new Promise((resolve) => setTimeout(resolve, FEED_PAUSE));
    }
  }
}
