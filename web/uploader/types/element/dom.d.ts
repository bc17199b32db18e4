/**
 * Makes an element: `h("li.row", {role: "listitem"}, …)`. A function is a listener; `true` an attribute without value.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag | `${Tag}.${string}`} name
 * @param {...(Record<string, unknown> | Node | string)} rest Attributes, if the first is neither a node nor a text, and children.
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h<Tag extends keyof HTMLElementTagNameMap>(name: Tag | `${Tag}.${string}`, ...rest: (Record<string, unknown> | Node | string)[]): HTMLElementTagNameMap[Tag];
/** Writes only what differs: nothing is laid out again, and no selection is lost.
 * @param {Node} node @param {string} text */
export function setText(node: Node, text: string): void;
/** @param {Element} element @param {string} name @param {string | number | null | undefined} value */
export function setAttribute(element: Element, name: string, value: string | number | null | undefined): void;
/** Short facts beside each other: "12 MB · 3 s". Each keeps its own direction.
 * @param {HTMLElement} box @param {string[]} facts */
export function setFacts(box: HTMLElement, facts: string[]): void;
/** @param {HTMLElement} element @param {boolean} shown */
export function setShown(element: HTMLElement, shown: boolean): void;
export function button(classes: string, attributes: Record<string, unknown>, ...children: (Node | string)[]): HTMLButtonElement;
