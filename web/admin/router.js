// The address says which view is open, with which filters, and what is shown beside it: `#/assets?state=rejected&open=asset:01a2…`.

const listeners = new Set();

export function here() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { view: path || "overview", params: Object.fromEntries(new URLSearchParams(search)) };
}

export function href(view, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value != null && value !== "");
  return `#/${view}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

export function go(view, params) {
  const target = href(view, params);
  if (location.hash !== target) location.hash = target;
}

/** Changes some parameters of this view; null takes one away. */
export function change(params) {
  const { view, params: old } = here();
  go(view, { ...old, ...params });
}

/** The same view with something beside it. */
export const openHref = (kind, id) => href(here().view, { ...here().params, open: `${kind}:${id}` });

export function onAddress(listener) {
  listeners.add(listener);
}

addEventListener("hashchange", () => listeners.forEach((listener) => listener(here())));
