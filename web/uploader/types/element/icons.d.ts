/** @param {string} name */
export function icon(name: string): SVGSVGElement;
/** Shows another icon in a box, if it is another one.
 * @param {HTMLElement} box @param {string} name */
export function setIcon(box: HTMLElement, name: string): void;
/** The icon of a kind of file.
 * @param {string} type */
export function kindOf(type: string): "file" | "audio" | "image" | "video" | "text" | "archive";
export function iconBox(name: string): HTMLSpanElement;
