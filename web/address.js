// What the page shows, in its address: `#q=film&state=ready&asset=…`. Behind the `#`, because the server need not know.

const read = () => new URLSearchParams(location.hash.slice(1));

/** The value of a word in the address, or "". */
export const inAddress = (name) => read().get(name) ?? "";

/** Writes words into the address; an empty value takes a word out. `step`: the browser's "back" undoes it. */
export function writeAddress(values, { step = false } = {}) {
  const words = read();
  for (const [name, value] of Object.entries(values)) {
    if (value) words.set(name, value);
    else words.delete(name);
  }
  const text = words.toString();
  const address = location.pathname + (text && `#${text}`);
  if (address === location.pathname + location.hash) return;
  if (step) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

/** Takes a word out of the address, for good: it must stay in no history. */
export function takeFromAddress(name) {
  const value = inAddress(name);
  if (value) writeAddress({ [name]: "" });
  return value;
}

/** Calls `work` when the reader goes back or forth, or changes the address. */
export function onAddress(work) {
  addEventListener("popstate", work);
  addEventListener("hashchange", work);
}
