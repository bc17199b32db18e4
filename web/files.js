// The files that are there: search and state in the address, the list, one file in full, links and deletion.

import { inAddress, onAddress, writeAddress } from "./address.js";
import { Assets } from "./assets.js";
import { askFirst } from "./dialogs.js";
import { FileDetail } from "./file-detail.js";
import { FileList } from "./file-list.js";
import { Pictures } from "./pictures.js";
import { copy } from "./uploader/src/element/clipboard.js";
import { button, h, setShown } from "./uploader/src/element/dom.js";
import { httpPort } from "./uploader/src/core/ports/http.js";
import { words } from "./words.js";

/** A search begins when nothing was typed for so many milliseconds. */
const TYPING = 200;
/** Ages and notes are told anew after so many milliseconds. */
const TICK = 30_000;
const NOTE_LIFE = 4000;

export class FilesView {
  /** `say(text)` tells a screen reader. */
  constructor(section, api, say) {
    Object.assign(this, { section, api, say, canLink: true, notes: new Map(), refused: () => {} });
    this.assets = new Assets(api, () => this.draw());
    this.pictures = new Pictures(api, () => this.draw());
    this.list = new FileList({
      act: (act, id) => void this.act(act, this.assets.find(id)),
      near: () => !this.assets.problem && void this.assets.more(),
      shown: (seen) => this.pictures.want(seen),
    });
    this.detail = new FileDetail({ act: (act, asset) => void this.act(act, asset), closed: () => this.closed() });
    this.note = h("div.note");
    this.more = h("div.more", "Loading more…");
    section.querySelector("#list").replaceWith(h("div.list", { id: "list" }, this.list.element, this.note, this.more));
    this.search = section.querySelector("#search");
    this.state = section.querySelector("#state");
  }

