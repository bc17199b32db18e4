// Pages with one uploader each, for comparison: ours from its sources, Uppy 6 bundled as an application would. And what a page loads of
// each of the uploaders that people know.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { PACKAGES, SOURCES } from "./uploader-page.mjs";

const PEERS = fileURLToPath(new URL("peers/", import.meta.url));

/** Installs what only this comparison needs. */
async function installPeers() {
  if (existsSync(`${PEERS}node_modules/@uppy/dashboard`)) return;
  await promisify(execFile)("npm", ["ci", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: PEERS });
}

const UPLOADERS = {
  "@gantry/uploader, the core": `import { createUploader } from "${SOURCES}src/core/index.js"; window.start = createUploader;`,
  "@gantry/uploader, the element with it": `import "${SOURCES}src/element/index.js";`,
  "@uppy/core + @uppy/aws-s3": 'import Uppy from "@uppy/core"; import AwsS3 from "@uppy/aws-s3"; new Uppy().use(AwsS3, { companionEndpoint: "" });',
  "@uppy/dashboard with them": `import Uppy from "@uppy/core"; import AwsS3 from "@uppy/aws-s3"; import Dashboard from "@uppy/dashboard";
    import "@uppy/core/css/style.min.css"; import "@uppy/dashboard/css/style.min.css";
    new Uppy().use(AwsS3, { companionEndpoint: "" }).use(Dashboard);`,
  FilePond: 'import * as FilePond from "filepond/dist/filepond.esm.min.js"; import "filepond/dist/filepond.min.css"; FilePond.create(document.body);',
  "@mux/mux-uploader": 'import "@mux/mux-uploader";',
};

/** Bytes that a page loads before anything is done, minified and gzipped: `[name, scripts, styles]`. */
export async function shippedBytes() {
  await installPeers();
  const rows = [];
  for (const [name, contents] of Object.entries(UPLOADERS)) {
    const ours = name.startsWith("@gantry");
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: ours ? SOURCES : PEERS, loader: "js" }, nodePaths: [PACKAGES], outdir: "/out", metafile: true, write: false,
      bundle: true, splitting: true, minify: true, format: "esm", target: "es2022", conditions: ["browser", "production"],
      define: { "process.env.NODE_ENV": '"production"' }, logLevel: "error",
    });
    // Languages and other things that are imported when they are needed do not count.
    const loaded = new Set();
    const follow = (path) => {
      if (loaded.has(path)) return;
      loaded.add(path);
      for (const { path: next, kind } of metafile.outputs[path]?.imports ?? []) if (kind === "import-statement") follow(next);
      if (metafile.outputs[path]?.cssBundle) follow(metafile.outputs[path].cssBundle);
    };
    follow(Object.keys(metafile.outputs).find((path) => metafile.outputs[path].entryPoint));
    const sum = (extension) => outputFiles.filter(({ path }) => path.endsWith(extension) && [...loaded].some((one) => path.endsWith(one.replace(/^.*\/out\//, "/out/"))))
      .reduce((bytes, { contents: content }) => bytes + gzipSync(content, { level: 9 }).length, 0);
    rows.push([name, sum(".js"), sum(".css")]);
  }
  return rows;
}

/** Sends the files of the page's input by our core, and tells when the service has all of them and when all are ready. */
export const OURS = `
  import { createUploader } from "/src/core/index.js";
  window.send = (endpoint, key) => new Promise((resolve, reject) => {
    const uploader = window.uploader = createUploader({ endpoint, token: () => key });
    const began = performance.now();
    let there;
    uploader.subscribe(({ items }) => {
      const bad = items.find(({ state }) => ["failed", "rejected"].includes(state.kind));
      if (bad) reject(new Error(JSON.stringify(bad)));
      const all = (...kinds) => items.every(({ state }) => kinds.includes(state.kind));
      if (all("processing", "ready")) there ??= performance.now() - began;
      if (!all("ready")) return;
      const ready = performance.now() - began;
      uploader.destroy();
      resolve({ there, ready });
    });
    uploader.add(document.querySelector("input").files);
  });
  window.isLoaded = true;
`;

const UPPY = `
  import Uppy from "@uppy/core";
  import AwsS3 from "@uppy/aws-s3";
  // Uppy 6 sends no credential to its Companion: here each request of the page to the service carries the key.
  const { fetch } = window;
  window.send = async (endpoint, key) => {
    window.fetch = (url, options = {}) => String(url).startsWith(endpoint)
      ? fetch(url, { ...options, headers: { ...options.headers, authorization: "Bearer " + key } }) : fetch(url, options);
    const uppy = new Uppy({ autoProceed: false }).use(AwsS3, { companionEndpoint: endpoint });
    const began = performance.now();
    uppy.addFiles([...document.querySelector("input").files].map((data) => ({ name: data.name, type: data.type, data })));
    const { failed } = await uppy.upload();
    if (failed.length > 0) throw new Error(String(failed[0].error));
    return { there: performance.now() - began };
  };
  window.isLoaded = true;
`;

export async function uppyScript() {
  const { outputFiles: [file] } = await build({ stdin: { contents: UPPY, resolveDir: PACKAGES, loader: "js" }, bundle: true, minify: true, write: false, format: "esm", logLevel: "error" });
  return file.text;
}
