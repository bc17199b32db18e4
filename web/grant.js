// The upload page of a grant, for somebody without an account: with scripts the form becomes the uploader, which goes on after a reload.

import "./uploader/src/element/index.js";
import { words } from "./words.js";

const $ = (id) => document.getElementById(id);
const uploader = $("uploader");
/** The grant is in the page's address, and is kept nowhere. */
const grant = location.pathname.split("/")[2];
/** The service has the file: what becomes of it there is for others to see. */
const RECEIVED = new Set(["processing", "ready"]);

function showEnd(items) {
  const received = items.filter(({ state }) => RECEIVED.has(state.kind));
  const end = $("end");
  if (uploader.hidden) return;
  end.hidden = received.length === 0;
  uploader.classList.toggle("ended", received.length > 0);
  if (received.length === 0) return;
  const bytes = received.reduce((sum, { size }) => sum + size, 0);
  const count = received.length === 1 ? "1 file" : `${received.length} files`;
  const title = Object.assign(document.createElement("strong"), { textContent: `Received: ${count}, ${words.size(bytes)}.` });
  if (end.dataset.text === title.textContent) return;
  end.dataset.text = title.textContent;
  end.replaceChildren(title, " You can close this page.");
}

/** The service has forgotten the upload, and the grant was for no other. */
uploader.addEventListener("gantry-cancelled", () => {
  $("end").className = "notice warning end";
  $("end").hidden = false;
  $("end").textContent = "The upload was cancelled. Nothing more can be sent to this address: ask whoever sent it for a new one.";
  uploader.hidden = true;
});

const until = $("until");
const day = new Intl.DateTimeFormat(words.lang, { dateStyle: "long" });
const hour = new Intl.DateTimeFormat(words.lang, { hour: "numeric", minute: "2-digit", timeZoneName: "short" });
until.textContent = `${day.format(Date.parse(until.dateTime))}, ${hour.format(Date.parse(until.dateTime))}`;
$("form").hidden = true;
uploader.hidden = false;
uploader.options = { scope: uploader.dataset.upload };
uploader.tokenProvider = () => grant;
uploader.setAttribute("endpoint", location.origin);
// The core is made in this task's end.
await Promise.resolve();
uploader.uploader?.subscribe(({ items }) => showEnd(items));
