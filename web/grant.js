// The upload page of a grant, for somebody without an account: with scripts the form becomes the uploader, which goes on after a reload.

import "./uploader/src/element/index.js";
import { words } from "./words.js";

const $ = (id) => document.getElementById(id);
const uploader = $("uploader");
/** The grant is in the page's address, and is kept nowhere. */
const grant = location.pathname.split("/")[2];
/** The grant is for any number of files. */
const many = uploader.dataset.many === "yes";
/** The service has the file: what becomes of it there is for others to see. */
const RECEIVED = new Set(["processing", "ready"]);
/** The file will not come. */
const ENDED = new Set([...RECEIVED, "rejected", "failed", "cancelled"]);

function showEnd(items) {
  const received = items.filter(({ state }) => RECEIVED.has(state.kind));
  const end = $("end");
  if (uploader.hidden) return;
  end.hidden = received.length === 0 || !items.every(({ state }) => ENDED.has(state.kind));
  uploader.classList.toggle("ended", !many && received.length > 0);
  if (end.hidden) return;
  const bytes = received.reduce((sum, { size }) => sum + size, 0);
  const count = received.length === 1 ? "1 file" : `${received.length} files`;
  const title = Object.assign(document.createElement("strong"), { textContent: `Received: ${count}, ${words.size(bytes)}.` });
  if (end.dataset.text === title.textContent) return;
  end.dataset.text = title.textContent;
  end.replaceChildren(title, many ? " You can send more, or close this page." : " You can close this page.");
}

/** The service has forgotten the upload, and the grant was for no other. */
if (!many) {
  uploader.addEventListener("gantry-cancelled", () => {
    $("end").className = "notice warning end";
    $("end").hidden = false;
    $("end").textContent = "The upload was cancelled. Nothing more can be sent to this address: ask whoever sent it for a new one.";
    uploader.hidden = true;
  });
}

/** What the person says of themselves, kept with this tab for a reload. */
const kept = `gantry-sender-${uploader.dataset.upload}`;
let sender = {};

/** Asks the person first, where the grant wants to know. Resolves when they have answered. */
function askSender() {
  const fields = [...$("about").querySelectorAll("input, textarea")];
  if (fields.length === 0) return Promise.resolve();
  const before = JSON.parse(sessionStorage.getItem(kept) ?? "null");
  const form = $("sender");
  form.prepend($("about"));
  for (const field of fields) field.value = before?.[field.name] ?? "";
  if (before && form.checkValidity()) return Promise.resolve(answered(fields));
  form.hidden = false;
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.hidden = true;
      resolve(answered(fields));
    });
  });
}

function answered(fields) {
  const said = fields.map(({ name, value }) => [name, value.trim()]).filter(([, value]) => value);
  sender = Object.fromEntries(said);
  sessionStorage.setItem(kept, JSON.stringify(sender));
  const { sender_name: name, sender_email: email } = sender;
  const line = $("sender-line");
  line.hidden = !name && !email;
  line.textContent = `You send as ${[name, email].filter(Boolean).join(", ")}.`;
}

const until = $("until");
const day = new Intl.DateTimeFormat(words.lang, { dateStyle: "long" });
const hour = new Intl.DateTimeFormat(words.lang, { hour: "numeric", minute: "2-digit", timeZoneName: "short" });
until.textContent = `${day.format(Date.parse(until.dateTime))}, ${hour.format(Date.parse(until.dateTime))}`;
$("form").hidden = true;
await askSender();
uploader.hidden = false;
uploader.options = { scope: uploader.dataset.upload, ...(many && { metadata: () => sender }) };
uploader.tokenProvider = () => grant;
uploader.setAttribute("endpoint", location.origin);
// The core is made in this task's end.
await Promise.resolve();
uploader.uploader?.subscribe(({ items }) => showEnd(items));
