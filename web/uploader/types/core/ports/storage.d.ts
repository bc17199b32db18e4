/** @returns {StoragePort} */
export function storagePort(): StoragePort;
/** Keeps items in memory; pages of one test share it. @returns {StoragePort & {items: Map<string, StoredItem>}} */
export function memoryStorage(): StoragePort & {
    items: Map<string, StoredItem>;
};
export type StoragePort = import("../types.js").StoragePort;
export type StoredItem = import("../types.js").StoredItem;
