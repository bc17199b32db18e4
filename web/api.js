// The native API, as far as these pages need it. Every failure is a Problem that says whether trying again helps.

import { Problem } from "./problem.js";

export class Api {
  constructor(key) {
    this.key = key;
  }

  /** Answers with the JSON, or null where there is none. */
  async ask(method, path, { body, signal } = {}) {
    let answer;
    try {
      answer = await fetch(path, {
        method,
        signal,
        headers: { authorization: `Bearer ${this.key}`, ...(body && { "content-type": "application/json" }) },
        body: body && JSON.stringify(body),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem("The service cannot be reached.");
    }
    if (answer.status === 204) return null;
    const json = await answer.json().catch(() => ({}));
    if (answer.ok) return json;
    throw new Problem(json.detail ?? `The service answered ${answer.status}.`, {
      code: json.code ?? "service",
      status: answer.status,
      retryable: json.retryable ?? answer.status >= 500,
      requestId: json.request_id,
    });
  }

  /** Fails where the key is not accepted. One that may not list is a key all the same. */
  async check() {
    await this.assets({ limit: 1 }).catch((error) => {
      if (error.code !== "forbidden") throw error;
    });
  }

  /** A page of assets, newest first: `{assets, next}`. */
  assets({ state, name, cursor, limit }, signal) {
    const query = new URLSearchParams({ limit, ...(state && { state }), ...(name && { name }), ...(cursor && { cursor }) });
    return this.ask("GET", `/v1/assets?${query}`, { signal });
  }

  asset(id, signal) {
    return this.ask("GET", `/v1/assets/${encodeURIComponent(id)}`, { signal });
  }

  /** `{results: [{id, asset?, error?}]}`, at most 200 at a time. */
  someAssets(ids) {
    return this.ask("POST", "/v1/assets/batch", { body: { ids } });
  }

  thumbnails(ids, variant) {
    return this.ask("POST", "/v1/assets/thumbnails", { body: { ids, variant } });
  }

  link(id, wish) {
    return this.ask("POST", `/v1/assets/${encodeURIComponent(id)}/links`, { body: wish });
  }

  remove(id) {
    return this.ask("DELETE", `/v1/assets/${encodeURIComponent(id)}`);
  }
}
