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
    optional(events.then((all) => readUpload(api, all)), null),
    rights.admin ? optional(api.get("/v1/admin/audit", { subject: `asset:${id}`, limit: 200 }), { entries: [] }) : { entries: [] },
    rights.admin ? optional(readJobs(api, id), []) : [],
    rights.admin ? optional(readDeliveries(api, id), []) : [],
  ]);
  if (!rights.admin) gaps.push("Jobs, deliveries and audit entries are shown to administrators only.");
  else gaps.push(`Of each webhook endpoint the last ${LOOKED_THROUGH} deliveries were looked through.`);
  return { asset, events: happened, upload: upload && { ...upload, filename: asset.filename }, audit: audit.entries, jobs, deliveries, gaps };
}

/** The upload by which it came: named by its first event. The list alone knows when it was last seen to move. */
async function readUpload(api, events) {
  const id = events.find(({ data }) => data?.upload_id)?.data.upload_id;
  if (!id) return null;
  const upload = await api.get(`/v1/uploads/${id}`);
  const known = { ...upload, offset: upload.received_bytes ?? 0, parts: upload.part_count };
  if (!["open", "completing"].includes(upload.state)) return { ...known, offset: upload.state === "completed" ? upload.size : known.offset };
  const { uploads } = await api.get("/v1/uploads", { state: upload.state, limit: 500 }).catch(() => ({ uploads: [] }));
  const listed = uploads.find((one) => one.id === id);
  return { ...known, ...(listed && { owner: listed.owner, tenant: listed.tenant, last_activity_at: listed.last_activity_at }), filename: listed?.filename };
}

async function readJobs(api, id) {
  const pages = await Promise.all(["ready", "running", "dead"].map((state) => api.get("/v1/admin/jobs", { state, limit: 500 })));
  const jobs = pages.flatMap((page) => page.jobs).filter((job) => job.asset_id === id);
  return Promise.all(jobs.map((job) => api.get(`/v1/admin/jobs/${job.id}`).then((whole) => ({ ...job, ...whole }), () => job)));
}

async function readDeliveries(api, id) {
  const { webhooks } = await api.get("/v1/webhooks");
  const pages = await Promise.all(webhooks.slice(0, MOST_ENDPOINTS).map(async (endpoint) => {
    const { deliveries } = await api.get(`/v1/webhooks/${endpoint.id}/deliveries`, { limit: LOOKED_THROUGH });
    return deliveries.filter((delivery) => delivery.asset_id === id).map((delivery) => ({ endpoint, delivery }));
  }));
  return pages.flat();
}
