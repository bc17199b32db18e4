// An answer that is no success, or none at all: a sentence, a code, and whether trying again helps.

export class Problem extends Error {
  constructor(detail, { code = "network", status = 0, retryable = true, requestId = "" } = {}) {
    super(detail);
    Object.assign(this, { code, status, retryable, requestId });
  }
}
