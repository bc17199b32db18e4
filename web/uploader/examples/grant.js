// Asks the page's own backend for a grant for one file. The backend calls `POST /v1/uploads` with its key and answers with what came back;
// the key itself never gets into a page.

/** @param {{file: {name: string, size: number | null, type: string}}} request */
export async function openUpload({ file }) {
  const body = JSON.stringify({ filename: file.name, size: file.size, content_type: file.type });
  const answer = await fetch("/uploads", { method: "POST", body, headers: { "content-type": "application/json" } });
  if (!answer.ok) throw new Error(`The page's backend answered ${answer.status}.`);
  return answer.json();
}

/** The grant alone, for `tokenProvider`. @param {Parameters<typeof openUpload>[0]} request */
export const grantFor = async (request) => (await openUpload(request)).grant;
