// How the client tests start Chromium.

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Nothing of the browser's own goes out or asks for attention. */
export const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/**
 * From now on the page's file choosers come as events. `waitForEvent` alone asks Chromium for that at the moment of the key press, and the
 * renderer may take the key before it takes the order: the chooser then opens for nobody, and no event ever comes.
 */
export const interceptFileChoosers = (page) => page.on("filechooser", () => {});
