// The custom element: attributes and properties in, events out, and the pieces put together. Nothing here runs before an element is in a
// document, so that a server can import it.

import { createUploader } from "../core/index.js";
import { Controller } from "./controller.js";
import { setAttribute } from "./dom.js";
import { Painter } from "./painter.js";
import { buildParts } from "./parts.js";
import { detailsOf } from "./presses.js";
import { Words, messagesOf } from "./words.js";

/** @typedef {import("./types.js").Uploader} Uploader */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./words.js").Messages} Messages */
/** @typedef {Parameters<typeof createUploader>[0]} CoreOptions */

/** Properties that may be set before the element is defined. */
const PROPERTIES = ["tokenProvider", "grantProvider", "uploader", "options", "messages", "endpoint", "token", "theme", "accept", "name", "multiple", "protocol"];
/** What the core is made of: with another value it is made anew. */
const OF_CORE = new Set(["endpoint", "token", "accept", "multiple", "max-files", "max-size", "manual", "protocol"]);

/** Files wait so many milliseconds for a storage that does not answer. */
const RESTORE_PATIENCE = 2000;

const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class GantryUploaderElement extends Base {
  static formAssociated = true;
  static observedAttributes = ["endpoint", "token", "lang", "dir", "theme", "max-files", "max-size", "accept", "multiple", "manual", "drop", "links", "name", "protocol"];

  /** @type {CoreOptions["token"] | null} */
  #tokenProvider = null;
  /** @type {CoreOptions["grant"] | null} */
  #grantProvider = null;
  /** @type {Partial<CoreOptions>} */
  #options = {};
  /** @type {Partial<Messages>} */
  #messages = {};
  /** @type {Uploader | null} Given from outside: it is not ours to end. */
  #given = null;
  /** @type {Controller | null} */
  #controller = null;
  #words = new Words(/** @type {Messages} */ (messagesOf("en")));
  #grantSeen = false;
  /** What the core was made of. */
  #made = "";
  #madeOf = this.#options;
  #painter = new Painter(() => this.#render());
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  /** @type {ElementInternals | undefined} */
  #internals;
  /** @type {import("./parts.js").Parts | undefined} */
  #parts;
  /** Resolves once what earlier pages left is in the list: what is given then may be the rest of it. @type {Promise<unknown>} */
  #restored = Promise.resolve();
  /** What was dropped before there was a core. @type {import("./collect.js").Collected[]} */
  #early = [];

  connectedCallback() {
    PROPERTIES.forEach((name) => this.#upgrade(name));
    this.#parts ??= this.#build();
    this.#parts.zone.connect(this.ownerDocument);
    this.#speak();
    this.#later();
  }

  disconnectedCallback() {
    // An element that is only moved is connected again in the same task.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#parts?.zone.disconnect();
      this.#end();
    });
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (!this.#parts || before === after) return;
    if (name === "lang" || name === "dir") this.#speak();
    if (OF_CORE.has(name)) this.#later();
    this.#painter.now();
  }

  /**
   * A property that was set before the element was defined hides the accessor: it is set again.
   * @param {string} name
   */
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const self = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (this));
    const value = self[name];
    delete self[name];
    self[name] = value;
  }

  /** Asks the page for a token, for each file anew. */
  get tokenProvider() { return this.#tokenProvider; }
  set tokenProvider(provider) {
    this.#tokenProvider = provider;
    this.#later();
  }

  /** The backend opens the upload itself, and passes on what the service answered. */
  get grantProvider() { return this.#grantProvider; }
  set grantProvider(provider) {
    if (!provider !== !this.#grantProvider) this.#made = "";
    this.#grantProvider = provider;
    this.#later();
  }

  /** More options of the core. */
  get options() { return this.#options; }
  set options(options) {
    this.#options = options ?? {};
    this.#later();
  }

  /** Texts that take the place of the language's. */
  get messages() { return this.#messages; }
  set messages(messages) {
    this.#messages = messages ?? {};
    if (this.#parts) this.#speak();
  }

  /**
   * The headless uploader: the one given, or the element's own once it has an endpoint.
   * @returns {Uploader | null}
   */
  get uploader() { return this.#given ?? this.#controller?.uploader ?? null; }
  set uploader(uploader) {
    this.#given = uploader;
    if (this.#parts) this.#restart();
  }

  get endpoint() { return this.getAttribute("endpoint"); }
  set endpoint(value) { setAttribute(this, "endpoint", value); }

  get token() { return this.getAttribute("token"); }
  set token(value) { setAttribute(this, "token", value); }

  get theme() { return this.getAttribute("theme"); }
  set theme(value) { setAttribute(this, "theme", value); }

  get accept() { return this.getAttribute("accept"); }
  set accept(value) { setAttribute(this, "accept", value); }

  get name() { return this.getAttribute("name"); }
  set name(value) { setAttribute(this, "name", value); }

  /** How bytes travel; a word that is none of the three is no choice. @returns {"auto" | "tus" | "ietf"} */
  get protocol() {
    const chosen = this.getAttribute("protocol");
    return chosen === "tus" || chosen === "ietf" ? chosen : "auto";
  }
  set protocol(value) { setAttribute(this, "protocol", value); }

  get multiple() { return this.getAttribute("multiple") !== "false" && this.getAttribute("max-files") !== "1"; }
  set multiple(multiple) { this.setAttribute("multiple", String(Boolean(multiple))); }

  /** The limits that the page sets. */
  get #limits() {
    const types = (this.accept ?? "").split(",").map((type) => type.trim()).filter(Boolean);
    const maxSize = Number(this.getAttribute("max-size"));
    const maxFiles = this.multiple ? Number(this.getAttribute("max-files")) : 1;
    return { ...(types.length > 0 && { types }), ...(maxSize > 0 && { maxSize }), ...(maxFiles > 0 && { maxFiles }) };
  }

  /** Adds files as if they had been dropped. @param {Iterable<Source>} files */
  async add(files) {
    const found = [...files].map((file) => (file instanceof File ? { file } : file));
    await this.#restored;
    return this.#controller?.take({ found, empty: [], unreadable: [] });
  }

  start() { this.uploader?.start(); }
  pause() { this.uploader?.pause(); }
  resume() { this.uploader?.resume(); }
  retry() { this.uploader?.retry(); }
  /** Without asking: the page has asked. */
  cancel() { this.#controller?.actAll("cancelAll"); }
  /** The drop zone has the focus for all. @param {FocusOptions} [options] */
  focus(options) { this.#parts?.zone.input.focus(options); }
  /** Opens the file picker; like every picker, only after a click or a key. */
  browse() { this.#parts?.zone.input.click(); }

  #build() {
    const self = this;
    return buildParts(this.attachShadow({ mode: "open" }), {
      draw: () => this.#painter.now(),
      take: (collected) => {
        if (this.#controller) void this.#restored.then(() => this.#controller?.take(collected));
        else this.#hold(collected);
      },
      get controller() { return self.#controller; },
      get words() { return self.#words; },
    });
  }

  /** Keeps what was given before there was a credential, and tells the page of it. @param {import("./collect.js").Collected} collected */
  #hold(collected) {
    this.#early.push(collected);
    this.dispatchEvent(new CustomEvent("gantry-held", { detail: { files: collected.found.length }, bubbles: true, composed: true }));
  }

  /** Finds the language, and loads its messages if they are not there yet. */
  #speak() {
    const lang = this.closest("[lang]")?.getAttribute("lang") || navigator.language;
    const messages = messagesOf(lang);
    if (messages instanceof Promise) void messages.then(() => this.isConnected && this.#speak());
    else {
      this.#words = new Words(messages, lang, this.#messages);
      const box = this.#parts?.box;
      if (box) {
        setAttribute(box, "lang", this.#words.lang);
        // A direction that the page gives is inherited; without one it is the language's.
        const given = this.closest("[dir]");
        setAttribute(box, "dir", given ? this.getAttribute("dir") : messages.dir);
      }
      this.#painter.first();
    }
  }

  /** Frameworks set one property after the other, in the same task. */
  #later() {
    if (this.#parts) queueMicrotask(() => this.#restart());
  }

  /** Makes the core, or takes the one that was given. */
  #restart() {
    if (!this.isConnected || !this.#parts) return;
    const endpoint = this.endpoint;
    const credential = this.#tokenProvider || this.#grantProvider || this.token || this.#options.token;
    const wanted = this.#given ?? (endpoint && credential ? endpoint : null);
    const made = JSON.stringify([...OF_CORE].map((name) => this.getAttribute(name)));
    const same = this.#made === made && this.#madeOf === this.#options;
    // What is on its way is not given up because an attribute changed. Tokens are asked for anew anyway.
    if (this.#controller && (this.#controller.uploader === wanted || (wanted === endpoint && (same || this.#controller.counts.all > 0)))) return;
    this.#made = made;
    this.#madeOf = this.#options;
    this.#end();
    if (!wanted) return this.#painter.now();
    const uploader = this.#given ?? this.#create(String(endpoint));
    this.#controller = new Controller(uploader, this.#host(this.#parts));
    // A page that may store nothing restores nothing.
    const restore = this.#given ? null : uploader.restore().catch(() => {});
    this.#restored = restore ? Promise.race([restore, new Promise((resolve) => setTimeout(resolve, RESTORE_PATIENCE))]) : Promise.resolve();
    void this.#restored.then(() => this.#early.splice(0).forEach((collected) => void this.#controller?.take(collected)));
    this.#clock = setInterval(() => this.#tick(), 1000);
    return this.#painter.now();
  }

  /** @param {string} endpoint */
  #create(endpoint) {
    return createUploader({
      endpoint,
      token: async (request) => {
        const token = await (this.#tokenProvider ? this.#tokenProvider(request) : this.token ?? "");
        this.#grantSeen = token.startsWith("gu_");
        return token;
      },
      ...(this.#grantProvider && { grant: (request) => /** @type {NonNullable<CoreOptions["grant"]>} */ (this.#grantProvider)(request) }),
      limits: this.#limits,
      protocol: this.protocol,
      autoStart: this.#autoStart,
      ...this.#options,
    });
  }

  get #autoStart() { return !this.hasAttribute("manual"); }

  /** @param {import("./parts.js").Parts} parts @returns {import("./controller.js").Host} */
  #host({ announcer, notices }) {
    const self = this;
    return {
      announcer,
      notices,
      get words() { return self.#words; },
      draw: () => this.#painter.soon(),
      drawNow: () => this.#painter.now(),
      emit: (name, detail) => this.dispatchEvent(new CustomEvent(`gantry-${name}`, { detail, bubbles: true, composed: true })),
    };
  }

  #end() {
    clearInterval(this.#clock);
    const uploader = this.#controller?.uploader;
    this.#controller?.close();
    if (uploader && uploader !== this.#given) uploader.destroy();
    this.#controller = null;
  }

  /** Countdowns go on. */
  #tick() {
    if (this.#controller?.state.items.some((item) => item.state.kind === "waiting")) this.#painter.soon();
  }

  #render() {
    const parts = this.#parts;
    if (!parts) return;
    const words = this.#words;
    const controller = this.#controller;
    const items = controller?.state.items ?? [];
    const limits = { ...this.#limits, ...controller?.state.limits };
    const page = this.getAttribute("drop") === "page";
    parts.zone.update({ words, multiple: this.multiple, accept: this.accept ?? "", limits, compact: items.length > 0, page });
    if (!controller) return;
    const { state, counts } = controller;
    parts.notices.update(state.online, counts.atRisk > 0, words);
    parts.total.update(state, counts, words, this.#autoStart);
    parts.list.update(items, {
      words, now: Date.now(), canLink: this.#canLink, autoStart: this.#autoStart, previews: parts.previews,
      open: parts.presses.open, copied: parts.presses.copied, details: (id) => detailsOf(controller.item(id), words),
    });
    this.#setFormValue();
  }

  /** Links need more than a grant to upload. */
  get #canLink() {
    const wish = this.getAttribute("links");
    if (wish !== null) return wish !== "off";
    return !this.#grantSeen && !this.token?.startsWith("gu_") && !this.#grantProvider;
  }

  /** In a form, the field is the ids of what has become ready. */
  #setFormValue() {
    const name = this.name;
    if (!name) return;
    this.#internals ??= this.attachInternals();
    const data = new FormData();
    for (const { state, assetId } of this.#controller?.state.items ?? []) if (state.kind === "ready" && assetId) data.append(name, assetId);
    this.#internals.setFormValue(data);
  }
}
