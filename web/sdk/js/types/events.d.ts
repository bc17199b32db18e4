export class Events {
    /** @param {import("./transport.js").Transport} transport */
    constructor(transport: import("./transport.js").Transport);
    transport: import("./transport.js").Transport;
    /** The events behind `after`; `next` is the next page's `after`. `wait`, such as `30s`, waits for the first one.
     * @param {{after?: string | number, limit?: number, wait?: string} & Waiting} [options] @returns {Promise<{events: GantryEvent[], next: string}>} */
    page({ after, limit, wait, signal }?: {
        after?: string | number;
        limit?: number;
        wait?: string;
    } & Waiting): Promise<{
        events: GantryEvent[];
        next: string;
    }>;
    /** Events as they happen, for ever. After a cut it goes on behind the last one that it gave (`Last-Event-ID`). Without `after` it
     * begins now; 0 is the oldest that is kept. Throws a `GoneError` if `after` is older than that.
     * @param {{after?: string | number, asset?: string} & Waiting} [options] @returns {AsyncGenerator<GantryEvent>} */
    follow({ after, asset, signal }?: {
        after?: string | number;
        asset?: string;
    } & Waiting): AsyncGenerator<GantryEvent>;
}
export type GantryEvent = import("./models.js").GantryEvent;
export type Waiting = import("./models.js").Waiting;
