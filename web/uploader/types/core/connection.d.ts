export class Connection {
    /** @param {{clock: Clock, network: import("./types.js").NetworkPort, http: import("./types.js").HttpPort, endpoint: string, onChange: (online: boolean) => void}} with_ */
    constructor({ clock, network, http, endpoint, onChange }: {
        clock: Clock;
        network: import("./types.js").NetworkPort;
        http: import("./types.js").HttpPort;
        endpoint: string;
        onChange: (online: boolean) => void;
    });
    endpoint: string;
    clock: import("./types.js").Clock;
    network: import("./types.js").NetworkPort;
    http: import("./types.js").HttpPort;
    onChange: (online: boolean) => void;
    online: boolean;
    /** Given when the network goes: what is on its way is lost. */
    loss: AbortController;
    end: AbortController;
    /** Origins that are away, and their return. @type {Map<string, Promise<void>>} */
    away: Map<string, Promise<void>>;
    /** How long each is waited for before the request itself is tried. @type {Map<string, number>} */
    doubts: Map<string, number>;
    /** @type {Set<() => void>} */
    wakers: Set<() => void>;
    unsubscribe: () => void;
    /** @param {boolean} online */
    heard(online: boolean): void;
    /** Ends every request: over a network that is gone some would hang for minutes. */
    lose(): void;
    tell(): void;
    /** Calls `wake` when the network may be back. @param {() => void} wake */
    onReturn(wake: () => void): () => undefined;
    /** Whether anything answers at an address: roots of storages redirect to places where a page may not go. @param {string} address */
    probe(address: string): Promise<boolean>;
    /** Whether a body of one byte gets through where a larger one was lost. Nothing that is signed goes along. @param {string} url */
    takesOneByte(url: string): Promise<boolean>;
    /** @param {(signal: AbortSignal) => Promise<boolean>} question */
    asks(question: (signal: AbortSignal) => Promise<boolean>): Promise<boolean>;
    /** Waits while nobody answers at an address, for any length. Answers whether it was away.
     * @param {string} url @param {AbortSignal} signal @param {() => void} onAway */
    settle(url: string, signal: AbortSignal, onAway: () => void): Promise<boolean>;
    /** The origin of an address, and what to ask there: nothing that is signed, and no root, which may redirect.
     * @param {string} url */
    placeOf(url: string): {
        origin: string;
        address: string;
    };
    /** @param {string} address @param {AbortSignal} signal */
    answersSoon(address: string, signal: AbortSignal): Promise<boolean>;
    /** @param {string} origin @param {string} address */
    returned(origin: string, address: string): Promise<void>;
    /** Asks again and again, each time without waiting for the answer before. @param {string} origin @param {string} address */
    watch(origin: string, address: string): Promise<void>;
    close(): void;
}
export type Clock = import("./types.js").Clock;
