/** @typedef {ReturnType<typeof buildParts>} Parts */
/**
 * @typedef {object} PartsContext What the pieces ask of the element.
 * @property {import("./controller.js").Controller | null} controller
 * @property {import("./words.js").Words} words
 * @property {() => void} draw
 * @property {(collected: import("./collect.js").Collected) => void} take
 */
/** @param {ShadowRoot} root @param {PartsContext} context Whose `controller` and `words` are others later. */
export function buildParts(root: ShadowRoot, context: PartsContext): {
    box: HTMLDivElement;
    zone: Zone;
    notices: Notices;
    total: Total;
    list: FileList;
    announcer: Announcer;
    previews: Previews;
    presses: Presses;
};
export type Parts = ReturnType<typeof buildParts>;
/**
 * What the pieces ask of the element.
 */
export type PartsContext = {
    controller: import("./controller.js").Controller | null;
    words: import("./words.js").Words;
    draw: () => void;
    take: (collected: import("./collect.js").Collected) => void;
};
import { Zone } from "./zone.js";
import { Notices } from "./notices.js";
import { Total } from "./total.js";
import { FileList } from "./list.js";
import { Announcer } from "./announcer.js";
import { Previews } from "./previews.js";
import { Presses } from "./presses.js";
