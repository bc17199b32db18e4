// Small pictures of files, asked for as their rows come into view, many at a time.

const VARIANT = "thumb-256";
const DELAY = 80;
const AT_ONCE = 200;
/** A picture's address is asked for again before it ends. */
const RESERVE = 60_000;

export class Pictures {
  /** `changed()` is called when there are more. */
  constructor(api, changed) {
    Object.assign(this, { api, changed, made: new Map(), wanted: new Set(), timer: null });
  }

  /** The address of a picture, if there is one by now. */
  of({ id }) {
    const made = this.made.get(id);
    return made && Date.now() < made.until ? made.url : undefined;
  }

  /** Asks for what is missing. */
  want(assets) {
    for (const asset of assets) {
      const has = asset.state === "ready" && asset.derivatives?.some(({ variant }) => variant === VARIANT);
      const known = this.made.get(asset.id);
      if (has && !this.wanted.has(asset.id) && !(known && Date.now() < known.until)) this.wanted.add(asset.id);
    }
    if (this.wanted.size > 0) this.timer ??= setTimeout(() => void this.fetch(), DELAY);
  }

  async fetch() {
    const ids = [...this.wanted].slice(0, AT_ONCE);
    const { results = [] } = await this.api.thumbnails(ids, VARIANT).catch(() => ({}));
    const answers = new Map(results.map((one) => [one.id, one]));
    for (const id of ids) {
      this.wanted.delete(id);
      const { url, expires_at: ends } = answers.get(id) ?? {};
      // One that cannot be had is not asked for with every scroll.
      this.made.set(id, { url, until: url ? Date.parse(ends) - RESERVE : Date.now() + RESERVE });
    }
    this.timer = this.wanted.size > 0 ? setTimeout(() => void this.fetch(), DELAY) : null;
    this.changed();
  }
}
