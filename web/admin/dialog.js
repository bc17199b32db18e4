// Every action is confirmed in a dialog that names the thing and the consequence. The safe button has the focus.

import { button, h } from "./dom.js";
import { notify, problemBox } from "./pieces.js";

/**
 * Asks before something happens. `run` gets the values of the fields and does it; its problem is shown in the dialog.
 * @param {{title: string, text?: string, fields?: object[], action: string, danger?: boolean, done?: string, run: Function}} question
 * @returns {Promise<any>} What `run` answered, or undefined if it was called off.
 */
export function ask({ title, text, fields = [], action, danger, done, run }) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const inputs = fields.map(fieldRow);
    const trouble = h("div");
    const cancel = button("", { click: () => dialog.close() }, "Cancel");
    const confirm = h(`button.${danger ? "danger" : "primary"}`, { type: "submit" }, action);
    const form = h("form", h("h2", { id: "dialog-title" }, title), text && h("p", text), inputs.map(({ row }) => row), trouble, h("div.buttons", cancel, confirm));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    let outcome;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(inputs.map(({ name, read }) => [name, read()]));
      confirm.disabled = true;
      trouble.replaceChildren();
      try {
        outcome = (await run(values)) ?? true;
        dialog.close();
        if (done) notify(done);
      } catch (problem) {
        trouble.replaceChildren(problemBox(problem));
      } finally {
        confirm.disabled = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(outcome);
    });
    document.body.append(dialog);
    dialog.showModal();
    if (fields.length && !danger) inputs[0].focus();
    else cancel.focus();
  });
}

let fieldNumber = 0;

function fieldRow({ name, label, help, kind = "text", options, required, value, rows, maxLength }) {
  const id = `field-${++fieldNumber}`;
  if (kind === "checks") {
    const boxes = options.map((option) => h("label.check", h("input", { type: "checkbox", value: option, checked: value?.includes(option) }), option));
    const row = h("fieldset", h("legend", label), h("div.checks", boxes), help && h("p.help", help));
    return { name, row, focus: () => row.querySelector("input").focus(), read: () => [...row.querySelectorAll("input:checked")].map((box) => box.value) };
  }
  const common = { id, name, required, maxlength: maxLength, "aria-describedby": help ? `${id}-help` : null, autocomplete: "off" };
  const input = kind === "select"
    ? h("select", common, options.map(([chosen, word]) => h("option", { value: chosen, selected: chosen === value }, word)))
    : kind === "area"
      ? h("textarea", { ...common, rows: rows ?? 3, spellcheck: "false" }, value ?? "")
      : h("input", { ...common, type: kind, value });
  const row = h("div.field", h("label", { for: id }, label), input, help && h("p.help", { id: `${id}-help` }, help));
  return { name, row, focus: () => input.focus(), read: () => input.value.trim() };
}

/** Shows something once, such as a secret, until it is put away. */
export function show({ title, text, content }) {
  const before = document.activeElement;
  const close = button(".primary", { click: () => dialog.close() }, "Close");
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, h("h2", { id: "dialog-title" }, title), text && h("p", text), content, h("div.buttons", close));
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}
