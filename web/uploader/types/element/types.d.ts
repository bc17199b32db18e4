export type Uploader = import("../core/types.js").Uploader;
export type UploaderState = import("../core/types.js").UploaderState;
export type Item = import("../core/types.js").Item;
export type Problem = import("../core/types.js").Problem;
export type Limits = import("../core/types.js").Limits;
export type Source = File | {
    file: File;
    path?: string;
    handle?: FileSystemFileHandle;
};
