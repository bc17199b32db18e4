// The start page: a key, the uploader, and the files that are there.

import "./uploader/src/element/index.js";
import { FilesView } from "./files.js";
import { KeyForm, forgetKey, scopeOf, storedKey } from "./key.js";

const $ = (id) => document.getElementById(id);
const uploader = $("uploader");

const form = new KeyForm((api) => begin(api));

function begin(api) {
  $("held").hidden = true;
  $("forget").hidden = false;
  uploader.options = { scope: scopeOf(api.key) };
  uploader.tokenProvider = () => api.key;
  const files = new FilesView($("files"), api, (text) => { $("said").textContent = text; });
  files.refused = (why) => {
    forgetKey();
    form.ask(why);
  };
  for (const name of ["ready", "rejected", "failed"]) {
    uploader.addEventListener(`gantry-${name}`, ({ detail }) => detail.item.assetId && files.heard(detail.item.assetId));
  }
  void files.begin();
}

let held = 0;
uploader.addEventListener("gantry-held", ({ detail }) => {
  held += detail.files;
  $("held").textContent = held === 1 ? "1 file is waiting here. Enter your API key, and it is sent."
    : `${held} files are waiting here. Enter your API key, and they are sent.`;
  $("held").hidden = false;
  form.ask();
});

$("forget").addEventListener("click", () => {
  forgetKey();
  location.reload();
});

uploader.setAttribute("endpoint", location.origin);
const key = storedKey();
if (key) void form.take(key);
else form.ask();
