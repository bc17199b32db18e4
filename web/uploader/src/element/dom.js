// Elements without innerHTML: no policy for Trusted Types is needed.

/**
 * Makes an element: `h("li.row", {role: "listitem"}, …)`. A function is a listener; `true` an attribute without value.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag | `${Tag}.${string}`} name
 * @param {...(Record<string, unknown> | Node | string)} rest Attributes, if the first is neither a node nor a text, and children.
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(/** @type {Tag} */ (tag));
  element.classList.add(...classes);
  const [first] = rest;
  const attributes = typeof first === "object" && !(first instanceof Node) ? first : {};
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, String(value));
  }
  element.append(.../** @type {(Node | string)[]} */ (attributes === first ? rest.slice(1) : rest));
  return element;
}

/**
 * A button that submits nothing.
 * @param {string} classes As `.text.failed`.
 * @param {Record<string, unknown>} attributes
 * @param {...(Node | string)} children
 */
export const button = (classes, attributes, ...children) =>
  h(/** @type {"button"} */ (`button${classes}`), { type: "button", part: "button", ...attributes }, ...children);

/** Writes only what differs: nothing is laid out again, and no selection is lost.
 * @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | number | null | undefined} value */
export function setAttribute(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** Short facts beside each other: "12 MB · 3 s". Each keeps its own direction.
 * @param {HTMLElement} box @param {string[]} facts */
export function setFacts(box, facts) {
  const texts = facts.map((fact, at) => (at > 0 ? ` · ${fact}` : fact));
  if (box.textContent !== texts.join("")) box.replaceChildren(...texts.map((text) => h("span", text)));
}

/** @param {HTMLElement} element @param {boolean} shown */
export function setShown(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}
