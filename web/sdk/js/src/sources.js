// What can be sent: paths (in Node), files, Blobs, buffers, and streams of unknown length.

/** @typedef {string | URL | Blob | ArrayBuffer | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>} SourceInput */
/** @typedef {{blob: Blob, name?: string, identity?: string}} BlobSource */
/** @typedef {{stream: AsyncIterable<Uint8Array>, name?: string}} StreamSource */

/** A module of Node, which bundlers for browsers leave alone. @param {string} name @returns {Promise<any>} */
export const nodeModule = (name) => import(/* @vite-ignore */ /* webpackIgnore: true */ `node:${name}`);

/** A file of the disk, read where it is. @param {string | URL} given @returns {Promise<BlobSource>} */
async function openPath(given) {
  const [fs, path, url] = await Promise.all(["fs", "path", "url"].map(nodeModule));
  const place = path.resolve(given instanceof URL ? url.fileURLToPath(given) : given);
  const [{ mtimeMs, size }, blob] = await Promise.all([fs.promises.stat(place), fs.openAsBlob(place)]);
  return { blob: asFile(blob, path.basename(place), mtimeMs), name: path.basename(place), identity: `${place}\n${size}\n${mtimeMs}` };
}

/** A Blob with the members of a File: making a File of it would read nothing either, but not every Node can.
 * @param {Blob} blob @param {string} name @param {number} lastModified */
function asFile(blob, name, lastModified) {
  return Object.defineProperties(blob, { name: { value: name }, lastModified: { value: Math.floor(lastModified) } });
}

/** @param {SourceInput} given @returns {Promise<BlobSource | StreamSource>} */
export async function openSource(given) {
  if (typeof given === "string" || given instanceof URL) return openPath(given);
  if (given instanceof Blob) {
    const { name, lastModified } = /** @type {Partial<File>} */ (given);
    return { blob: given, name, identity: name && lastModified ? `${name}\n${given.size}\n${lastModified}` : undefined };
  }
  if (given instanceof ArrayBuffer || ArrayBuffer.isView(given)) return { blob: new Blob([/** @type {any} */ (given)]) };
  const stream = /** @type {any} */ (given);
  if (typeof stream?.[Symbol.asyncIterator] === "function") return { stream };
  if (typeof stream?.getReader === "function") return { stream: chunksOf(stream) };
  throw new TypeError("Send a path, a File, a Blob, a buffer or a stream of bytes.");
}

/** Safari's streams cannot be iterated over. @param {ReadableStream<Uint8Array>} stream */
async function* chunksOf(stream) {
  const reader = stream.getReader();
  for (let read; !(read = await reader.read()).done;) yield /** @type {Uint8Array} */ (read.value);
}

/** The bytes of a stream in pieces of one length, and what is left at the end. @param {AsyncIterable<Uint8Array>} stream @param {number} length */
export async function* piecesOf(stream, length) {
  /** @type {Uint8Array[]} */
  let parts = [];
  let bytes = 0;
  for await (let chunk of stream) {
    if (typeof chunk === "string") throw new TypeError("The stream has text instead of bytes.");
    while (bytes + chunk.length >= length) {
      yield new Blob(/** @type {any} */ ([...parts, chunk.subarray(0, length - bytes)]));
      chunk = chunk.subarray(length - bytes);
      [parts, bytes] = [[], 0];
    }
    // A producer may use its buffer again.
    if (chunk.length > 0) parts.push(chunk.slice());
    bytes += chunk.length;
  }
  if (bytes > 0) yield new Blob(/** @type {any} */ (parts));
}
