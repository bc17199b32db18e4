// Pages with Uppy and with tus-js-client on them, served from an origin of their own: they bundle the real packages, and
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

/** Serves `/v5`, `/v6` and `/tus-js` on an origin of its own. */
export async function pages() {
  const scripts = {
    "/v6": await bundle(uppy("@uppy/core", "@uppy/aws-s3", "@uppy/tus", "@uppy/golden-retriever"), {}),
    "/v5": await bundle(uppy("uppy-core-v5", "uppy-aws-s3-v5", "uppy-tus-v5", null), { "@uppy/core": "uppy-core-v5" }),
    "/tus-js": (await readFile(here("node_modules/tus-js-client/dist/tus.min.js"), "utf8")) + TUS_JS,
  };
  const server = createServer((request, response) => {
    const path = request.url.replace(/\.js$/, "");
    const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="${path}.js"></script>`;
    if (!scripts[path]) return response.writeHead(404).end();
    const js = path !== request.url;
    response.writeHead(200, { "content-type": `${js ? "text/javascript" : "text/html"}; charset=utf-8` }).end(js ? scripts[path] : html);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}
