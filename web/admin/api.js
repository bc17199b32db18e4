// The public API, with the key of this tab. Every failure is a Problem: a sentence, a code, a request id.

import { Problem } from "../problem.js";

export { Problem };

const SENTENCES = {
  401: "This key is not valid, or no longer. Sign out and enter another one.",
  403: "This key may not do that.",
};

async function problemOf(answer) {
  const json = await answer.json().catch(() => ({}));
  return new Problem(json.detail ?? SENTENCES[answer.status] ?? `The service answered ${answer.status}.`, {
    code: json.code ?? `http_${answer.status}`,
    status: answer.status,
    requestId: json.request_id ?? answer.headers.get("x-request-id") ?? "",
    retryable: json.retryable ?? answer.status >= 500,
  });
}

/** A query without what is empty. */
export function query(parameters) {
  const given = Object.entries(parameters ?? {}).filter(([, value]) => value != null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export class Api {
  constructor(key) {
    this.key = key;
  }

  /** The bare answer, or a Problem. */
  async fetch(path, options = {}) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { authorization: `Bearer ${this.key}`, ...options.headers } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem("The service cannot be reached. Is it running, and are you online?");
    }
    if (!answer.ok) throw await problemOf(answer);
    return answer;
  }

  async get(path, parameters, signal) {
    return (await this.fetch(path + query(parameters), { signal, headers: { accept: "application/json" } })).json();
  }

  async send(method, path, body) {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const answer = await this.fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    return text ? JSON.parse(text) : null;
  }
}
