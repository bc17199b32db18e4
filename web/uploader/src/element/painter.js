// When to draw: a new state with the next frame, mere progress only so often that it can be read.

/** In milliseconds. */
const CALM = 150;

export class Painter {
  /** @param {() => void} paint */
  constructor(paint) {
    this.paint = paint;
    this.painted = 0;
    this.frame = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** At once if nothing was painted yet, so that nobody meets an element without words; otherwise with the next frame. */
  first() {
    if (this.painted) return this.now();
    this.painted = performance.now();
    return this.paint();
  }

  /** With the next frame. */
  now() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.painted = performance.now();
      this.paint();
    });
  }

  /** With the next frame that is due. */
  soon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.now();
    }, Math.max(0, this.painted + CALM - performance.now()));
  }
}
