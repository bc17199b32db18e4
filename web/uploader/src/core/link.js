// Links to files that are ready.

import { askPage } from "./api.js";
import { ProblemError } from "./problem.js";

/** @typedef {import("./entry.js").Entry} Entry */

const LIFE = "7d";

export class Link {
  /** @param {import("./context.js").Context} context */
  constructor(context) {
    this.context = context;
  }

  /** A link to a file; rejects with a problem where there is none. @param {Entry | undefined} entry @returns {Promise<string>} */
  async of(entry) {
    const { api, end, options, store } = this.context;
    const { state } = (entry && store.items.get(entry.id)) ?? {};
    if (!entry || state?.kind !== "ready") {
      throw new ProblemError({ code: "not_ready", message: "There is a link once the file is ready.", retryable: true });
    }
    const { link } = options;
    if (link) return askPage(() => link({ file: entry.info, asset: state.asset }));
    return (await api.link(entry, end.signal, options.linkExpiresIn ?? LIFE)).url;
  }
}
