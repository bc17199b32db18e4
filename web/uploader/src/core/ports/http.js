// HTTP in a browser: XMLHttpRequest where something is sent, because only it tells how far it is; fetch for everything else.

/** @typedef {import("../types.js").HttpPort} HttpPort */
/** @typedef {import("../types.js").HttpRequest} HttpRequest */
/** @typedef {import("../types.js").HttpResponse} HttpResponse */

/** @param {typeof globalThis.fetch} [fetch] Instead of the browser's requests of both kinds. @returns {HttpPort} */
export function httpPort(fetch) {
  const xhr = !fetch && typeof XMLHttpRequest !== "undefined";
  const ask = fetch ?? ((input, init) => globalThis.fetch(input, init));
  return {
    tellsProgress: xhr,
    // A POST costs a page half of what it costs by fetch.
    send: (request) => (xhr && request.body !== undefined ? sendByXhr(request) : sendByFetch(ask, request)),
    stream: (request) => stream(ask, request),
    async reach(url, signal) {
      const answers = (/** @type {RequestMode} */ mode) =>
        ask(url, { method: "HEAD", mode, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal }).then(() => true, () => false);
      // Some let a page read what they answer, some forbid to embed it, and most do neither.
      return await answers("cors") || answers("no-cors");
    },
    // A request that a page may send anywhere without permission, and that changes nothing anywhere. Whoever answers it, it has passed.
    reachWithByte: (url, signal) =>
      ask(url, { method: "POST", mode: "no-cors", body: "0", cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal }).then(() => true, () => false),
  };
}

/** @param {typeof globalThis.fetch} ask @param {HttpRequest} request @returns {Promise<HttpResponse>} */
async function sendByFetch(ask, { method, url, headers, body, signal }) {
  const answer = await ask(url, { method, headers, body, signal, credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" });
  return { status: answer.status, header: (name) => answer.headers.get(name), text: await answer.text() };
}

/** @param {HttpRequest} request @returns {Promise<HttpResponse>} */
function sendByXhr({ method, url, headers = {}, body, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const end = (/** @type {() => void} */ settle) => {
      signal?.removeEventListener("abort", abort);
      settle();
    };
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    // A request that is listened to is asked for permission first, even a form.
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => end(() => resolve({
      status: request.status,
      header: (name) => request.getResponseHeader(name),
      text: request.responseText,
    }));
    request.onerror = () => end(() => reject(new TypeError("There was no answer.")));
    // Safari says `abort` when a connection breaks: who asked for the end knows it from the signal.
    request.onabort = () => end(() => reject(signal?.aborted ? signal.reason : new TypeError("The connection broke.")));
    if (signal?.aborted) return end(() => reject(signal.reason));
    signal?.addEventListener("abort", abort);
    request.send(body);
  });
}

/** Reads Server-Sent Events: only their data, which is all that the service sends. @type {(ask: typeof globalThis.fetch, request: Parameters<HttpPort["stream"]>[0]) => Promise<number>} */
async function stream(ask, { url, headers, signal, onMessage }) {
  const answer = await ask(url, { headers: { ...headers, accept: "text/event-stream" }, signal, credentials: "omit", cache: "no-store" });
  if (!answer.ok || !answer.body) {
    await answer.body?.cancel();
    return answer.status;
  }
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return answer.status;
    text += decoder.decode(value, { stream: true });
    const messages = text.split(/\r?\n\r?\n/);
    text = messages.pop() ?? "";
    for (const message of messages) {
      const data = message.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
      if (data.length > 0) onMessage(data.join("\n"));
    }
  }
}
