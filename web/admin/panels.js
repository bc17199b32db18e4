// What the panel can show, by kind: `asset:01a2…`, `job:…`, `webhook:…`.

import { assetPanel } from "./panel-asset.js";
import { jobPanel } from "./panel-job.js";
import { auditPanel, policyPanel, tenantPanel } from "./panel-instance.js";
import { webhookPanel } from "./panel-webhook.js";

/** Each answers with `{title, content}`; a Problem is shown in the panel. */
export const PANELS = { asset: assetPanel, job: jobPanel, webhook: webhookPanel, tenant: tenantPanel, audit: auditPanel, policy: policyPanel };
