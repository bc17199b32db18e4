// What the element adds to the document's types: its name and its events.

import type { Asset, Item, Problem, Refused, Totals } from "@gantry/uploader";
import type { GantryUploaderElement } from "@gantry/uploader/element";

declare global {
  interface HTMLElementTagNameMap {
    "gantry-uploader": GantryUploaderElement;
  }
  interface HTMLElementEventMap {
    "gantry-added": CustomEvent<{ ids: string[]; refused: Refused[]; emptyFolders: string[] }>;
    "gantry-started": CustomEvent<{ item: Item }>;
    "gantry-progress": CustomEvent<{ totals: Totals }>;
    "gantry-ready": CustomEvent<{ item: Item; asset: Asset }>;
    "gantry-rejected": CustomEvent<{ item: Item; problem: Problem }>;
    "gantry-failed": CustomEvent<{ item: Item; problem: Problem }>;
    "gantry-cancelled": CustomEvent<{ item: Item }>;
    "gantry-removed": CustomEvent<{ id: string }>;
    "gantry-complete": CustomEvent<{ ready: number; failed: number; totals: Totals }>;
  }
}
