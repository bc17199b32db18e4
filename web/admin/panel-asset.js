// An asset's whole story: what it is, what stands in its way, and everything that happened to it.

import { button, h, icon } from "./dom.js";
import { bytes, count, duration, fileName, percent, time } from "./format.js";
import { bar, facts, idLine, jsonFacts, state } from "./pieces.js";
import { readStory } from "./story.js";
import { timeline } from "./timeline.js";
import { deleteAssets, reprocess } from "./view-assets.js";
import { releaseAsset } from "./view-quarantine.js";
import { abortUpload, isStalled } from "./view-uploads.js";

export async function assetPanel(app, id) {
  const story = await readStory(app, id);
  const { asset, upload } = story;
  return {
    title: fileName(asset.filename),
    content: [
      h("div.headline", state(asset.state), h("span.num.muted", bytes(asset.size)), asset.content_type && h("span.muted", asset.content_type)),
      explanation(story),
      actions(app, story),
      upload && isOpen(upload) && h("div.progress.big", bar(upload.offset, upload.size, "Confirmed"), h("span.num", `${percent(upload.offset, upload.size)} · ${bytes(upload.offset)} of ${bytes(upload.size)}`)),
      h("section", h("h3", "Timeline"), timeline(story)),
      story.gaps.length > 0 && h("p.muted.small-text", story.gaps.join(" ")),
      assetFacts(asset),
      upload && uploadFacts(upload),
    ],
  };
}

const isOpen = (upload) => ["open", "completing"].includes(upload.state);

/** Why it is not ready, in a sentence, and what to do about it. */
function explanation({ asset, upload, jobs, deliveries }) {
  const told = [];
  const add = (tone, sentence, advice) => told.push(h("div.explain", { "data-tone": tone }, icon(tone), h("div", h("p", sentence), advice && h("p.muted", advice))));
  if (asset.reason) add("failed", asset.reason.message, asset.state === "rejected" ? "Its bytes are in quarantine. Release it if you know that it is safe, or delete it." : "Process it again when the cause is mended.");
  for (const problem of asset.problems ?? []) add("warning", problem.message);
  if (upload && isStalled(upload)) {
    add("warning", `The upload stands still: nothing has come for ${duration(Date.now() - Date.parse(upload.last_activity_at))}, and ${bytes(upload.size - upload.offset)} of ${bytes(upload.size)} are missing.`,
      "Its sender can go on until it expires. If nobody will, abort it.");
  }
  for (const job of jobs.filter((one) => one.state === "dead")) add("failed", `The job ${job.kind} is dead after ${job.tries} tries: ${job.last_error ?? "no reason is known"}.`, "Retry it when the cause is mended.");
  const dead = deliveries.filter(({ delivery }) => delivery.state === "dead");
  if (dead.length) add("failed", `${dead.length === 1 ? "A webhook delivery is" : `${dead.length} webhook deliveries are`} dead.`, "See the timeline; the endpoint's panel sends them again.");
  return told;
}

function actions(app, { asset, upload }) {
  if (!app.rights.admin) return null;
  const open = upload && isOpen(upload);
  const kept = !["deleted", "abandoned", "awaiting"].includes(asset.state);
  return h("div.buttons.start",
    app.rights.operator && asset.state === "rejected" && button(".small.primary", { click: () => releaseAsset(app, asset) }, "Release"),
    ["ready", "failed"].includes(asset.state) && button(".small", { click: () => reprocess(app, [asset]) }, "Process again"),
    open && button(".small", { click: () => abortUpload(app, upload) }, "Abort the upload"),
    kept && button(".small.danger", { click: () => deleteAssets(app, [asset]) }, "Delete"));
}

const uploadFacts = (upload) => h("section", h("h3", "Upload"),
  facts([
    ["State", state(upload.state)], ["Id", idLine(upload.id)], ["Protocol", upload.protocol],
    ["Parts", upload.parts && h("span.num", `${count(upload.parts)} of ${bytes(upload.part_size)}`)],
    ["Last activity", upload.last_activity_at && time(upload.last_activity_at)], ["Expires", time(upload.expires_at)],
    ["Client", upload.client], ["Node", upload.node && h("code", upload.node)],
    ["Key", upload.owner && idLine(upload.owner)], ["Tenant", upload.tenant && idLine(upload.tenant)],
  ]));

const assetFacts = (asset) => h("section", h("h3", "Asset"), facts([
  ["Id", idLine(asset.id)], ["Name", asset.filename], ["Created", time(asset.created_at)], ["Changed", time(asset.changed_at)], ["Policy", asset.policy],
  ["Declared type", asset.declared_content_type !== asset.content_type && asset.declared_content_type],
  ["SHA-256", asset.sha256 && h("code.wrap", asset.sha256)], ["External id", asset.external_id && h("code.wrap", asset.external_id)],
  ["Scan", asset.scan && h("span", asset.scan.engine, " ", time(asset.scan.at))],
  ["Derivatives", asset.derivatives?.length && asset.derivatives.map(({ variant, width, height }) => `${variant} (${width}×${height})`).join(", ")],
  ["Deleted on", asset.delete_at && time(asset.delete_at)],
]), Object.keys(asset.metadata ?? {}).length > 0 && h("details", h("summary", "Metadata"), jsonFacts(asset.metadata)),
Object.keys(asset.details ?? {}).length > 0 && h("details", h("summary", "Facts about the content"), jsonFacts(asset.details)));
