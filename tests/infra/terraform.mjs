// The Terraform files: written as `terraform fmt` writes them, read by HCL's own parser, and each name that they use is there. What the
// provider for Amazon would say of them, nobody says here: it is not in any registry that tests reach.
//
// Usage: node terraform.mjs FOLDER-OF-PACKAGES

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const require = createRequire(join(resolve(process.argv[2]), "x.js"));
const { format } = require("@cdktf/hcl-tools");
const { parse } = require("@cdktf/hcl2json");
const FOLDER = new URL("../../infra/terraform/", import.meta.url);

const files = (await readdir(FOLDER)).filter((name) => name.endsWith(".tf"));
const there = new Set();
let everything = "";
for (const name of files) {
  const text = await readFile(new URL(name, FOLDER), "utf8");
  assert.equal(await format(text), text, `${name} is not formatted`);
  const parsed = await parse(name, text);
  for (const variable of Object.keys(parsed.variable ?? {})) there.add(`var.${variable}`);
  for (const [kind, named] of Object.entries(parsed.resource ?? {})) for (const label of Object.keys(named)) there.add(`${kind}.${label}`);
  for (const [kind, named] of Object.entries(parsed.data ?? {})) for (const label of Object.keys(named)) there.add(`data.${kind}.${label}`);
  for (const [label, [variable]] of Object.entries(parsed.variable ?? {})) assert.ok(variable.description && variable.type, `${label} says nothing`);
  everything += text.replace(/#.*$/gm, "");
}
const used = new Set(everything.match(/\b(?:var\.\w+|data\.aws_\w+\.\w+|(?<!data\.)\baws_\w+\.\w+)/g));
for (const name of used) assert.ok(there.has(name), `there is no ${name}`);
for (const name of there) if (name.startsWith("var.")) assert.ok(used.has(name), `${name} is not used`);
console.log(`ok: ${files.length} Terraform files are formatted, and their ${used.size} names are there`);
// The parser's WebAssembly keeps the process alive.
process.exit(0);
