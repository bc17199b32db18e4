// One file's row. Its elements are made once and changed in place: the focus survives every update.

import { button, h, setAttribute, setShown, setText } from "./uploader/src/element/dom.js";
import { icon, kindOf, setIcon } from "./uploader/src/element/icons.js";
import { splitName } from "./uploader/src/element/row.js";
import { ageOf, exactTime, stateOf, words } from "./words.js";

export class FileRow {
  constructor(id) {
    this.id = id;
    this.thumb = h("div.thumb");
    this.head = h("span.head");
    this.tail = h("span.tail");
    this.open = h("a.open", { "data-act": "open", href: "#" }, this.head, this.tail);
    this.facts = h("span.facts.num");
    this.stateIcon = h("span");
    this.word = h("span");
    this.state = h("span.state", this.stateIcon, this.word);
    this.age = h("time.age.num");
    this.link = button(".icon-button", { "data-act": "link" }, icon("link"));
    this.remove = button(".icon-button", { "data-act": "remove" }, icon("trash"));
    this.element = h("li.file", { "data-id": id }, this.thumb, h("div.about", this.open, this.facts), this.state, this.age,
      h("div.acts", this.link, this.remove));
  }

  /** @param asset The asset. @param about `{picture, said, current}`: its small picture, what was just done to it, whether it is open. */
  update(asset, { picture, said, current, canLink }) {
    const name = asset.filename;
    const [head, tail] = splitName(name);
    setText(this.head, head);
    setText(this.tail, tail);
    setAttribute(this.open, "href", `#asset=${asset.id}`);
    setAttribute(this.open, "title", asset.metadata?.path ?? name);
    setAttribute(this.open, "aria-current", current ? "true" : null);
    const facts = [words.size(asset.size), asset.content_type].filter(Boolean).join(" · ");
    setText(this.facts, facts);
    const { word, tone, icon: stateIcon } = stateOf(asset);
    setAttribute(this.element, "data-tone", tone);
    setAttribute(this.element, "data-state", asset.state);
    setIcon(this.stateIcon, stateIcon);
    setText(this.word, said || word);
    setAttribute(this.state, "title", asset.reason?.message);
    setAttribute(this.age, "datetime", asset.created_at);
    setAttribute(this.age, "title", exactTime(asset.created_at));
    setText(this.age, ageOf(asset.created_at));
    setShown(this.link, canLink && asset.state === "ready");
    setShown(this.remove, asset.state !== "deleted" && asset.state !== "abandoned");
    for (const [act, text] of [["link", "Copy link"], ["remove", "Delete"]]) {
      setAttribute(this[act], "aria-label", `${text}: ${name}`);
      setAttribute(this[act], "title", text);
    }
    this.showPicture(asset, picture);
  }

  showPicture(asset, url) {
    if (this.url === url && this.thumb.firstChild) return;
    this.url = url;
    const kind = kindOf(asset.content_type ?? "");
    if (!url) {
      setIcon(this.thumb, kind);
      return;
    }
    const image = h("img", { alt: "", decoding: "async", referrerpolicy: "no-referrer", error: () => setIcon(this.thumb, kind) });
    image.src = url;
    delete this.thumb.dataset.icon;
    this.thumb.replaceChildren(image);
  }
}
