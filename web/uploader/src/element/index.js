/// <reference path="./globals.d.ts" preserve="true" />
// Defines <gantry-uploader>. On a server there is nothing to define: the import does nothing there.

import { GantryUploaderElement } from "./element.js";

export { GantryUploaderElement };
export { registerLocale } from "./words.js";

if (globalThis.customElements && !customElements.get("gantry-uploader")) customElements.define("gantry-uploader", GantryUploaderElement);
