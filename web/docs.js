// Shows /openapi.json to people. Everything is put in as text: nothing of the document is ever markup.

import { tryIt } from "./docs-try.js";

const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];

/** An element with attributes and children; texts stay texts. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text in which `words` are code, as children of something. */
function phrases(text) {
  return String(text ?? "").split("`").map((piece, i) => (i % 2 ? make("code", {}, piece) : piece));
}

function prose(text) {
  return make("p", {}, ...phrases(text));
}

/** An error's code, which leads to its row on the page of all codes. */
function errorCode(code) {
  return make("a", { href: `/docs/errors#code-${code}` }, make("code", {}, code));
}

function json(value) {
  // It may scroll: the keyboard gets there, too.
  return make("pre", { tabindex: "0" }, typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

/** The thing that a reference leads to. */
function resolve(contract, thing) {
  if (!thing?.$ref) return thing;
  return thing.$ref.slice(2).split("/").reduce((at, word) => at[word], contract);
}

/** A schema in a few words. */
function kind(contract, schema, depth = 0) {
  if (schema === true || !schema) return "anything";
  if (schema.$ref) return depth > 1 ? schema.$ref.split("/").pop() : kind(contract, resolve(contract, schema), depth + 1);
  if (schema.enum) return schema.enum.join(" · ");
  if (schema.const !== undefined) return String(schema.const);
  const any = schema.anyOf ?? schema.oneOf;
  if (any) return any.map((one) => kind(contract, one, depth + 1)).join(" or ");
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  if (schema.type === "array") return `list of ${kind(contract, schema.items, depth + 1)}`;
  if (schema.maximum !== undefined) return `${schema.type}, ${schema.minimum} to ${schema.maximum}`;
  return schema.format && schema.type === "string" ? schema.format : schema.type ?? "anything";
}

function table(head, rows) {
  const cells = (name, row) => make("tr", {}, ...row.map((cell) => (cell instanceof Node ? make(name, {}, cell) : make(name, {}, ...phrases(cell)))));
  return make("table", {}, make("thead", {}, cells("th", head)), make("tbody", {}, ...rows.map((row) => cells("td", row))));
}

function parameters(contract, operation) {
  if (!operation.parameters) return null;
  const rows = operation.parameters.map((parameter) => [
    make("code", {}, parameter.name),
    `${parameter.in}${parameter.required ? ", required" : ""}`,
    kind(contract, parameter.schema),
    parameter.example === undefined ? parameter.description : `${parameter.description} For example ${parameter.example}`,
  ]);
  return make("details", { open: "" }, make("summary", {}, "Parameters"), table(["Name", "Where", "What", "About"], rows));
}

/** What a member is about: its own words, or those of what it refers to. */
function about(contract, schema) {
  if (!schema || schema === true) return "";
  if (schema.description) return schema.description;
  if (schema.$ref) return about(contract, resolve(contract, schema));
  const any = schema.anyOf ?? schema.oneOf ?? [];
  return any.map((one) => about(contract, one)).find(Boolean) ?? "";
}

/** The object within a schema: itself, what it refers to, or the one of its alternatives that is no null; and how it is written. */
function inner(contract, schema, mark = "") {
  if (!schema || schema === true) return null;
  if (schema.$ref) return inner(contract, resolve(contract, schema), mark);
  if (schema.properties) return { object: schema, mark };
  if (schema.type === "array") return inner(contract, schema.items, `${mark}[]`);
  const any = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? [];
  return any.map((one) => inner(contract, one, mark)).find(Boolean) ?? null;
}

/** Every member, those of objects within it below it. */
function memberRows(contract, schema, path = "", depth = 0) {
  const within = inner(contract, schema);
  if (!within || depth > 3) return [];
  const required = new Set(within.object.required);
  const at = path + (path ? within.mark : within.mark && `${within.mark}`);
  return Object.entries(within.object.properties).flatMap(([name, member]) => {
    const full = at ? `${at}.${name}` : name;
    const row = [make("code", {}, full), required.has(name) ? "always" : "sometimes", kind(contract, member), about(contract, member)];
    return [row, ...memberRows(contract, member, full, depth + 1)];
  });
}

/** `words`: what a member that is required is called, and one that is not. */
function members(contract, schema, [always, otherwise]) {
  const rows = memberRows(contract, schema);
  for (const row of rows) row[1] = row[1] === "always" ? always : otherwise;
  return rows.length ? table(["Member", "When", "What", "About"], rows) : null;
}

function body(contract, operation) {
  const content = Object.entries(operation.requestBody?.content ?? {});
  if (!content.length) return null;
  const parts = content.flatMap(([type, media]) => [make("p", { class: "hint" }, type), json(media.example), members(contract, media.schema, ["required", "optional"])]);
  return make("details", { open: "" }, make("summary", {}, "Body"), ...parts);
}

function headers(contract, response) {
  const rows = Object.entries(response.headers ?? {}).map(([name, header]) => [
    make("code", {}, name), kind(contract, header.schema), header.description,
  ]);
  return rows.length ? table(["Header", "What", "About"], rows) : null;
}

function answer(contract, status, response) {
  const good = Number(status) < 400;
  const title = make("summary", {}, make("strong", { class: good ? "good" : "bad" }, status), " ");
  const codes = Object.values(response.content ?? {}).flatMap((media) => Object.keys(media.examples ?? {}));
  // Links within a summary could not be told from the summary: the codes are links below it.
  title.append(codes.length ? codes.join(" · ") : response.description);
  const named = codes.length ? make("p", { class: "hint" }, "What to do: ", ...codes.flatMap((code, at) => (at ? [" · ", errorCode(code)] : [errorCode(code)]))) : null;
  const parts = Object.entries(response.content ?? {}).flatMap(([type, media]) => {
    const examples = media.examples ? Object.values(media.examples).map((one) => json(resolve(contract, one).value)) : [];
    if (media.example !== undefined) examples.push(json(media.example));
    const told = media.schema && !media.examples ? members(contract, media.schema, ["always", "sometimes"]) : null;
    return [make("p", { class: "hint" }, type), ...examples, told];
  });
  return make("details", {}, title, named, headers(contract, response), ...parts);
}

function access(operation) {
  const cells = Object.entries(operation["x-gantry-access"]);
  const allowed = cells.filter(([, cell]) => cell === "allowed").map(([caller]) => caller);
  const rows = cells.map(([caller, cell]) => [caller, String(cell)]);
  const text = allowed.length === cells.length ? "Anybody may" : `May: ${allowed.join("; ") || "nobody"}`;
  return make("details", {}, make("summary", {}, text), table(["Caller", "Answer"], rows));
}

function section(contract, method, path, operation) {
  const id = operation.operationId;
  const responses = Object.entries(operation.responses).sort(([a], [b]) => a.localeCompare(b));
  return make("section", { class: "operation", id },
    make("h3", {}, operation.summary),
    make("p", { class: "at" }, make("span", { class: `method ${method}` }, method.toUpperCase()), " ", make("code", {}, path)),
    operation.description ? prose(operation.description) : null,
    access(operation),
    parameters(contract, operation),
    body(contract, operation),
    tryIt(method, path, operation),
    ...responses.map(([status, response]) => answer(contract, status, response)));
}

/** Every operation, by group. */
function operations(contract) {
  const groups = new Map(contract.tags.map((tag) => [tag.name, []]));
  for (const [path, item] of Object.entries(contract.paths)) {
    for (const method of METHODS.filter((method) => item[method])) {
      groups.get(item[method].tags[0]).push({ method, path, operation: item[method] });
    }
  }
  return groups;
}

function show(contract) {
  document.getElementById("about").replaceWith(prose(contract.info.description));
  const index = document.getElementById("index");
  const all = document.getElementById("operations");
  const entries = [];
  for (const [group, list] of operations(contract)) {
    const title = make("h2", {}, group);
    const heading = make("h2", {}, group);
    index.append(title);
    all.append(heading);
    const links = list.map(({ method, path, operation }) => {
      const link = make("a", { href: `#${operation.operationId}` }, make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", {}, path));
      const full = section(contract, method, path, operation);
      index.append(link);
      all.append(full);
      const codes = Object.values(operation.responses).flatMap((one) => Object.values(one.content ?? {})).flatMap((media) => Object.keys(media.examples ?? {}));
      const text = [method, path, operation.summary, group, ...codes].join(" ").toLowerCase();
      return { link, full, text };
    });
    entries.push({ headings: [title, heading], links });
  }
  document.getElementById("filter").addEventListener("input", (event) => filter(entries, event.target.value));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function filter(entries, wanted) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { headings, links } of entries) {
    let shown = false;
    for (const { link, full, text } of links) {
      const match = words.every((word) => text.includes(word));
      shown ||= match;
      link.hidden = full.hidden = !match;
    }
    for (const heading of headings) heading.hidden = !shown;
  }
}

const answered = await fetch("/openapi.json");
show(await answered.json());
