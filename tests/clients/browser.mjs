// How the client tests start Chromium.

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Nothing of the browser's own goes out or asks for attention. */
export const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
