// The native API, as far as this page needs it. Every failure is a Problem that says whether trying again helps.

export class Problem extends Error {
  constructor(detail, { code = "network", status = 0, retryable = true, requestId = "" } = {}) {
    super(detail);
    Object.assign(this, { code, status, retryable, requestId });
  }
}

/** Answers of ours have a code: a bare 413 comes from what stands in front of us. */
export const BODY_LIMIT_OF_PROXY =
  "A proxy in front of the service refuses bodies of this size: its limit must be raised (nginx: client_max_body_size 0).";

/** Where a file was in the folder that was chosen or dropped; its name, if it came by itself. */
export function pathOf(file) {
  return file.droppedPath || file.webkitRelativePath || file.name;
}

export class Api {
  constructor(key) {
    this.key = key;
  }

  async ask(method, path, body) {
    let answer;
    try {
      answer = await fetch(path, {
        method,
        headers: { authorization: `Bearer ${this.key}`, ...(body && { "content-type": "application/json" }) },
        body: body && JSON.stringify(body),
      });
    } catch {
      throw new Problem("The service cannot be reached.");
    }
    if (answer.status === 204) return null;
    const json = await answer.json().catch(() => ({}));
    if (answer.ok) return json;
    const bare = answer.status === 413 ? BODY_LIMIT_OF_PROXY : `The service answered ${answer.status}.`;
    throw new Problem(json.detail ?? bare, {
      code: json.code,
      status: answer.status,
      retryable: json.retryable ?? answer.status >= 500,
      requestId: json.request_id,
    });
  }

  open(file, externalId) {
    const wish = { filename: file.name, size: file.size, content_type: file.type, external_id: externalId, urls: 0 };
    const path = pathOf(file);
    return this.ask("POST", "/v1/uploads", path === file.name ? wish : { ...wish, metadata: { path } });
  }

  urls(upload, parts) {
    return this.ask("POST", `/v1/uploads/${upload}/urls`, { parts }).then((answer) => answer.urls);
  }

  complete(upload) {
    return this.ask("POST", `/v1/uploads/${upload}/complete`, {});
  }

  abort(upload) {
    return this.ask("DELETE", `/v1/uploads/${upload}`);
  }

  settled(asset) {
    return this.ask("GET", `/v1/assets/${asset}?wait=30s&until=ready`);
  }

  link(asset) {
    return this.ask("POST", `/v1/assets/${asset}/links`, { expires_in: "7d" });
  }
}
