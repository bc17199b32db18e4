export class Painter {
    /** @param {() => void} paint */
    constructor(paint: () => void);
    paint: () => void;
    painted: number;
    frame: number;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    timer: ReturnType<typeof setTimeout> | undefined;
    /** At once if nothing was painted yet, so that nobody meets an element without words; otherwise with the next frame. */
    first(): void;
    /** With the next frame. */
    now(): void;
    /** With the next frame that is due. */
    soon(): void;
}
