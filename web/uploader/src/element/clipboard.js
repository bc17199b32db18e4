// Copying, also of what is only on its way, and where the page is not on a secure origin.

/** @param {string} text @param {ShadowRoot} root */
async function copyNow(text, root) {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // Without the permission or a secure origin there is the old way.
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "said";
  root.append(area);
  const focused = root.activeElement;
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!copied) throw new Error("copy");
}

/** Safari lets a page write only at once after a click: it takes the promise of a text.
 * @param {Promise<string>} text @param {ShadowRoot} root */
export async function copy(text, root) {
  if (typeof ClipboardItem === "function" && navigator.clipboard?.write) {
    const blob = text.then((written) => new Blob([written], { type: "text/plain" }));
    // Told by the caller, not by the browser.
    blob.catch(() => {});
    try {
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
      return;
    } catch {
      // The text itself may have failed: then the next line says so.
    }
  }
  await copyNow(await text, root);
}
