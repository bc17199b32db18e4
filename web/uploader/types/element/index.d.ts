/// <reference path="../../src/element/globals.d.ts" preserve="true" />
export { GantryUploaderElement };
export { registerLocale } from "./words.js";
import { GantryUploaderElement } from "./element.js";
