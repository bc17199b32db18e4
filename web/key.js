// The key of this tab: taken from the address once, asked for otherwise, and given up where the service refuses it. It is kept for the tab
// alone, and never stays in the address.

import { Api } from "./api.js";
import { takeFromAddress } from "./address.js";

const STORED = "gantry-key";
const $ = (id) => document.getElementById(id);

/** The key of this tab, of which nothing is known yet. */
export function storedKey() {
  const given = takeFromAddress("key");
  if (given) sessionStorage.setItem(STORED, given);
  return sessionStorage.getItem(STORED);
}

export function forgetKey() {
  sessionStorage.removeItem(STORED);
}

/** The part of a key that is no secret: what is kept for one key is not restored for another. */
export const scopeOf = (key) => /^gk_([0-9a-f-]+)\./.exec(key)?.[1] ?? "token";

export class KeyForm {
  /** `accepted(api)` is called once, with the first key that the service knows. */
  constructor(accepted) {
    this.accepted = accepted;
    $("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.take($("key").value.trim());
    });
  }

  /** Asks for a key, and says why. */
  ask(why = "") {
    $("key-form").hidden = false;
    $("key-error").textContent = why;
    $("key").setAttribute("aria-invalid", String(why !== ""));
    $("key").focus();
  }

  /** Tries a key before anything is done with it. */
  async take(key) {
    const api = new Api(key);
    const button = $("key-form").querySelector("button");
    button.disabled = true;
    try {
      await api.check();
    } catch (error) {
      // Where nobody answers, nothing is known of the key.
      if (error.status === 401 || error.status === 403) forgetKey();
      return this.ask(error.message);
    } finally {
      button.disabled = false;
    }
    sessionStorage.setItem(STORED, key);
    $("key").value = "";
    $("key-form").hidden = true;
    return this.accepted(api);
  }
}
