// Small pictures: of files that are images, made from the bytes as they are seen, two at a time; of the server's thumbnails once
// there are some. They are drawn and not fetched, so that no policy has to let `blob:` in.

import { setIcon } from "./icons.js";

/** @typedef {import("./types.js").Item} Item */

const AT_A_TIME = 2;
const SIDE = 96;
const MAX_BYTES = 64 * 1024 * 1024;
const KEPT = 200;

/** @param {File} file */
async function draw(file) {
  const bitmap = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const side = Math.min(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  if (context) {
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  }
  bitmap.close();
  return canvas;
}

export class Previews {
  /** @param {(id: string) => File | undefined} fileOf */
  constructor(fileOf) {
    this.fileOf = fileOf;
    /** @type {Map<string, HTMLCanvasElement | HTMLImageElement | null>} */
    this.made = new Map();
    /** Boxes that wait for a picture, by file. @type {Map<string, HTMLElement>} */
    this.waiting = new Map();
    this.running = 0;
  }

  /** @param {HTMLElement} box @param {Item} item @param {string} kind */
  show(box, item, kind) {
    const thumbnail = item.state.kind === "ready" ? item.state.thumbnails?.[0] : undefined;
    if (thumbnail && !this.made.has(`${item.id} server`)) this.fetch(box, item.id, thumbnail.url);
    const picture = this.made.get(`${item.id} server`) ?? this.made.get(item.id);
    if (picture) {
      delete box.dataset.icon;
      if (box.firstChild !== picture) box.replaceChildren(picture);
      return;
    }
    setIcon(box, kind);
    if (kind !== "image" || this.made.has(item.id) || item.type.startsWith("image/svg") || item.size > MAX_BYTES) return;
    this.waiting.set(item.id, box);
    queueMicrotask(() => this.next());
  }

  /**
   * The server's thumbnail takes the place of what was there once it has come.
   * @param {HTMLElement} box
   * @param {string} id
   * @param {string} url
   */
  fetch(box, id, url) {
    const image = new Image();
    this.keep(`${id} server`, null);
    image.alt = "";
    image.decoding = "async";
    image.referrerPolicy = "no-referrer";
    image.onload = () => {
      this.keep(`${id} server`, image);
      this.put(box, id, image);
    };
    image.src = url;
  }

  next() {
    for (const [id, box] of this.waiting) {
      if (this.running >= AT_A_TIME) return;
      this.waiting.delete(id);
      const file = this.fileOf(id);
      // A row that has been scrolled away asks again when it is back.
      if (!file || !box.isConnected || this.made.has(id)) continue;
      this.running++;
      draw(file).then((canvas) => {
        this.keep(id, canvas);
        this.put(box, id, canvas);
      }, () => this.keep(id, null)).finally(() => {
        this.running--;
        this.next();
      });
    }
  }

  /** @param {HTMLElement} box @param {string} id @param {HTMLElement} picture */
  put(box, id, picture) {
    if (!box.isConnected || box.closest("li")?.dataset.id !== id) return;
    delete box.dataset.icon;
    box.replaceChildren(picture);
  }

  /** @param {string} key @param {HTMLCanvasElement | HTMLImageElement | null} picture */
  keep(key, picture) {
    this.made.delete(key);
    this.made.set(key, picture);
    if (this.made.size <= KEPT) return;
    const [oldest] = this.made.keys();
    this.made.delete(oldest);
  }
}
