// Asks the page's own backend for a grant for one file. The backend calls `POST /v1/uploads` with its key and answers with what came back;
// the key itself never gets into a page. With the `Idempotency-Key` a page that asks again, because it was reloaded, gets the same upload.

/** @param {{file: {name: string, size: number | null, type: string, idempotencyKey?: string}}} request */
export async function openUpload({ file }) {
  const body = JSON.stringify({ filename: file.name, size: file.size, content_type: file.type });
  const headers = { "content-type": "application/json", ...(file.idempotencyKey && { "idempotency-key": file.idempotencyKey }) };
  const answer = await fetch("/uploads", { method: "POST", body, headers });
  if (!answer.ok) throw new Error(`The page's backend answered ${answer.status}.`);
  return answer.json();
}

/** The grant alone, for `tokenProvider`. @param {Parameters<typeof openUpload>[0]} request */
export const grantFor = async (request) => (await openUpload(request)).grant;
