/** @param {Partial<Limits> | null} limits @param {boolean} multiple @param {Words} words */
export function limitsLine(limits: Partial<Limits> | null, multiple: boolean, words: Words): string[];
export class Zone {
    /** @param {(collected: Collected) => void} took */
    constructor(took: (collected: Collected) => void);
    took: (collected: Collected) => void;
    input: HTMLInputElement;
    folderInput: HTMLInputElement;
    cameraInput: HTMLInputElement;
    mouse: HTMLSpanElement;
    touch: HTMLSpanElement;
    over: HTMLSpanElement;
    limits: HTMLParagraphElement;
    folder: HTMLButtonElement;
    camera: HTMLButtonElement;
    element: HTMLDivElement;
    depth: number;
    page: boolean;
    /** Listens on the page as well, while the element is there. @param {Document} page */
    connect(page: Document): void;
    document: Document | undefined;
    disconnect(): void;
    /** @param {ZoneOptions} options */
    update({ words, multiple, accept, limits, compact, page }: ZoneOptions): void;
    words: import("./words.js").Words | undefined;
    multiple: boolean | undefined;
    /** @param {HTMLInputElement} input */
    choose(input: HTMLInputElement): void;
    /** @param {Event} event */
    handleEvent(event: Event): void | Promise<void>;
    /** @param {boolean} on @param {DataTransfer | null} [data] */
    lit(on: boolean, data?: DataTransfer | null): void;
    /** @param {DragEvent} event */
    drop(event: DragEvent): Promise<void>;
    /** Says how far the folders are read. @param {string} text */
    reading(text: string): void;
    /** @param {ClipboardEvent} event */
    paste(event: ClipboardEvent): void;
}
export type Collected = import("./collect.js").Collected;
export type Words = import("./words.js").Words;
export type Limits = import("./types.js").Limits;
export type ZoneOptions = {
    words: Words;
    multiple: boolean;
    accept: string;
    limits: Partial<Limits> | null;
    /**
     * Whether there are files already: the zone is one line then.
     */
    compact: boolean;
    /**
     * Whether the whole page takes drops.
     */
    page: boolean;
};
