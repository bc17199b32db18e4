// The start page: a key, a drop zone, and a row per file.

import { Api, pathOf } from "./api.js";
import { Upload, fingerprint, requireReadable } from "./upload.js";

const PHASES = {
  opening: "Opening…",
  sending: "Sending",
  completing: "Putting it together…",
  processing: "Checking…",
  waiting: "Interrupted, trying again…",
  offline: "Waiting for the network…",
};
const UNFINISHED = "gantry-unfinished";
/** Each of them sends parts side by side already. */
const FILES_AT_ONCE = 3;
const $ = (id) => document.getElementById(id);

let api;
const running = new Set();

// ── the key: from the address once, then for this tab only ──────────────────────────────────────────────────────────

function takeKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key) {
    sessionStorage.setItem("gantry-key", key);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("gantry-key");
}

function begin() {
  const key = takeKey();
  api = key && new Api(key);
  $("key-form").hidden = Boolean(key);
  $("sender").hidden = !key;
  if (key) showUnfinished();
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("gantry-key", $("key").value.trim());
  $("key").value = "";
  begin();
});

$("forget").addEventListener("click", () => {
  sessionStorage.removeItem("gantry-key");
  location.reload();
});

// ── what was not finished when the page was left: names, no credentials ─────────────────────────────────────────────

function unfinished() {
  try {
    return JSON.parse(localStorage.getItem(UNFINISHED)) ?? {};
  } catch {
    return {};
  }
}

function remember(id, file) {
  const all = unfinished();
  if (file) all[id] = { name: file.name, size: file.size };
  else delete all[id];
  localStorage.setItem(UNFINISHED, JSON.stringify(all));
}

