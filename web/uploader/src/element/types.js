// The core's types under short names, for the files of the element.

/** @typedef {import("../core/types.js").Uploader} Uploader */
/** @typedef {import("../core/types.js").UploaderState} UploaderState */
/** @typedef {import("../core/types.js").Item} Item */
/** @typedef {import("../core/types.js").Problem} Problem */
/** @typedef {import("../core/types.js").Limits} Limits */
/** @typedef {File | {file: File, path?: string, handle?: FileSystemFileHandle}} Source */

export {};
