// Verification of webhooks as Standard Webhooks says: HMAC-SHA256 over id, time and body.

import { WebhookVerificationError } from "./errors.js";

/** @typedef {import("./models.js").GantryEvent} GantryEvent */
/** @typedef {{webhookId: string, type: string, timestamp: string, data: GantryEvent}} WebhookMessage */

/** Seconds that a message may be old, or ahead of this machine's clock. */
const TOLERANCE = 300;
const encoder = new TextEncoder();

/** @param {string} text @returns {Uint8Array<ArrayBuffer> | null} */
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/** @param {string} secret */
function keyOf(secret) {
  const bytes = fromBase64(secret.replace(/^whsec_/, ""));
  if (!bytes) throw new TypeError("A webhook's secret is whsec_ and base64.");
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

/** @param {string | Uint8Array} body */
const bytesOf = (body) => (typeof body === "string" ? encoder.encode(body) : body);

/** @param {string} id @param {string} stamp @param {Uint8Array} body */
function signedBytes(id, stamp, body) {
  const head = encoder.encode(`${id}.${stamp}.`);
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}

/** @param {Headers | Record<string, string | string[] | undefined>} headers @param {string} name */
function headerOf(headers, name) {
  if (typeof (/** @type {any} */ (headers).get) === "function") return /** @type {Headers} */ (headers).get(name) ?? "";
  const found = Object.entries(headers).find(([own]) => own.toLowerCase() === name);
  return String(found?.[1] ?? "");
}

/** The signature that the header `webhook-signature` carries. Useful in tests of receivers.
 * @param {string} secret @param {string} id @param {number} timestamp In seconds. @param {string | Uint8Array} body */
export async function signWebhook(secret, id, timestamp, body) {
  const signature = await crypto.subtle.sign("HMAC", await keyOf(secret), signedBytes(id, String(timestamp), bytesOf(body)));
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(signature)))}`;
}

/** Checks a message and answers with it, or throws a `WebhookVerificationError`.
 * @param {string | Uint8Array} body The bytes as they came.
 * @param {Headers | Record<string, string | string[] | undefined>} headers
 * @param {string | string[]} secrets While a secret is replaced, both: one match is enough.
 * @param {{tolerance?: number, now?: number}} [options] In seconds.
 * @returns {Promise<WebhookMessage>} */
export async function verifyWebhook(body, headers, secrets, { tolerance = TOLERANCE, now = Date.now() / 1000 } = {}) {
  const [id, stamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => headerOf(headers, name));
  if (!id || !signatures || !/^\d+$/.test(stamp)) throw new WebhookVerificationError("The message is not signed.", { code: "not_signed" });
  if (!(Math.abs(now - Number(stamp)) <= tolerance)) throw new WebhookVerificationError("The message is too old.", { code: "too_old" });
  const keys = await Promise.all([secrets].flat().map(keyOf));
  if (keys.length === 0) throw new TypeError("A secret is needed.");
  const bytes = bytesOf(body);
  const signed = signedBytes(id, stamp, bytes);
  const given = signatures.split(" ").filter((one) => one.startsWith("v1,")).map((one) => fromBase64(one.slice(3)));
  // WebCrypto compares in constant time, and every pair is compared.
  const checks = keys.flatMap((key) => given.map((one) => (one ? crypto.subtle.verify("HMAC", key, one, signed) : false)));
  if (!(await Promise.all(checks)).some(Boolean)) throw new WebhookVerificationError("The signature is wrong.", { code: "wrong_signature" });
  try {
    const message = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof message.data.type !== "string") throw new TypeError("no event");
    return { ...message, webhookId: id };
  } catch (cause) {
    throw new WebhookVerificationError("The message is no event.", { code: "invalid_json", cause });
  }
}
