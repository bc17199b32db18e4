// A page with Uppy on it, served from an origin of its own: bundles the real packages, and waits to be told what to send.

import { build } from "esbuild";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const script = (core, s3, retriever) => `
  import Uppy from ${JSON.stringify(core)};
  import AwsS3 from ${JSON.stringify(s3)};
  ${retriever ? `import GoldenRetriever from ${JSON.stringify(retriever)};` : ""}

  /** Bytes that the test can make again: the same for a size and a seed. */
  const noise = (size, seed) => {
    const bytes = new Uint8Array(size);
    let state = seed >>> 0 || 1;
    for (let at = 0; at < size; at++) {
      state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
      bytes[at] = state;
    }
    return bytes;
  };

  window.start = (options, { remember = false } = {}) => {
    const uppy = new Uppy({ id: "page", autoProceed: false });
    const { multipart } = options;
    uppy.use(AwsS3, { ...options, shouldUseMultipart: () => multipart });
    if (remember) uppy.use(GoldenRetriever, { indexedDB: { maxFileSize: 100 << 20, maxTotalSize: 300 << 20 } });
    window.uppy = uppy;
    window.answer = (result) => ({
      failed: result.failed.map((file) => String(file.error)),
      done: result.successful.map((file) => ({ name: file.name, url: file.response?.uploadURL ?? file.uploadURL })),
    });
  };
  window.add = (name, type, size, seed, meta = {}) =>
    uppy.addFile({ name, type, data: new File([noise(size, seed)], name, { type }), meta });
  window.send = async () => answer(await uppy.upload());
`;

async function bundle(core, s3, retriever, alias) {
  const stdin = { contents: script(core, s3, retriever), resolveDir: here("."), loader: "js" };
  const built = await build({ stdin, alias, absWorkingDir: here("."), bundle: true, write: false, format: "iife", logLevel: "error" });
  return built.outputFiles[0].text;
}

/** Serves `/v5` and `/v6` on an origin of its own. */
export async function pages() {
  const scripts = {
    "/v6": await bundle("@uppy/core", "@uppy/aws-s3", "@uppy/golden-retriever", {}),
    "/v5": await bundle("uppy-core-v5", "uppy-aws-s3-v5", null, { "@uppy/core": "uppy-core-v5" }),
  };
  const server = createServer((request, response) => {
    const path = request.url.replace(/\.js$/, "");
    const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="${path}.js"></script>`;
    if (!scripts[path]) return response.writeHead(404).end();
    const js = path !== request.url;
    response.writeHead(200, { "content-type": js ? "text/javascript" : "text/html" }).end(js ? scripts[path] : html);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** What the page's bytes are, for the test to compare. */
export function noise(size, seed) {
  const bytes = new Uint8Array(size);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < size; at++) {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}