  async begin() {
    this.section.hidden = false;
    this.search.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.choose(), TYPING);
    });
    this.state.addEventListener("change", () => this.choose());
    onAddress(() => this.readAddress());
    setInterval(() => this.draw(), TICK);
    void this.assets.follow(httpPort().stream);
    await this.readAddress(true);
  }

  /** What was typed and chosen goes into the address, and the list follows. */
  choose() {
    writeAddress({ q: this.search.value.trim(), state: this.state.value });
    void this.readAddress();
  }

  /** The list and the panel are what the address says. */
  async readAddress(first = false) {
    const filter = { name: inAddress("q"), state: inAddress("state") };
    if (document.activeElement !== this.search || first) this.search.value = filter.name;
    this.state.value = filter.state;
    const asset = inAddress("asset");
    if (asset !== this.detail.id) void this.open(asset);
    const before = this.assets.filter;
    if (!first && before.name === filter.name && before.state === filter.state) return;
    await this.assets.show(filter);
    if (!first) this.say(this.summary());
  }

  /** Something happened to an asset that this page has to do with. */
  heard(id) {
    this.assets.heard(id);
  }

  draw() {
    const { assets, list } = this;
    const { problem, items } = assets;
    if (problem?.status === 401) this.refused(problem.message);
    list.update(items, assets.complete || Boolean(problem), (asset) => ({
      picture: this.pictures.of(asset), said: this.notes.get(asset.id), current: this.detail.id === asset.id, canLink: this.canLink,
    }));
    setShown(list.element, items.length > 0);
    setShown(this.more, items.length > 0 && !assets.complete && !problem);
    this.drawNote();
    const open = this.detail.id && assets.find(this.detail.id);
    if (open && open !== this.detail.asset) this.showDetail(open);
  }

  /** What is told where there is no file to show. */
  drawNote() {
    const { problem, items, begun, filter, complete } = this.assets;
    const { note } = this;
    const shown = Boolean(problem) || (items.length === 0 && (!begun || complete));
    setShown(note, shown);
    if (!shown) return;
    const show = (title, text, ...more) => {
      if (note.dataset.text === title + text) return;
      note.dataset.text = title + text;
      note.replaceChildren(h("strong", title), h("span", text), ...more);
    };
    const { hidden: form } = document.getElementById("key-form");
    if (problem?.status === 403) show("This key may send files, but not list them.", "A key with the scope read shows what is there.");
    else if (problem && form) show("The files cannot be listed.", problem.message, button("", { click: () => void this.assets.more() }, "Try again"));
    else if (problem) show("The files are shown once there is a key.", "");
    else if (!begun) show("", "Loading…");
    else if (filter.name || filter.state) show("No file is like this.", "", button("", { click: () => this.clear() }, "Show all files"));
    else show("No files yet.", "Whatever is sent shows up here, from this page, from an application, or by gantry put FILE.");
  }

  clear() {
    this.search.value = this.state.value = "";
    this.search.focus();
    this.choose();
  }

  summary() {
    const count = this.assets.items.length;
    const number = words.number(count);
    return this.assets.complete ? `${number} ${count === 1 ? "file" : "files"}` : `More than ${number} files`;
  }

  // ── one file ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(id) {
    if (!id) return this.detail.close();
    const known = this.assets.find(id);
    if (known) return this.showDetail(known);
    try {
      this.showDetail(await this.api.asset(id));
    } catch (error) {
      this.detail.show(id, null, { problem: error.status === 404 || error.status === 422 ? undefined : error.message });
    }
  }

  showDetail(asset) {
    this.pictures.want([asset]);
    this.detail.show(asset.id, asset, { picture: this.pictures.of(asset), canLink: this.canLink });
  }

  /** The panel was closed: its row has the focus again. */
  closed() {
    const id = inAddress("asset");
    writeAddress({ asset: "" }, { step: true });
    if (id) this.list.focus(id);
    this.draw();
  }

  async act(act, asset) {
    if (!asset) return;
    if (act === "open") {
      writeAddress({ asset: asset.id }, { step: true });
      await this.open(asset.id);
      this.draw();
    } else if (act === "link") await this.copyLink(asset);
    else if (act === "download") await this.download(asset);
    else if (act === "remove") await this.remove(asset);
  }

  /** Tells what came of something, in the row, in the panel and to a screen reader. */
  tell(asset, text) {
    this.notes.set(asset.id, text);
    setTimeout(() => {
      this.notes.delete(asset.id);
      this.draw();
    }, NOTE_LIFE);
    if (this.detail.id === asset.id) this.detail.say(text);
    else this.say(text);
    this.draw();
  }

  /** Makes a link, or tells why there is none. */
  linkTo(asset, wish) {
    return this.api.link(asset.id, wish).then(({ url }) => url, (error) => {
      if (error.status === 403) this.canLink = false;
      this.tell(asset, error.status === 403 ? "This key may not make links." : error.message);
      throw error;
    });
  }

  async copyLink(asset) {
    const link = this.linkTo(asset, { expires_in: "7d" });
    try {
      await copy(link);
      this.tell(asset, "Link copied");
    } catch {
      const url = await link.catch(() => null);
      // Where the browser lets no page copy, the reader does it.
      if (url) await this.showLink(asset, url);
    }
  }

  async showLink(asset, url) {
    const field = h("input.num", { readonly: true, value: url, "aria-label": `Link to ${asset.filename}` });
    const dialog = h("dialog.asking", { "aria-labelledby": "link-title", close: () => dialog.remove() },
      h("div.question", h("h2", { id: "link-title" }, "Link to the file"), field, h("p.hint", "It works for seven days."),
        h("div.buttons", button("", { click: () => dialog.close() }, "Close"))));
    document.body.append(dialog);
    dialog.showModal();
    field.select();
  }

  async download(asset) {
    const url = await this.linkTo(asset, { expires_in: "10m", disposition: "attachment" }).catch(() => null);
    if (url) location.assign(url);
  }

  async remove(asset) {
    const sure = await askFirst({
      title: `Delete ${asset.filename}?`,
      text: asset.state === "awaiting" ? "Its upload ends, and what has been sent of it is removed."
        : "The file is removed from the storage for good, and every link to it ends.",
      action: "Delete",
      keep: "Keep the file",
    });
    if (!sure) return;
    const next = this.list.neighbour(asset.id);
    try {
      await this.api.remove(asset.id);
    } catch (error) {
      this.tell(asset, error.status === 403 ? "This key may delete only what it has sent." : error.message);
      return;
    }
    this.assets.drop(asset.id);
    if (this.detail.id === asset.id) this.detail.close();
    this.draw();
    this.say(`${asset.filename} is deleted`);
    if (!next || !this.list.focus(next, "remove")) this.search.focus();
  }
}
