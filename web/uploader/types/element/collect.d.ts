/** What was dropped. Everything is taken from it before the first wait: afterwards it is empty.
 * @param {DataTransfer} dropped @param {(count: number) => void} tell @returns {Promise<Collected>} */
export function collectDropped(dropped: DataTransfer, tell: (count: number) => void): Promise<Collected>;
/** What an input has. @param {FileList | null} files @returns {Found[]} */
export function collectChosen(files: FileList | null): Found[];
/**
 * What was pasted: a picture without a name of its own is called after the time.
 * @param {DataTransfer | null} pasted
 * @returns {Found[]}
 */
export function collectPasted(pasted: DataTransfer | null): Found[];
/** How many files are over the zone, and whether all of them are known to be files; 0 where the browser does not say yet.
 * @param {DataTransfer | null} data */
export function countDragged(data: DataTransfer | null): {
    count: number;
    files: boolean;
};
export function hasFiles(data: DataTransfer | null): boolean;
export type Found = {
    file: File;
    path?: string;
    handle?: FileSystemFileHandle;
};
export type Collected = {
    found: Found[];
    empty: string[];
    unreadable: string[];
};
