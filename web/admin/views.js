// Every view: where it stands in the rail, who may open it, and what shows it.

import { assetsView } from "./view-assets.js";
import { auditView } from "./view-audit.js";
import { cleanupView } from "./view-cleanup.js";
import { deadView } from "./view-dead.js";
import { failuresView } from "./view-failures.js";
import { keysView } from "./view-keys.js";
import { overviewView } from "./view-overview.js";
import { policiesView } from "./view-policies.js";
import { quarantineView } from "./view-quarantine.js";
import { queuesView } from "./view-queues.js";
import { storageView } from "./view-storage.js";
import { systemView } from "./view-system.js";
import { tenantsView } from "./view-tenants.js";
import { uploadsView } from "./view-uploads.js";
import { webhooksView } from "./view-webhooks.js";
import { problemBox } from "./pieces.js";

export const GROUPS = ["", "Files", "Work", "Instance"];

export const VIEWS = [
  { id: "overview", title: "Overview", icon: "overview", group: "", needs: "read", render: overviewView },
  { id: "uploads", title: "Uploads in flight", icon: "uploads", group: "Files", needs: "read", standing: { state: "open" }, render: uploadsView },
  { id: "assets", title: "Assets", icon: "assets", group: "Files", needs: "read", render: assetsView },
  { id: "quarantine", title: "Quarantine", icon: "quarantine", group: "Files", needs: "read", render: quarantineView,
    about: "Rejected assets. Their bytes are kept for the quarantine time of their policy, and reach nobody unless you release them." },
  { id: "storage", title: "Storage", icon: "storage", group: "Files", needs: "read", render: storageView,
    about: "What takes up space, as the last pass over all assets found it. Each row leads to its files." },
  { id: "failures", title: "Failures", icon: "failures", group: "Files", needs: "read", render: failuresView,
    about: "What went wrong, grouped by its code. Each number leads to its rows." },
  { id: "queues", title: "Queues", icon: "queues", group: "Work", needs: "admin", render: queuesView },
  { id: "dead", title: "Dead letters", icon: "dead", group: "Work", needs: "admin", render: deadView,
    about: "Jobs that were given up after their last try. Retry them when the cause is mended, or discard them: their assets stay as they are." },
  { id: "webhooks", title: "Webhooks", icon: "webhooks", group: "Work", needs: "admin", render: webhooksView },
  { id: "tenants", title: "Tenants and quotas", icon: "tenants", group: "Instance", needs: "operator", render: tenantsView },
  { id: "keys", title: "Keys", icon: "keys", group: "Instance", needs: "admin", render: keysView },
  { id: "policies", title: "Policies", icon: "policies", group: "Instance", needs: "admin", render: policiesView },
  { id: "audit", title: "Audit log", icon: "audit", group: "Instance", needs: "admin", render: auditView },
  { id: "cleanup", title: "Cleanup and chores", icon: "cleanup", group: "Instance", needs: "operator", render: cleanupView },
  { id: "system", title: "System", icon: "system", group: "Instance", needs: "read", render: systemView },
];

export const mayOpen = (view, rights) => Boolean(rights[view.needs]);

const NEEDS = {
  admin: "This view needs a key with the scope admin. The key of this tab may only read.",
  operator: "This view needs an administrator's key of the tenant default, which operates the instance.",
};

/** The view of this name. A key that may not open it reads why. */
export function findView(id, rights) {
  const view = VIEWS.find((one) => one.id === id);
  if (!view) return { ...VIEWS[0], render: () => ({ element: problemBox({ message: `There is no view called ${id}.`, code: "not_found" }) }) };
  if (mayOpen(view, rights)) return view;
  return { ...view, about: null, render: () => ({ element: problemBox({ message: NEEDS[view.needs], code: "forbidden" }) }) };
}
