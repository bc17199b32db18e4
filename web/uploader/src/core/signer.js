// Signed addresses of parts: asked for in small batches, just before they are needed.

import { ProblemError } from "./problem.js";

/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("./types.js").SignedUrl} SignedUrl */

/** Of its life, what an address may have behind it when it is used. */
const FRESH = 0.8;
const DEFAULT_LIFE = 15 * 60_000;

export class Signer {
  /** @param {Job} job @param {string} uploadId @param {SignedUrl[]} given Those of the upload's creation. */
  constructor(job, uploadId, given) {
    this.job = job;
    this.uploadId = uploadId;
    this.life = DEFAULT_LIFE;
    this.checksums = false;
    /** @type {Map<number, {signed: SignedUrl, at: number}>} */
    this.ready = new Map();
    /** What is to be signed, with the checksum of each. @type {Map<number, string | null>} */
    this.wanted = new Map();
    /** @type {Promise<void> | null} */
    this.signing = null;
    this.keep(given);
  }

  async begin() {
    const limits = await this.job.context.limits(this.job.signal);
    this.life = limits?.urlLife ?? DEFAULT_LIFE;
    this.checksums = limits?.checksums?.includes("sha256") ?? false;
    return this;
  }

  /** @param {SignedUrl[]} urls */
  keep(urls) {
    const at = this.job.context.clock.now();
    for (const signed of urls) if (signed.part) this.ready.set(signed.part, { signed, at });
  }

  /** Asks for an address ahead of its use. @param {number} part @param {string | null} sha256 */
  want(part, sha256) {
    if (this.ready.has(part) || this.wanted.has(part)) return;
    this.wanted.set(part, sha256);
    this.sign().catch(() => {});
  }

  /** An address that is fresh; each is given once. @param {number} part @param {string | null} sha256 */
  async take(part, sha256) {
    for (;;) {
      const found = this.ready.get(part);
      this.ready.delete(part);
      if (found && this.job.context.clock.now() - found.at < FRESH * this.life) return found.signed;
      this.wanted.set(part, sha256);
      await this.sign();
    }
  }

  /** Signs what is wanted, together with what is asked for in the same moment. */
  async sign() {
    this.signing ??= this.signBatch().finally(() => { this.signing = null; });
    await this.signing;
    if (this.wanted.size > 0 && !this.signing) this.sign().catch(() => {});
  }

  async signBatch() {
    await null;
    const { entry, context: { api, gate }, signal } = this.job;
    const batch = [...this.wanted].slice(0, 2 * gate.limit);
    /** @type {Record<string, string>} */
    const checksums = {};
    for (const [part, sha256] of batch) if (sha256 && this.checksums) checksums[part] = sha256;
    for (const [part] of batch) this.wanted.delete(part);
    try {
      const { urls } = await api.sign(entry, signal, this.uploadId, batch.map(([part]) => part), checksums);
      this.keep(urls);
    } catch (error) {
      const refused = error instanceof ProblemError && error.problem.field === "checksums";
      if (!refused || !this.checksums) throw error;
      // This upload was opened without them.
      this.checksums = false;
      for (const [part] of batch) this.wanted.set(part, null);
    }
  }
}
