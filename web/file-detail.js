// One file in full, as a panel beside the list. Its address can be passed on: `#asset=…`.

import { button, h } from "./uploader/src/element/dom.js";
import { icon, iconBox, kindOf } from "./uploader/src/element/icons.js";
import { exactTime, stateOf, words } from "./words.js";

export class FileDetail {
  /** `act(name, asset)`: what was pressed; `closed()`: the panel is gone. */
  constructor({ act, closed }) {
    Object.assign(this, { act, id: "", asset: null });
    this.inside = h("div.inside");
    this.told = h("p.told", { role: "status" });
    this.element = h("dialog.detail", { "aria-labelledby": "detail-title", close: () => {
      this.id = "";
      closed();
    } }, this.inside);
    // A press beside the panel closes it.
    this.element.addEventListener("click", (event) => event.target === this.element && this.close());
    document.body.append(this.element);
  }

  close() {
    if (this.element.open) this.element.close();
  }

  /** Shows a file, or a sentence where there is none. */
  show(id, asset, { picture, canLink, problem }) {
    this.id = id;
    this.asset = asset;
    this.say("");
    const close = button(".icon-button", { "aria-label": "Close", title: "Close", click: () => this.close() }, icon("remove"));
    const title = h("h2", { id: "detail-title" }, asset?.filename ?? "No such file");
    const body = asset ? this.describe(asset, picture, canLink)
      : [h("p", problem ?? "There is no file with this id, or this key may not see it.")];
    this.inside.replaceChildren(h("header", title, close), ...body, this.told);
    if (!this.element.open) this.element.showModal();
  }

  say(text) {
    this.told.textContent = text;
  }

  describe(asset, picture, canLink) {
    const { word, tone, icon: stateIcon } = stateOf(asset);
    const ready = asset.state === "ready";
    const state = h("span.state", { "data-tone": tone }, iconBox(stateIcon), word);
    const pairs = [
      ["State", asset.reason ? h("div", state, h("p", asset.reason.message), h("p.hint", `Code: ${asset.reason.code}`)) : state],
      ["Size", words.size(asset.size)],
      ["Type", asset.content_type],
      ["Folder", asset.metadata?.path?.replace(/[^/]*$/, "")],
      ["Received", exactTime(asset.created_at)],
      ["Kept until", asset.delete_at && exactTime(asset.delete_at)],
      ["SHA-256", asset.sha256, "code"],
      ["Id", asset.id, "code"],
      ["Your id", asset.external_id, "code"],
    ];
    const list = h("dl", ...pairs.filter(([, value]) => value).flatMap(([term, value, kind]) => [h("dt", term), h(kind ? "dd.code" : "dd", value)]));
    const image = picture && h("img", { alt: "", referrerpolicy: "no-referrer" });
    if (image) image.src = picture;
    const press = (name, text, kind = "") => button(kind, { click: () => this.act(name, asset) }, text);
    const buttons = h("div.buttons",
      ...(ready && canLink ? [press("link", "Copy link", ".primary"), press("download", "Download")] : []),
      ...(["deleted", "abandoned"].includes(asset.state) ? [] : [press("remove", "Delete", ".danger")]));
    return [h("div.picture", image || icon(kindOf(asset.content_type ?? ""))), buttons, list];
  }
}
