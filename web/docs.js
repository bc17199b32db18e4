// Shows /openapi.json to people. Everything is put in as text: nothing of the document is ever markup.

const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];

/** An element with attributes and children; texts stay texts. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text in which `words` are code. */
function prose(text) {
  const pieces = text.split("`").map((piece, i) => (i % 2 ? make("code", {}, piece) : piece));
  return make("p", {}, ...pieces);
}

function json(value) {
  return make("pre", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2));
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
  const cells = (name, row) => make("tr", {}, ...row.map((cell) => make(name, {}, cell)));
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

function members(contract, schema) {
  const object = resolve(contract, schema);
  if (!object?.properties) return null;
  const required = new Set(object.required);
  const rows = Object.entries(object.properties).map(([name, member]) => [
    make("code", {}, name),
    required.has(name) ? "required" : "",
    kind(contract, member),
    resolve(contract, member)?.description ?? "",
  ]);
  return table(["Member", "", "What", "About"], rows);
}

function body(contract, operation) {
  const content = Object.entries(operation.requestBody?.content ?? {});
  if (!content.length) return null;
  const parts = content.flatMap(([type, media]) => [make("p", { class: "hint" }, type), json(media.example), members(contract, media.schema)]);
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
  title.append(codes.length ? codes.join(" · ") : response.description);
  const parts = Object.entries(response.content ?? {}).flatMap(([type, media]) => {
    const examples = media.examples ? Object.values(media.examples).map((one) => json(resolve(contract, one).value)) : [];
    if (media.example !== undefined) examples.push(json(media.example));
    return [make("p", { class: "hint" }, type), ...examples];
  });
  return make("details", {}, title, headers(contract, response), ...parts);
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
