// SHA-256 of bytes and blobs: as a whole by the browser where it fits into memory, otherwise piece by piece (FIPS 180-4).
//
// This file is a worker as well, when it is started under the name below. It imports nothing, so that a bundler can copy it.

/** The name of a worker that answers `{id, blob, whole}` with `{id, sha256}`, and ends at `{cancel: id}`. */
export const WORKER_NAME = "gantry-digest";

const K = new Int32Array(64);
const INITIAL = new Uint32Array(8);

// The constants are the fractions of the cube and square roots of the first primes.
for (let candidate = 2, found = 0; found < 64; candidate++) {
  let prime = true;
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) prime = false;
  if (!prime) continue;
  const fraction = (/** @type {number} */ root) => Math.floor((root - Math.floor(root)) * 2 ** 32);
  if (found < 8) INITIAL[found] = fraction(Math.sqrt(candidate));
  K[found++] = fraction(Math.cbrt(candidate));
}

export class Sha256 {
  constructor() {
    this.state = new Int32Array(INITIAL);
    this.words = new Int32Array(64);
    this.rest = new Uint8Array(64);
    this.restLength = 0;
    this.length = 0;
  }

  /** @param {Uint8Array} bytes */
  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    if (this.restLength > 0) {
      at = Math.min(64 - this.restLength, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.restLength);
      this.restLength += at;
      if (this.restLength < 64) return this;
      this.blocks(this.rest, 0, 64);
      this.restLength = 0;
    }
    const whole = bytes.length - ((bytes.length - at) % 64);
    this.blocks(bytes, at, whole);
    this.rest.set(bytes.subarray(whole));
    this.restLength = bytes.length - whole;
    return this;
  }

  /** The digest in hexadecimal; nothing can be added afterwards. */
  hex() {
    const bits = this.length * 8;
    const padding = new Uint8Array(((this.restLength < 56 ? 56 : 120) - this.restLength) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    return [...this.state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** @param {Uint8Array} bytes @param {number} from @param {number} to */
  blocks(bytes, from, to) {
    const { words: w, state } = this;
    let h0 = state[0] | 0, h1 = state[1] | 0, h2 = state[2] | 0, h3 = state[3] | 0;
    let h4 = state[4] | 0, h5 = state[5] | 0, h6 = state[6] | 0, h7 = state[7] | 0;
    for (let at = from; at < to; at += 64) {
      for (let i = 0, j = at; i < 16; i++, j += 4) w[i] = (bytes[j] << 24) | (bytes[j + 1] << 16) | (bytes[j + 2] << 8) | bytes[j + 3];
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15];
        const y = w[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let a = h0, b = h1, c = h2, d = h3, e = h4, f = h5, g = h6, h = h7;
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      h0 = (h0 + a) | 0;
      h1 = (h1 + b) | 0;
      h2 = (h2 + c) | 0;
      h3 = (h3 + d) | 0;
      h4 = (h4 + e) | 0;
      h5 = (h5 + f) | 0;
      h6 = (h6 + g) | 0;
      h7 = (h7 + h) | 0;
    }
    state.set([h0, h1, h2, h3, h4, h5, h6, h7]);
  }
}

const MIB = 2 ** 20;
/** The most that is read into memory at once. */
export const MAX_WHOLE_BYTES = 64 * MIB;
/** Bytes between two looks at other work: some ten milliseconds. */
const PIECE_BYTES = 2 * MIB;

/** @param {ArrayBuffer | Uint8Array} bytes */
const toHex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {Uint8Array<ArrayBuffer>} bytes */
export async function sha256(bytes) {
  // Without a secure context the browser has no digests.
  const subtle = globalThis.crypto?.subtle;
  return subtle ? toHex(await subtle.digest("SHA-256", bytes)) : new Sha256().update(bytes).hex();
}

/** @param {Blob} blob @param {AbortSignal} [signal] @param {boolean} [streamed] Never the whole at once. */
export async function sha256OfBlob(blob, signal, streamed = blob.size > MAX_WHOLE_BYTES) {
  if (!streamed) return sha256(new Uint8Array(await blob.arrayBuffer()));
  const digest = new Sha256();
  for (let at = 0; at < blob.size; at += PIECE_BYTES) {
    signal?.throwIfAborted();
    digest.update(new Uint8Array(await blob.slice(at, at + PIECE_BYTES).arrayBuffer()));
  }
  return digest.hex();
}

/** Answers what the page asks. */
function serve() {
  /** @type {Map<number, AbortController>} */
  const running = new Map();
  const answer = async (/** @type {{id: number, blob: Blob, whole: boolean}} */ { id, blob, whole }) => {
    const controller = new AbortController();
    running.set(id, controller);
    const digest = sha256OfBlob(blob, controller.signal, whole || undefined);
    postMessage({ id, sha256: await digest.catch(() => null) });
    running.delete(id);
  };
  addEventListener("message", ({ data }) => {
    if ("cancel" in data) running.get(data.cancel)?.abort();
    else void answer(data);
  });
  postMessage({ ready: true });
}

if (typeof document === "undefined" && /** @type {any} */ (globalThis).name === WORKER_NAME) serve();
