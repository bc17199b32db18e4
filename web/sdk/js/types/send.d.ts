/** @param {Client} client @param {import("./sources.js").SourceInput} input @param {UploadOptions} options @returns {Promise<Asset>} */
export function send(client: Client, input: import("./sources.js").SourceInput, options: UploadOptions): Promise<Asset>;
export type Asset = import("./models.js").Asset;
export type UploadOptions = import("./client.js").UploadOptions;
export type Client = import("./client.js").Client;
export type Problem = import("@gantry/uploader").Problem;
