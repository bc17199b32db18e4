// Pages with Uppy, with tus-js-client and with libraries that send forms on them, served from an origin of their own: they bundle the real packages, and
// wait to be told what to send.

import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Bytes that the test can make again: the same for a size and a seed. It runs in pages, too. */
export function noise(size, seed) {
  const bytes = new Uint8Array(size);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < size; at++) {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** A file of a page: the same one again after a reload, as far as a page can tell. */
const FILE = `
  ${noise}
  window.file = (name, type, size, seed) => new File([noise(size, seed)], name, { type, lastModified: 1_700_000_000_000 });
`;

const uppy = (core, s3, tus, retriever) => `
  import Uppy from ${JSON.stringify(core)};
  import AwsS3 from ${JSON.stringify(s3)};
  import Tus from ${JSON.stringify(tus)};
  ${retriever ? `import GoldenRetriever from ${JSON.stringify(retriever)};` : ""}
  ${FILE}
  window.start = (options, { plugin = "s3", remember = false } = {}) => {
    const uppy = new Uppy({ id: "page", autoProceed: false });
    const { multipart, ...others } = options;
    if (plugin === "tus") uppy.use(Tus, others);
    else uppy.use(AwsS3, { ...others, shouldUseMultipart: () => multipart });
    if (remember) uppy.use(GoldenRetriever, { indexedDB: { maxFileSize: 100 << 20, maxTotalSize: 300 << 20 } });
    window.uppy = uppy;
    window.answer = (result) => ({
      failed: result.failed.map((file) => String(file.error)),
      done: result.successful.map((file) => ({ name: file.name, url: file.response?.uploadURL ?? file.uploadURL })),
    });
  };
  window.add = (name, type, size, seed, meta = {}) => uppy.addFile({ name, type, data: file(name, type, size, seed), meta });
  window.send = async () => answer(await uppy.upload());
`;

/** Sends the file by one of four libraries to a form's address; `chunked` says whether it is to be cut. */
const LIBRARIES = `
  import Dropzone from "dropzone";
  import Resumable from "resumablejs";
  import Flow from "@flowjs/flow.js";
  import * as FilePond from "filepond";
  ${FILE}
  Dropzone.autoDiscover = false;
  const numbered = (Library, added) => (url, file, chunkSize) => new Promise((resolve) => {
    const library = new Library({ target: url, chunkSize, testChunks: false, simultaneousUploads: 1, maxChunkRetries: 0 });
    library.on("fileSuccess", () => resolve("success"));
    library.on("fileError", (file, message) => resolve("error " + message));
    library.on(added, () => library.upload());
    library.addFile(file);
  });
  const element = (name) => document.body.appendChild(document.createElement(name));
  const libraries = {
    Dropzone: (url, file, chunkSize, chunked) => new Promise((resolve) => {
      const zone = new Dropzone(element("div"), { url, chunking: chunked, forceChunking: chunked, chunkSize });
      zone.on("success", () => resolve("success"));
      zone.on("error", (file, message) => resolve("error " + JSON.stringify(message)));
      zone.addFile(file);
    }),
    "resumable.js": numbered(Resumable, "fileAdded"),
    "flow.js": numbered(Flow, "filesSubmitted"),
    FilePond: (url, file, chunkSize, chunked) => new Promise((resolve) => {
      const options = { name: "file", chunkUploads: chunked, chunkForce: chunked, chunkSize, chunkRetryDelays: [] };
      const server = { url: "", process: { url, onerror: (body) => body }, patch: url + "/" };
      const pond = FilePond.create(element("input"), { ...options, server });
      pond.on("processfile", (error) => resolve(error ? "error " + JSON.stringify(error) : "success"));
      pond.addFile(file).catch((error) => resolve("error " + JSON.stringify(error)));
    }),
  };
  window.send = (library, url, chunked, [size, seed]) =>
    libraries[library](url, file("big.bin", "application/x-test", size, seed), chunked ? 1_000_000 : 1e9, chunked);
`;

const TUS_JS = `
  ${FILE}
  window.send = (described, options) => new Promise((resolve, reject) => {
    const chosen = file(...described);
    window.sent = 0;
    const upload = new tus.Upload(chosen, {
      metadata: { filename: chosen.name, filetype: chosen.type },
      onProgress: (bytes) => { sent = bytes; },
      onSuccess: () => resolve(upload.url),
      onError: (error) => reject(error),
      ...options,
    });
    upload.findPreviousUploads().then(([previous]) => {
      if (previous) upload.resumeFromPreviousUpload(previous);
      upload.start();
    });
  });
`;

async function bundle(contents, alias) {
  const stdin = { contents, resolveDir: here("."), loader: "js" };
  const built = await build({ stdin, alias, absWorkingDir: here("."), bundle: true, write: false, format: "iife", logLevel: "error" });
  return built.outputFiles[0].text;
}

/** Serves `/v5`, `/v6`, `/tus-js` and `/libraries` on an origin of its own. */
export async function pages() {
  const scripts = {
    "/v6": await bundle(uppy("@uppy/core", "@uppy/aws-s3", "@uppy/tus", "@uppy/golden-retriever"), {}),
    "/v5": await bundle(uppy("uppy-core-v5", "uppy-aws-s3-v5", "uppy-tus-v5", null), { "@uppy/core": "uppy-core-v5" }),
    "/libraries": await bundle(LIBRARIES, {}),
    "/tus-js": (await readFile(here("node_modules/tus-js-client/dist/tus.min.js"), "utf8")) + TUS_JS,
  };
  const server = createServer((request, response) => {
    const path = request.url.replace(/\.js$/, "");
    const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script src="${path}.js"></script>`;
    if (!scripts[path]) return response.writeHead(404).end();
    const js = path !== request.url;
    response.writeHead(200, { "content-type": `${js ? "text/javascript" : "text/html"}; charset=utf-8` }).end(js ? scripts[path] : html);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}