function showUnfinished() {
  for (const [id, { name, size }] of Object.entries(unfinished())) {
    const row = addRow(id, name, size);
    row.say("Not finished: choose this file again and it goes on where it stopped.");
    row.button("cancel", "Forget", () => {
      remember(id, null);
      row.element.remove();
    });
  }
}

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function addRow(id, name, size) {
  document.querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove();
  const element = $("row").content.firstElementChild.cloneNode(true);
  const part = (selector) => element.querySelector(selector);
  element.dataset.id = id;
  part(".name").textContent = name;
  part(".size").textContent = bytes(size);
  part("progress").setAttribute("aria-label", `Progress of ${name}`);
  $("uploads").prepend(element);
  return {
    element,
    /** The row is this upload's from now on; one that stood for it before goes. */
    become(known) {
      document.querySelector(`[data-id="${CSS.escape(known)}"]`)?.remove();
      element.dataset.id = known;
    },
    say: (text) => { part(".state").textContent = text; },
    progress: (value) => { part("progress").value = value; },
    mark: (kind) => { element.className = kind; },
    button(kind, label, action) {
      const button = part(`.${kind}`);
      button.textContent = label;
      button.hidden = !action;
      button.onclick = action;
    },
    link(url) {
      part(".link").hidden = false;
      part(".link").value = url;
      part(".link").select();
    },
  };
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024;
  return `${count.toFixed(unit && count < 100 ? 1 : 0)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Speed over the last ten seconds, so that it neither jumps nor remembers the pauses. */
function meter() {
  const samples = [];
  return (sent, size) => {
    const now = performance.now();
    samples.push([now, sent]);
    while (samples.length > 2 && now - samples[0][0] > 10_000) samples.shift();
    const speed = (sent - samples[0][1]) / Math.max(0.001, (now - samples[0][0]) / 1000);
    if (!(speed > 0) || samples.length < 3) return "";
    return ` · ${bytes(speed)}/s · ${duration((size - sent) / speed)} left`;
  };
}

// ── the queue: some files at a time, the others in the order in which they came ─────────────────────────────────────

const waiting = [];
let sending = 0;
let rows = 0;

function enqueue(file) {
  const row = addRow(`waiting-${rows++}`, pathOf(file), file.size);
  row.say("Waiting for its turn");
  const turn = { file, row };
  row.button("cancel", "Cancel", () => {
    waiting.splice(waiting.indexOf(turn), 1);
    row.element.remove();
  });
  waiting.push(turn);
  next();
}

function next() {
  while (sending < FILES_AT_ONCE && waiting.length) {
    const { file, row } = waiting.shift();
    sending++;
    send(file, row).finally(() => {
      sending--;
      next();
    });
  }
}

// ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────

async function send(file, row) {
  row.button("cancel", "", null);
  let id;
  try {
    await requireReadable(file);
    id = await fingerprint(file);
  } catch (error) {
    return failed(row, file, error);
  }
  if (running.has(id)) {
    row.element.remove();
    $("status").textContent = `${file.name} is being sent already`;
    return;
  }
  row.become(id);
  const measure = meter();
  const upload = new Upload(api, file, id, ({ phase, reason, sent, size }) => {
    row.progress(size ? sent / size : 1);
    const amount = phase === "sending" ? ` · ${bytes(sent)} of ${bytes(size)}${measure(sent, size)}` : "";
    row.say(PHASES[phase] + (reason ? ` ${reason}` : amount));
  });
  running.add(id);
  remember(id, file);
  row.button("cancel", "Cancel", async () => {
    remember(id, null);
    await upload.cancel();
    row.element.remove();
  });
  $("status").textContent = `Sending ${file.name}`;
  try {
    const asset = await upload.run();
    remember(id, null);
    done(row, file, asset);
  } catch (error) {
    // Nothing of it is left to go on with.
    if (error.code === "file_unreadable") remember(id, null);
    if (error.name !== "AbortError") failed(row, file, error);
  } finally {
    running.delete(id);
  }
}

function done(row, file, asset) {
  row.mark("done");
  row.progress(1);
  row.say(`Ready · ${asset.content_type ?? "unknown type"}`);
  row.button("cancel", "", null);
  row.button("copy", "Copy link", async () => {
    try {
      const { url } = await api.link(asset.id);
      row.link(url);
      await navigator.clipboard?.writeText(url).then(() => row.say("Link copied; it works for seven days."), () => {});
    } catch (error) {
      row.say(error.message);
    }
  });
  $("status").textContent = `${file.name} is ready`;
}

function failed(row, file, error) {
  row.mark("failed");
  row.say(error.requestId ? `${error.message} (request ${error.requestId})` : error.message);
  const hopeless = ["digest_mismatch", "file_unreadable"].includes(error.code);
  row.button("cancel", "", null);
  row.button("retry", "Try again", hopeless ? null : () => {
    row.element.remove();
    enqueue(file);
  });
  $("status").textContent = `${file.name} failed: ${error.message}`;
}

function sendAll(files) {
  for (const file of files) enqueue(file);
}

/** Everything that was dropped, folders with all that is in them. */
async function sendDropped(transfer) {
  // Both lists are gone after the first pause.
  const files = [...transfer.files];
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? null);
  if (!entries.some((entry) => entry?.isDirectory)) return sendAll(files);
  for (const [at, entry] of entries.entries()) {
    if (entry?.isDirectory) await sendFolder(entry);
    else if (files[at]) enqueue(files[at]);
  }
}

async function sendFolder(folder) {
  const reader = folder.createReader();
  try {
    // A folder is read in portions, the last of which is empty.
    for (let portion; (portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;) {
      for (const entry of portion) {
        if (entry.isDirectory) await sendFolder(entry);
        else await sendEntry(entry);
      }
    }
  } catch {
    cannotRead(folder.fullPath, "This folder cannot be read.");
  }
}

async function sendEntry(entry) {
  try {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    file.droppedPath = entry.fullPath.replace(/^\//, "");
    enqueue(file);
  } catch {
    cannotRead(entry.fullPath, "This file cannot be read.");
  }
}

function cannotRead(path, why) {
  const row = addRow(`waiting-${rows++}`, path.replace(/^\//, ""), 0);
  row.mark("failed");
  row.say(why);
  $("status").textContent = `${path}: ${why}`;
}

$("files").addEventListener("change", (event) => {
  sendAll(event.target.files);
  event.target.value = "";
});

const drop = $("drop");
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (api) sendDropped(event.dataTransfer);
});

// Leaving is safe, and the browser asks all the same while bytes are on their way.
addEventListener("beforeunload", (event) => {
  if (running.size || waiting.length) event.preventDefault();
});

begin();
