/** From how many on finished files are folded into one line. */
export const FOLDED_FROM: 11;
export class FileList {
    /** @param {(act: string, id: string) => void} act */
    constructor(act: (act: string, id: string) => void);
    foldText: HTMLSpanElement;
    fold: HTMLButtonElement;
    list: HTMLUListElement;
    scroller: HTMLDivElement;
    element: HTMLDivElement;
    folded: boolean;
    /** @type {Map<string, Row>} */
    rows: Map<string, Row>;
    /** @type {Map<string, number>} */
    heights: Map<string, number>;
    /** @type {readonly Item[]} */
    items: readonly Item[];
    /** @type {View | null} */
    view: View | null;
    resized: ResizeObserver | null;
    toggle(): void;
    /** @param {readonly Item[]} all @param {View} view */
    update(all: readonly Item[], view: View): void;
    all: readonly import("../core/types.js").Item[] | undefined;
    /** @param {string} id */
    heightOf(id: string): number;
    /** What is in view: the first and one past the last, and how much there is before, between and after. */
    window(): {
        first: number;
        last: number;
        before: number;
        after: number;
    };
    render(): void;
    /** Whether a height was other than it was taken for. @param {View} view */
    renderWindow(view: View): boolean;
    /** @param {readonly Item[]} wanted @param {number} first @param {View} view */
    place(wanted: readonly Item[], first: number, view: View): void;
    /**
     * A row out of view goes, unless it has the focus: then it stays, unseen.
     * @param {string} id
     * @param {Row} row
     */
    leave(id: string, row: Row): void;
    /** Brings a row into view, and the focus to one of its buttons.
     * @param {string} id @param {string} [selector] */
    focus(id: string, selector?: string): boolean;
    /** The neighbour that takes the focus when this row goes. @param {string} id */
    neighbour(id: string): string;
    /** Arrows go from row to row, to the same button. @param {KeyboardEvent} event */
    keydown(event: KeyboardEvent): void;
}
export type Item = import("./types.js").Item;
export type View = import("./row.js").View;
import { Row } from "./row.js";
