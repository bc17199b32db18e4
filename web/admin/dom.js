// Elements without innerHTML: every text stays a text, whatever a file is called.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, classes, rest) {
  if (classes.length) element.setAttribute("class", classes.join(" "));
  const [first] = rest;
  const attributes = first && typeof first === "object" && !(first instanceof Node) && !Array.isArray(first) ? first : null;
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, String(value));
  }
  element.append(...(attributes ? rest.slice(1) : rest).flat(3).filter((child) => child != null && child !== false));
  return element;
}

/** An element: `h("li.row", {hidden: true, click: listener}, …children)`. */
export function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElement(tag), classes, rest);
}

/** The same for SVG. */
export function s(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  return fill(document.createElementNS(SVG, tag), classes, rest);
}

/** A button that submits nothing. */
export const button = (classes, attributes, ...children) => h(`button${classes}`, { type: "button", ...attributes }, ...children);

/** Words for screen readers alone. */
export const said = (text) => h("span.said", text);

const SHAPES = {
  overview: "M4 13h6V4H4zm0 7h6v-4H4zm10 0h6v-9h-6zm0-16v4h6V4z",
  uploads: "M12 16V4m0 0L7 9m5-5 5 5M4 16v4h16v-4",
  assets: "M7 3h7l5 5v13H7zM14 3v5h5",
  failures: "M12 4 2.5 20h19zM12 10v4m0 3v.01",
  queues: "M4 6h16M4 12h16M4 18h10",
  dead: "M5 5l14 14M19 5 5 19",
  quarantine: "M12 3 5 6v6c0 4.5 3 7.5 7 9 4-1.500 7-4.500 7-9V6z",
  webhooks: "M9 8a3 3 0 1 1 4 2.800l3 5M8 12a4 4 0 1 0 4 5h5m0 3a3 3 0 1 0-2-5",
  tenants: "M4 20v-9l8-6 8 6v9M9 20v-6h6v6",
  keys: "M14 10a4 4 0 1 0-3 3.900l1 1.100h2v2h2v2h3v-3z",
  policies: "M4 7h9m4 0h3M4 17h3m4 0h9M15 5v4M9 15v4",
  audit: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6m-6 4h6",
  cleanup: "M5 7h14M10 7V4h4v3m-7 0 1 13h8l1-13",
  storage: "M5 6c0-1.7 3-3 7-3s7 1.3 7 3-3 3-7 3-7-1.3-7-3zm0 0v12c0 1.7 3 3 7 3s7-1.3 7-3V6M5 12c0 1.7 3 3 7 3s7-1.3 7-3",
  system: "M4 5h16v6H4zm0 8h16v6H4zm3-5v.01M7 16v.01",
  ready: "m5 12 5 5 9-10",
  failed: "M6 6l12 12M18 6 6 18",
  warning: "M12 4 2.500 20h19zM12 10v4m0 3v.01",
  running: "M12 3a9 9 0 1 0 9 9",
  idle: "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
  pause: "M8 5v14m8-14v14",
  resume: "M7 5l12 7-12 7z",
  refresh: "M20 11a8 8 0 1 0-1 5m1-11v6h-6",
  close: "M6 6l12 12M18 6 6 18",
  menu: "M4 6h16M4 12h16M4 18h16",
  search: "m20 20-4.500-4.500M10.500 17a6.500 6.500 0 1 1 0-13 6.500 6.500 0 0 1 0 13z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  event: "M12 12m-3 0a3 3 0 1 0 6 0 3 3 0 1 0-6 0",
  job: "M4 7h16v12H4zM9 7V4h6v3",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1m2 4a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
};

/** An icon beside words, which screen readers skip. */
export const icon = (name) =>
  s("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: SHAPES[name] ?? SHAPES.event }));

/** Replaces the children only if something differs, so that nothing is laid out again and no focus is lost. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
