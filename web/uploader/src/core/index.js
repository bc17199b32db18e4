// A headless uploader for large files: parallel parts, resumed after anything, without a dependency and without a page.

import { FileUploader } from "./uploader.js";

/** @typedef {import("./types.js").Uploader} Uploader */
/** @typedef {import("./types.js").UploaderOptions} UploaderOptions */
/** @typedef {import("./types.js").UploaderState} UploaderState */
/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").ItemState} ItemState */
/** @typedef {import("./types.js").Totals} Totals */
/** @typedef {import("./types.js").Limits} Limits */
/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {import("./types.js").FileInfo} FileInfo */
/** @typedef {import("./types.js").Asset} Asset */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").AddResult} AddResult */
/** @typedef {import("./types.js").Refused} Refused */
/** @typedef {import("./types.js").Reselected} Reselected */
/** @typedef {import("./types.js").OpenedUpload} OpenedUpload */
/** @typedef {import("./types.js").Ports} Ports */

/** Creates an uploader. Nothing is sent before a file is added or `restore` is called.
 * @param {UploaderOptions} options @returns {Uploader} */
export function createUploader(options) {
  return new FileUploader(options);
}

export { ProblemError } from "./problem.js";
export { INITIAL, reduce, reduceItem } from "./state.js";
