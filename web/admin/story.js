// Everything that is known of an asset, from the routes that know it. What a key may not see is left out, and said.

/** Deliveries of an endpoint that are looked through for this asset. */
const LOOKED_THROUGH = 200;
const MOST_ENDPOINTS = 10;

export async function readStory(app, id) {
  const { api, rights } = app;
  const gaps = [];
  const optional = (promise, otherwise) => promise.catch(() => otherwise);
  const events = api.get(`/v1/assets/${id}/events`, { after: 0, limit: 1000 }).then((page) => page.events);
  const [asset, happened, upload, audit, jobs, deliveries] = await Promise.all([
    api.get(`/v1/assets/${id}`),
    events,
    optional(events.then((all) => readUpload(app, id, all)), null),
    rights.admin ? optional(api.get("/v1/admin/audit", { subject: `asset:${id}`, limit: 200 }), { entries: [] }) : { entries: [] },
    rights.admin ? optional(readJobs(api, id), []) : [],
    rights.admin ? optional(readDeliveries(api, id), []) : [],
  ]);
  if (!rights.admin) gaps.push("Jobs, deliveries and audit entries are shown to administrators only.");
  else gaps.push(`Of each webhook endpoint the last ${LOOKED_THROUGH} deliveries were looked through.`);
  return { asset, events: happened, upload: upload && { ...upload, filename: asset.filename }, audit: audit.entries, jobs, deliveries, gaps };
}

/** The upload by which it came: the list knows when it was last seen to move, the upload itself what the store has now. */
async function readUpload({ api, rights }, id, events) {
  const upload = events.find(({ data }) => data?.upload_id)?.data.upload_id;
  if (!upload) return null;
  const [listed, exact, stored] = await Promise.all([
    api.get("/v1/uploads", { asset: id, limit: 1 }).then(({ uploads }) => uploads[0], () => undefined),
    api.get(`/v1/uploads/${upload}`),
    rights.admin ? api.get(`/v1/admin/uploads/${upload}`).catch(() => null) : null,
  ]);
  const offset = exact.state === "completed" ? exact.size : exact.received_bytes ?? listed?.offset ?? 0;
  return { ...listed, ...exact, offset, parts: exact.part_count, stored };
}

/** Every job about the asset, finished ones too. */
const readJobs = (api, id) => api.get(`/v1/admin/assets/${id}/jobs`).then(({ jobs }) => jobs);

async function readDeliveries(api, id) {
  const { webhooks } = await api.get("/v1/webhooks");
  const pages = await Promise.all(webhooks.slice(0, MOST_ENDPOINTS).map(async (endpoint) => {
    const { deliveries } = await api.get(`/v1/webhooks/${endpoint.id}/deliveries`, { limit: LOOKED_THROUGH });
    return deliveries.filter((delivery) => delivery.asset_id === id).map((delivery) => ({ endpoint, delivery }));
  }));
  return pages.flat();
}
