// Questions before something is done that cannot be undone.

import { button, h } from "./uploader/src/element/dom.js";

/** Asks, and answers whether the reader wants it. The safe button has the focus; Esc is no. */
export function askFirst({ title, text, action, keep }) {
  return new Promise((resolve) => {
    const close = (value) => dialog.close(value);
    const safe = button("", { autofocus: true, click: () => close("") }, keep);
    const dialog = h("dialog.asking", { "aria-labelledby": "question", "aria-describedby": "consequence", close: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    } },
    h("div.question", h("h2", { id: "question" }, title), h("p", { id: "consequence" }, text),
      h("div.buttons", safe, button(".danger", { click: () => close("yes") }, action))));
    document.body.append(dialog);
    dialog.showModal();
    safe.focus();
  });
}
