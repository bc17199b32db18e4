// The key of this tab, and what it may do. The key is kept for the tab alone and is in no address.

import { Api, Problem } from "./api.js";

const KEY = "gantry-admin-key";

export const storedKey = () => sessionStorage.getItem(KEY);
export const forgetKey = () => sessionStorage.removeItem(KEY);

/** Each right, and a request that only those who have it may make. */
const PROBES = [
  ["read", "/v1/assets?limit=1"],
  ["admin", "/v1/admin/queues"],
  ["operator", "/v1/tenants?limit=1"],
];

const ROLES = {
  operator: "Operator of the instance",
  admin: "Administrator of a tenant",
  read: "Read only",
};

/** Asks what this key may do; a key without any right to look is refused with a sentence. */
export async function openSession(key) {
  const api = new Api(key);
  const rights = {};
  await Promise.all(PROBES.map(async ([right, path]) => {
    try {
      await api.fetch(path, { headers: { accept: "application/json" } });
      rights[right] = true;
    } catch (problem) {
      if (problem.status !== 403 && problem.status !== 404) throw problem;
    }
  }));
  if (!rights.read) {
    throw new Problem("This key may not look at anything: it needs the scope read, or admin for everything.", { code: "forbidden", status: 403 });
  }
  sessionStorage.setItem(KEY, key);
  const role = Object.keys(ROLES).find((name) => rights[name]);
  return { api, rights, role, roleName: ROLES[role] };
}
