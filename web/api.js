// The native API, as far as this page needs it. Every failure is a Problem that says whether trying again helps.

export class Problem extends Error {
  constructor(detail, { code = "network", status = 0, retryable = true, requestId = "" } = {}) {
    super(detail);
    Object.assign(this, { code, status, retryable, requestId });
  }
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
    throw new Problem(json.detail ?? `The service answered ${answer.status}.`, {
      code: json.code,
      status: answer.status,
      retryable: json.retryable ?? answer.status >= 500,
      requestId: json.request_id,
    });
  }

  open(file, externalId) {
    const wish = { filename: file.name, size: file.size, content_type: file.type, external_id: externalId, urls: 0 };
    return this.ask("POST", "/v1/uploads", wish);
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
