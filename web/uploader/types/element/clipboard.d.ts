/** Rejects where the page may not write or the text has failed. Safari lets a page write only at once after a click: it takes the
 * promise of a text.
 * @param {Promise<string>} text */
export function copy(text: Promise<string>): Promise<void>;
