// Copying, also of what is only on its way.

/** Rejects where the page may not write or the text has failed. Safari lets a page write only at once after a click: it takes the
 * promise of a text.
 * @param {Promise<string>} text */
export async function copy(text) {
  if (typeof ClipboardItem === "function" && navigator.clipboard?.write) {
    const blob = text.then((written) => new Blob([written], { type: "text/plain" }));
    // Told by the last line, not by the browser.
    blob.catch(() => {});
    const written = await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]).then(() => true, () => false);
    if (written) return;
  }
  await navigator.clipboard.writeText(await text);
}
