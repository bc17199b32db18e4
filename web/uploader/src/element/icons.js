// One small set, drawn with strokes of the text's colour. All of them stand beside words or in named buttons.

import { h } from "./dom.js";

/** @type {Record<string, string>} */
const PATHS = {
  upload: "M12 15.5V4m-4.5 4.5L12 4l4.5 4.5M4 14.5V18a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3.5",
  folder: "M3 7.5a2 2 0 0 1 2-2h4l2 2.5h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z",
  camera: "M4.5 8H7l1.5-2.5h7L17 8h2.5A1.5 1.5 0 0 1 21 9.5v8a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5v-8A1.5 1.5 0 0 1 4.5 8zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  file: "M13.5 3H6.5A1.5 1.5 0 0 0 5 4.5v15A1.5 1.5 0 0 0 6.5 21h11a1.5 1.5 0 0 0 1.5-1.5v-11zM13.5 3v5.5H19",
  text: "M13.5 3H6.5A1.5 1.5 0 0 0 5 4.5v15A1.5 1.5 0 0 0 6.5 21h11a1.5 1.5 0 0 0 1.5-1.5v-11zM13.5 3v5.5H19M8.5 13h7M8.5 16.5h7",
  image: "M4.5 5h15A1.5 1.5 0 0 1 21 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5v-11A1.5 1.5 0 0 1 4.5 5zM3.5 16.5L8.5 11l4.5 5 2.5-2.5 5 4.5M15.5 9.2v.1",
  video: "M4.5 6h10A1.5 1.5 0 0 1 16 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-10A1.5 1.5 0 0 1 3 16.5v-9A1.5 1.5 0 0 1 4.5 6zM16 10.5l5-3v9l-5-3",
  audio: "M9 18V6l11-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM20 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z",
  archive: "M4.5 8.5V18A1.5 1.5 0 0 0 6 19.5h12a1.5 1.5 0 0 0 1.5-1.5V8.5M3 4.5h18v4H3zM10 12.5h4",
  pause: "M9 6v12M15 6v12",
  resume: "M8 5.5l10.5 6.5L8 18.5z",
  retry: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4v5h-5",
  remove: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  trash: "M4.5 6.5h15M9.5 6.5v-2h5v2M6.5 6.5l1 13h9l1-13M10 10.5v5.5M14 10.5v5.5",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4.5l8.5 15h-17zM12 10.5v4M12 17v.1",
  failed: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5v5.5M12 16.2v.1",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5V12l3 2",
  busy: "M12 3.5a8.5 8.5 0 1 1-8.5 8.5",
  offline: "M4 4l16 16M8.5 16a5 5 0 0 1 6.5-.4M5 12.5a10 10 0 0 1 4.5-2.6M19 12.5a10 10 0 0 0-5-2.8M2 9a15 15 0 0 1 4-2.6M22 9a15 15 0 0 0-11.5-3.9M12 19.5v.1",
  chevron: "M7 10l5 5 5-5",
};

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon icon-${name}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name] ?? PATHS.file);
  svg.append(path);
  return svg;
}

/** An icon beside a word. @param {string} name */
export const iconBox = (name) => h("span.state-icon", icon(name));

/** Shows another icon in a box, if it is another one.
 * @param {HTMLElement} box @param {string} name */
export function setIcon(box, name) {
  if (box.dataset.icon === name) return;
  box.dataset.icon = name;
  box.replaceChildren(icon(name));
}

const ARCHIVES = /(zip|tar|gzip|bzip|7z|rar|xz|zstd)/;

/** The icon of a kind of file.
 * @param {string} type */
export function kindOf(type) {
  const [family] = type.split("/");
  if (family === "image" || family === "video" || family === "audio" || family === "text") return family;
  if (ARCHIVES.test(type)) return "archive";
  return /(pdf|document|json|xml|rtf)/.test(type) ? "text" : "file";
}
