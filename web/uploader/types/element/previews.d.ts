export class Previews {
    /** @param {(id: string) => File | undefined} fileOf */
    constructor(fileOf: (id: string) => File | undefined);
    fileOf: (id: string) => File | undefined;
    /** @type {Map<string, HTMLCanvasElement | HTMLImageElement | null>} */
    made: Map<string, HTMLCanvasElement | HTMLImageElement | null>;
    /** Boxes that wait for a picture, by file. @type {Map<string, HTMLElement>} */
    waiting: Map<string, HTMLElement>;
    running: number;
    /** @param {HTMLElement} box @param {Item} item @param {string} kind */
    show(box: HTMLElement, item: Item, kind: string): void;
    /**
     * The server's thumbnail takes the place of what was there once it has come.
     * @param {HTMLElement} box
     * @param {string} id
     * @param {string} url
     */
    fetch(box: HTMLElement, id: string, url: string): void;
    next(): void;
    /** @param {HTMLElement} box @param {string} id @param {HTMLElement} picture */
    put(box: HTMLElement, id: string, picture: HTMLElement): void;
    /** @param {string} key @param {HTMLCanvasElement | HTMLImageElement | null} picture */
    keep(key: string, picture: HTMLCanvasElement | HTMLImageElement | null): void;
}
export type Item = import("./types.js").Item;
