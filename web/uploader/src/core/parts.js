// A large file in parallel parts, each to a signed address of the storage.

import { until } from "./abort.js";
import { storageProblem } from "./problem.js";
import { Signer } from "./signer.js";

/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("./types.js").UploadTruth} UploadTruth */

/** @param {Job} job @param {UploadTruth} upload @param {import("./types.js").SignedUrl[]} [urls] */
export async function sendParts(job, upload, urls = []) {
  const missing = missingParts(job, upload);
  const signer = await new Signer(job, upload.id, urls).begin();
  await inLanes(job, missing, (part) => sendPart(job, signer, part));
}

/** What the storage does not have yet; what it has is confirmed. @param {Job} job @param {UploadTruth} upload */
function missingParts(job, upload) {
  const { entry } = job;
  const [size, count] = [upload.part_size ?? entry.size, upload.part_count ?? 1];
  entry.partSize = size;
  const there = entry.parts = new Set(upload.received.filter(({ part, size: bytes }) => bytes === lengthOf(part, size, entry.size)).map(({ part }) => part));
  job.setConfirmed([...there].reduce((sum, part) => sum + lengthOf(part, size, entry.size), 0));
  /** @type {number[]} */
  const missing = [];
  for (let part = 1; part <= count; part++) if (!there.has(part)) missing.push(part);
  return missing;
}

/** @param {number} part @param {number} partSize @param {number} size */
const lengthOf = (part, partSize, size) => Math.min(partSize, size - (part - 1) * partSize);

/** Works on parts with as many lanes as keep the requests busy: half of them prepare what comes next.
 * A lane that fails ends the job, and with it the others. @param {Job} job @param {number[]} missing @param {(part: number) => Promise<void>} work @returns {Promise<void>} */
function inLanes(job, missing, work) {
  const { gate } = job.context;
  let running = 0;
  let unsubscribe = () => {};
  /** @type {Promise<void>} */
  const done = new Promise((resolve, reject) => {
    const lane = async () => {
      for (let part; running <= 2 * gate.limit && (part = missing.shift()) !== undefined;) await work(part);
    };
    const grow = () => {
      while (missing.length > 0 && running < 2 * gate.limit && !job.signal.aborted) {
        running++;
        lane().then(() => {
          running--;
          if (missing.length > 0) grow();
          else if (running === 0) resolve();
        }, (error) => {
          job.fail(error);
          reject(error);
        });
      }
    };
    unsubscribe = gate.onChange(grow);
    if (missing.length === 0) resolve();
    grow();
  });
  return until(done, job.signal).finally(unsubscribe);
}

/** @param {Job} job @param {Signer} signer @param {number} part */
async function sendPart(job, signer, part) {
  const { entry, context: { clock } } = job;
  const start = (part - 1) * (entry.partSize ?? entry.size);
  const blob = job.blob(start, start + lengthOf(part, entry.partSize ?? entry.size, entry.size));
  const lane = `part ${part}`;
  const sha256 = signer.checksums ? await job.checksum(blob) : null;
  signer.want(part, sha256);
  await job.persevere(lane, async () => {
    const send = () => job.sendToStorage(lane, () => signer.take(part, sha256), blob);
    let answer = await send();
    // A signature that ran out is no try: it is made anew once.
    if (answer.status === 403) answer = await send();
    if (answer.status >= 300) throw storageProblem(answer, clock.now());
  });
  entry.parts?.add(part);
  job.confirm(lane, blob.size);
}
