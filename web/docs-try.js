// Tries a call of the reference from the page, with the reader's own key. Everything is put in as text.

import { storedKey } from "./key.js";

/** Bytes of an answer that are shown. */
const SHOWN_BYTES = 20_000;
/** A stream is listened to for so many milliseconds. */
const STREAM_PATIENCE = 4000;
/** What the browser itself says, or nobody. */
const BROWSERS_OWN = new Set(["accept", "host", "content-length", "range"]);

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let key = storedKey();

const form = document.getElementById("try-key");
const said = document.getElementById("key-said");
const tellKey = () => {
  if (key) said.textContent = `Calls are made with the key that begins with ${key.slice(0, 11)}…`;
};
tellKey();
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = document.getElementById("key");
  if (!typed.value.trim()) return;
  key = typed.value.trim();
  sessionStorage.setItem("gantry-key", key);
  typed.value = "";
  tellKey();
});

let fields = 0;

/** A field for one parameter. */
function field({ name, in: place, required, example, description, schema }) {
  const id = `try-${fields++}`;
  const choices = schema?.enum;
  const input = choices ? make("select", { id }, ...(required ? [] : [make("option", { value: "" }, "–")]), ...choices.map((one) => make("option", {}, String(one))))
    : make("input", { id, autocomplete: "off", spellcheck: "false", title: description ?? "", ...(required && { required: "" }) });
  if (!choices) input.placeholder = example === undefined ? "" : String(example);
  if (required && place !== "path" && example !== undefined) input.value = String(example);
  return { name, place, input, row: make("div", { class: "try-field" }, make("label", { for: id }, make("code", {}, name), required ? "" : " (optional)"), input) };
}

/** The part of an operation that tries it; its fields are made when it is opened. */
export function tryIt(method, path, operation) {
  const details = make("details", { class: "try" }, make("summary", {}, "Try it"));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(tryForm(method, path, operation));
  });
  return details;
}

function tryForm(method, path, operation) {
  const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const parameters = (operation.parameters ?? []).filter((one) => one.in !== "header" || !BROWSERS_OWN.has(one.name.toLowerCase()));
  const inputs = parameters.filter((one) => one.in !== "path" || named.includes(one.name)).map(field);
  const [[type, media] = []] = Object.entries(operation.requestBody?.content ?? {});
  const id = `try-${fields++}`;
  const body = media && make("textarea", { id, rows: "8", spellcheck: "false" });
  if (body) body.value = typeof media.example === "string" ? media.example : JSON.stringify(media.example ?? {}, null, 2);
  const answer = make("div", { class: "try-answer", role: "status" });
  const send = make("button", { type: "submit", class: "primary" }, `Send ${method.toUpperCase()}`);
  const call = make("form", { class: "try-form" }, ...inputs.map(({ row }) => row),
    body ? make("div", { class: "try-field wide" }, make("label", { for: id }, `Body, ${type}`), body) : null,
    make("div", {}, send), answer);
  call.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    await run(requestOf(method, path, inputs, body && { type, text: body.value }), answer);
    send.disabled = false;
  });
  return call;
}

/** The request that the fields make. */
function requestOf(method, path, inputs, body) {
  const query = new URLSearchParams();
  const headers = {};
  let url = path;
  for (const { name, place, input } of inputs) {
    const value = input.value.trim();
    if (place === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && place === "query") query.append(name, value);
    else if (value && place === "header") headers[name] = value;
  }
  if (body) headers["content-type"] = body.type;
  if (key && !path.includes("{grant}")) headers.authorization = `Bearer ${key}`;
  const asked = query.toString();
  return { method: method.toUpperCase(), url: url + (asked && `?${asked}`), headers, body: body?.text };
}

/** The same for a shell; the key is a variable there. */
function curlOf({ method, url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const said = Object.entries(headers).map(([name, value]) => (name === "authorization" ? '-H "Authorization: Bearer $GANTRY_API_KEY"' : `-H ${quoted(`${name}: ${value}`)}`));
  return ["curl -sS", method === "GET" ? "" : method === "HEAD" ? "-I" : `-X ${method}`, ...said, body === undefined ? "" : `-d ${quoted(body)}`, quoted(location.origin + url)]
    .filter(Boolean).join(" ");
}

async function run(request, box) {
  const { url, ...init } = request;
  const begun = performance.now();
  const patience = new AbortController();
  box.replaceChildren("Sending…");
  try {
    const answer = await fetch(url, { ...init, cache: "no-store", signal: patience.signal });
    const text = await textOf(answer, patience);
    const milliseconds = Math.round(performance.now() - begun);
    const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const good = answer.status < 400;
    box.replaceChildren(
      make("p", {}, make("strong", { class: good ? "good" : "bad" }, `${answer.status} ${answer.statusText}`), ` in ${milliseconds} ms`),
      ...(text ? [make("pre", { tabindex: "0", "aria-label": "The answer" }, text)] : [make("p", { class: "hint" }, "The answer has no body.")]),
      make("details", {}, make("summary", {}, "Headers"), make("pre", { tabindex: "0" }, headers)),
      make("details", {}, make("summary", {}, "As a command"), make("pre", { tabindex: "0" }, curlOf(request))));
  } catch (error) {
    box.replaceChildren(make("p", { class: "error" }, `There was no answer that this page may read: ${error.message}`));
  }
}

/** The text of an answer: JSON with line breaks, the beginning of a long text, what a stream says within some seconds. */
async function textOf(answer, patience) {
  const type = answer.headers.get("content-type") ?? "";
  if (!answer.body) return "";
  const timer = setTimeout(() => patience.abort(), STREAM_PATIENCE);
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let portion; text.length < SHOWN_BYTES && !(portion = await reader.read()).done;) text += decoder.decode(portion.value, { stream: true });
  } catch {
    // A stream has no end: what has come until now is shown.
  }
  clearTimeout(timer);
  if (text.length >= SHOWN_BYTES) {
    patience.abort();
    return `${text.slice(0, SHOWN_BYTES)}\n… (cut here)`;
  }
  if (!type.includes("json")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
