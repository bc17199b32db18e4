// The core's types under short names, for the files of the element.

/** @typedef {import("../core/index.js").Uploader} Uploader */
/** @typedef {import("../core/index.js").UploaderState} UploaderState */
/** @typedef {import("../core/index.js").Item} Item */
/** @typedef {import("../core/index.js").Problem} Problem */
/** @typedef {import("../core/index.js").Limits} Limits */
/** @typedef {File | {file: File, path?: string, handle?: FileSystemFileHandle}} Source */

export {};
