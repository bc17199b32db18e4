export class Painter {
    /** @param {() => void} paint */
    constructor(paint: () => void);
    paint: () => void;
    painted: number;
    frame: number;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    timer: ReturnType<typeof setTimeout> | undefined;
    /** With the next frame. */
    now(): void;
    /** With the next frame that is due. */
    soon(): void;
}
