// Pages with the uploader element: its sources as they are, without a build step, and the examples for frameworks, bundled as an
// application would. All of them are served under a strict policy.

import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the package is. */
export const SOURCES = fileURLToPath(new URL("../../web/uploader/", import.meta.url));
/** Where npm has put what the tests need. */
export const PACKAGES = fileURLToPath(new URL("node_modules", import.meta.url));
const KINDS = { ".js": "text/javascript", ".html": "text/html", ".css": "text/css", ".json": "application/json", ".ico": "image/x-icon" };
/** What the examples call the service. */
const EXAMPLE = "https://files.example";

/** What a careful page allows: nothing inline, no text that becomes code or markup. */
export const strictPolicy = (...others) =>
  `default-src 'self'; style-src 'self'; connect-src 'self' ${others.join(" ")}; base-uri 'none'; require-trusted-types-for 'script'`;

const PAGE_CSS = `
:root { color-scheme: light dark; background: light-dark(#fff, #0e1014); color: light-dark(#1a1f28, #e7eaf0); font-family: system-ui, sans-serif; }
body { margin: 0; } main { max-width: 44rem; margin: 0 auto; padding: 16px; } h1 { font-size: 20px; margin: 0 0 12px; }
`;

/** A page with this in its body, and this module. */
const page = ({ body, script }) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Uploader</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/page.css">
<script type="module" src="${script}"></script></head><body><main><h1>Send files</h1>${body}</main></body></html>`;

/** Serves web/uploader at `/`, and beside it pages (`{body, script}`), files (texts), and routes (functions). All of it can be changed later:
 * a service has to know the page's origin before the page knows the service's. */
export async function serve({ files = {}, pages = {}, routes = {} } = {}) {
  const site = { files, pages, routes, policy: strictPolicy(), endpoint: EXAMPLE };
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    const answer = (kind, body) =>
      response.writeHead(200, { "content-type": `${kind}; charset=utf-8`, "content-security-policy": site.policy, "cache-control": "no-store" }).end(body);
    if (routes[path]) return routes[path](request, response);
    if (pages[path]) return answer("text/html", page(pages[path]));
    if (path === "/page.css") return answer("text/css", PAGE_CSS);
    const text = path === "/favicon.ico" ? "" : files[path] ?? await readFile(SOURCES + path, "utf8").catch(() => null);
    if (text === null) return response.writeHead(404).end();
    return answer(KINDS[extname(path)] ?? "text/javascript", path.startsWith("/examples/") ? text.replaceAll(EXAMPLE, site.endpoint) : text);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return Object.assign(site, { server, origin: `http://127.0.0.1:${server.address().port}` });
}

/** Compiles components of Vue and of Svelte, as their build tools do. */
const components = {
  name: "components",
  setup(builder) {
    builder.onLoad({ filter: /\.vue$/ }, async ({ path }) => {
      const { compileScript, parse } = await import("vue/compiler-sfc");
      const { descriptor } = parse(await readFile(path, "utf8"), { filename: path });
      const compilerOptions = { isCustomElement: (tag) => tag.startsWith("gantry-") };
      return { contents: compileScript(descriptor, { id: "example", inlineTemplate: true, templateOptions: { compilerOptions } }).content, loader: "js" };
    });
    builder.onLoad({ filter: /\.svelte$/ }, async ({ path }) => {
      const { compile } = await import("svelte/compiler");
      return { contents: compile(await readFile(path, "utf8"), { filename: path, generate: "client" }).js.code, loader: "js" };
    });
  },
};

/** An example with its framework, as one script that talks to this service. */
export async function bundleExample(entry, endpoint) {
  const { outputFiles: [file] } = await build({
    entryPoints: [`${SOURCES}examples/${entry}`], bundle: true, write: false, format: "esm", target: "es2022", jsx: "automatic",
    alias: { "@gantry/uploader/element": `${SOURCES}src/element/index.js` }, nodePaths: [PACKAGES], plugins: [components], logLevel: "error",
    conditions: ["browser", "production"],
    define: { "process.env.NODE_ENV": '"production"', __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
  });
  return file.text.replaceAll(EXAMPLE, endpoint);
}
