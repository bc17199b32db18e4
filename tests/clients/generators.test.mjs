// The contract as openapi-typescript takes it, judged by tsc: what has to be sent and what is answered, member by member.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Service } from "./service.mjs";

const run = promisify(execFile);
const BIN = join(dirname(fileURLToPath(import.meta.url)), "node_modules", ".bin");

/** A program that a user of the API would write; what is marked must not compile. */
const PROGRAM = `
import type { components, operations, paths } from "./contract";

type Schemas = components["schemas"];
type Answer<Id extends keyof operations, Status extends keyof operations[Id]["responses"]> =
  operations[Id]["responses"][Status] extends { content: { "application/json": infer Body } } ? Body : never;

// A name and a size suffice, and so does a bound for a file to be chosen.
export const known: Schemas["NewUpload"] = { filename: "film.mp4", size: 734003200 };
export const chosen: Schemas["NewUpload"] = { max_size: 50000000, content_types: ["image/*"], expires_in: "1h" };
// @ts-expect-error a size is a number
export const wrong: Schemas["NewUpload"] = { filename: "film.mp4", size: "large" };
// @ts-expect-error there is no such member
export const misspelt: Schemas["NewUpload"] = { filename: "film.mp4", sise: 1 };

export const key: Schemas["NewKey"] = { name: "shop", scopes: ["upload", "read"], expires_in: "90d" };
export const seconds: Schemas["NewKey"] = { scopes: "read", expires_in: 3600 };
export const nothing: Schemas["RotateKey"] = {};
export const everything: operations["reprocessAsset"]["requestBody"] = undefined;
export const empty: operations["createResumableUpload"]["requestBody"] = undefined;
export const path: keyof paths = "/v1/uploads";

export function read(opened: Answer<"createUpload", 201>, problem: Schemas["Problem"], limits: Answer<"getLimits", 200>) {
  const sent: string | undefined = opened.put?.url;
  const header: string | undefined = opened.put?.headers["if-none-match"];
  const part: number | undefined = opened.multipart?.urls[0]?.part;
  const digest: string | null = opened.asset.sha256;
  const metadata: unknown = opened.asset.metadata["order"];
  const field: string | undefined = problem.field;
  const limit: number | string | undefined = problem.limit;
  const most: number = limits.max_size;
  return [sent, header, part, digest, metadata, field, limit, most, opened.endpoints.tus];
}
`;

test("openapi-typescript and tsc understand the contract", async (t) => {
  const service = await Service.start();
  const dir = await mkdtemp(join(service.dir, "generated-"));
  t.after(async () => {
    await service.stop();
    await rm(dir, { recursive: true, force: true });
  });
  await run(join(BIN, "openapi-typescript"), [`${service.url}/openapi.json`, "-o", join(dir, "contract.ts")]);
  await writeFile(join(dir, "program.ts"), PROGRAM);
  const options = ["--noEmit", "--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "esnext"];
  const checked = await run(join(BIN, "tsc"), [...options, "--moduleResolution", "bundler", join(dir, "program.ts")])
    .catch((error) => error);
  assert.equal(checked.stdout, "");
});
