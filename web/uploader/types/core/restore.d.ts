/** Tells other pages that this one lives. @param {Context} context */
export function beginSession({ locks, session, end }: Context): () => undefined;
/** Takes over what pages that ended have left, now and when others end.
 * @param {Context} context @param {(items: StoredItem[]) => Promise<void>} take */
export function claimUnfinished(context: Context, take: (items: StoredItem[]) => Promise<void>): Promise<void>;
/** @param {StoredItem[]} items @param {() => number} nextOrder @returns {AsyncGenerator<Entry[]>} */
export function entriesOf(items: StoredItem[], nextOrder: () => number): AsyncGenerator<Entry[]>;
/** Finds the files that were chosen again among those that wait for theirs.
 * @param {Entry[]} waiting @param {Iterable<Source>} sources @returns {Promise<Reselected & {found: Map<Entry, {file: File, handle?: FileSystemFileHandle}>}>} */
export function match(waiting: Entry[], sources: Iterable<Source>): Promise<Reselected & {
    found: Map<Entry, {
        file: File;
        handle?: FileSystemFileHandle;
    }>;
}>;
export type StoredItem = import("./types.js").StoredItem;
export type Source = import("./types.js").Source;
export type Reselected = import("./types.js").Reselected;
export type Context = import("./context.js").Context;
import { Entry } from "./entry.js";
