// Turns the file inputs of django-gantry into uploaders. Where this script or the service cannot be had, the input stays what it is.

const elements = new Map();

/** The module of the element, from the service itself. */
function load(endpoint) {
  if (!elements.has(endpoint)) elements.set(endpoint, import(`${endpoint}/uploader/src/element/index.js`));
  return elements.get(endpoint);
}

/** The project's token against forged requests: of this form, or of the cookie. */
function csrfToken(form) {
  const field = form?.querySelector("[name=csrfmiddlewaretoken]") ?? document.querySelector("[name=csrfmiddlewaretoken]");
  return field?.value ?? /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

async function askForGrant(field, form, { name, size, type, fingerprint }) {
  const answer = await fetch(field.dataset.grant, {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json", "x-csrftoken": csrfToken(form) },
    body: JSON.stringify({ name, size, type, fingerprint, rules: field.dataset.rules }),
  });
  const json = await answer.json().catch(() => ({}));
  if (answer.ok) return json;
  throw Object.assign(new Error(json.detail ?? `This site answered ${answer.status}.`), { code: json.code, status: answer.status });
}

function uploaderOf(field, form, input, claim) {
  const { endpoint, label, accept, maxSize } = field.dataset;
  const uploader = document.createElement("gantry-uploader");
  const set = (name, value) => value && uploader.setAttribute(name, value);
  set("endpoint", endpoint);
  set("accept", accept);
  set("max-size", maxSize);
  set("multiple", "false");
  set("links", "off");
  uploader.options = { scope: label };
  /** The claim of each file that was allowed. */
  const claims = new Map();
  uploader.grantProvider = async ({ file }) => {
    const { opened, claim: text } = await askForGrant(field, form, file);
    claims.set(file.id, text);
    return opened;
  };
  const write = (text) => {
    claim.value = text;
    claim.dispatchEvent(new Event("change", { bubbles: true }));
    input.required = input.dataset.required === "true" && !text;
  };
  uploader.addEventListener("gantry-ready", ({ detail }) => {
    field.querySelector("[data-gantry-sent]")?.remove();
    write(claims.get(detail.item.id) ?? "");
  });
  const takenBack = () => write("");
  for (const name of ["gantry-removed", "gantry-cancelled"]) uploader.addEventListener(name, takenBack);
  return uploader;
}

/** A form that is sent too early waits for its files. */
function holdBack(form, uploader) {
  let waiting = null;
  const busy = () => (uploader.uploader?.state.items ?? []).some(({ state }) =>
    ["queued", "preparing", "uploading", "completing", "processing", "offline", "waiting"].includes(state.kind));
  form.addEventListener("submit", (event) => {
    if (!busy()) return;
    event.preventDefault();
    waiting = event.submitter ?? undefined;
    form.dataset.gantryWaiting = "true";
  });
  uploader.addEventListener("gantry-complete", ({ detail }) => {
    if (waiting === null) return;
    const submitter = waiting;
    waiting = null;
    delete form.dataset.gantryWaiting;
    if (detail.failed === 0 && form.reportValidity()) form.requestSubmit(submitter);
  });
}

async function setUp(field) {
  if (field.dataset.gantryDone || !field.dataset.grant || !field.dataset.endpoint) return;
  field.dataset.gantryDone = "true";
  const input = field.querySelector("input[type=file]");
  const claim = field.querySelector("[data-gantry-claim]");
  const form = field.closest("form");
  try {
    await load(field.dataset.endpoint);
  } catch {
    return;
  }
  input.dataset.required = String(input.required);
  input.required = input.required && !claim.value;
  const uploader = uploaderOf(field, form, input, claim);
  // Not `hidden`: a field that is required and empty must still be able to say so.
  input.style.cssText = "opacity: 0; block-size: 1px; inline-size: 1px; position: absolute; pointer-events: none";
  input.tabIndex = -1;
  claim.before(uploader);
  if (form) holdBack(form, uploader);
}

const setUpWithin = (root) => root.querySelectorAll("[data-gantry-field]").forEach((field) => {
  // The admin has empty forms to be copied.
  if (!field.closest(".empty-form")) void setUp(field);
});

setUpWithin(document);
document.addEventListener("formset:added", ({ target }) => setUpWithin(target));
