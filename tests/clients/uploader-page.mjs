// Pages with the uploader element, as its sources are: served without a build step, under a strict policy.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the package is. */
export const SOURCES = fileURLToPath(new URL("../../web/uploader/", import.meta.url));
const KINDS = { ".js": "text/javascript", ".html": "text/html", ".css": "text/css", ".map": "application/json", ".json": "application/json" };

/** What a careful page allows: nothing inline, no strings as code. */
export const strictPolicy = (...others) =>
  `default-src 'self'; style-src 'self'; connect-src 'self' ${others.join(" ")}; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'`;

const html = (body, head) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Uploader</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="/icon.ico"><link rel="stylesheet" href="/page.css">${head}</head><body><main>
<h1>Send files</h1>${body}</main></body></html>`;

const PAGE_CSS = `
:root { color-scheme: light dark; background: light-dark(#fff, #0e1014); color: light-dark(#1a1f28, #e7eaf0); font-family: system-ui, sans-serif; }
body { margin: 0; } main { max-width: 44rem; margin: 0 auto; padding: 16px; } h1 { font-size: 20px; margin: 0 0 12px; }
`;

/** Serves web/uploader at `/`, and the given pages and scripts beside it. `policy` says what each answer allows. */
export async function serve({ files = {}, pages = {}, policy = () => strictPolicy() } = {}) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    const headers = { "content-security-policy": policy(path), "cache-control": "no-store" };
    const answer = (kind, body) => response.writeHead(200, { ...headers, "content-type": `${kind}; charset=utf-8` }).end(body);
    if (path in pages) return answer("text/html", typeof pages[path] === "string" ? html(pages[path], "") : html(pages[path].body, pages[path].head ?? ""));
    if (path in files) return answer(KINDS[extname(path)] ?? "text/javascript", files[path]);
    if (path === "/page.css") return answer("text/css", PAGE_CSS);
    if (path === "/icon.ico") return response.writeHead(200, { "content-type": "image/x-icon" }).end();
    const found = await readFile(SOURCES + path).catch(() => null);
    if (!found) return response.writeHead(404).end();
    return answer(KINDS[extname(path)] ?? "application/octet-stream", found);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}`, files, pages };
}
