/** The signature that the header `webhook-signature` carries. Useful in tests of receivers.
 * @param {string} secret @param {string} id @param {number} timestamp In seconds. @param {string | Uint8Array} body */
export function signWebhook(secret: string, id: string, timestamp: number, body: string | Uint8Array): Promise<string>;
/** Checks a message and answers with it, or throws a `WebhookVerificationError`.
 * @param {string | Uint8Array} body The bytes as they came.
 * @param {Headers | Record<string, string | string[] | undefined>} headers
 * @param {string | string[]} secrets While a secret is replaced, both: one match is enough.
 * @param {{tolerance?: number, now?: number}} [options] In seconds.
 * @returns {Promise<WebhookMessage>} */
export function verifyWebhook(body: string | Uint8Array, headers: Headers | Record<string, string | string[] | undefined>, secrets: string | string[], { tolerance, now }?: {
    tolerance?: number;
    now?: number;
}): Promise<WebhookMessage>;
export type GantryEvent = import("./models.js").GantryEvent;
export type WebhookMessage = {
    webhookId: string;
    type: string;
    timestamp: string;
    data: GantryEvent;
};
