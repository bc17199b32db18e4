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
export function createUploader(options: UploaderOptions): Uploader;
export { ProblemError } from "./problem.js";
export type Uploader = import("./types.js").Uploader;
export type UploaderOptions = import("./types.js").UploaderOptions;
export type UploaderState = import("./types.js").UploaderState;
export type Item = import("./types.js").Item;
export type ItemState = import("./types.js").ItemState;
export type Totals = import("./types.js").Totals;
export type Limits = import("./types.js").Limits;
export type Problem = import("./types.js").Problem;
export type FileInfo = import("./types.js").FileInfo;
export type Asset = import("./types.js").Asset;
export type Source = import("./types.js").Source;
export type AddResult = import("./types.js").AddResult;
export type Refused = import("./types.js").Refused;
export type Reselected = import("./types.js").Reselected;
export type OpenedUpload = import("./types.js").OpenedUpload;
export type Ports = import("./types.js").Ports;
export { INITIAL, reduce, reduceItem } from "./state.js";
