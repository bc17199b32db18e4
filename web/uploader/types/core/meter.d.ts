/** Seconds until so many bytes have moved. @param {number} left @param {number | undefined} rate */
export function etaOf(left: number, rate: number | undefined): number | undefined;
export class Meter {
    /** What had moved at which time. @type {{at: number, bytes: number}[]} */
    samples: {
        at: number;
        bytes: number;
    }[];
    bytes: number;
    /** Counts bytes that moved; negative, if they were lost again. @param {number} bytes @param {number} now */
    count(bytes: number, now: number): void;
    /** Bytes per second; undefined if nothing can be said. @param {number} now */
    rate(now: number): number | undefined;
    /** Starts anew: a pause is no slow line. */
    reset(): void;
}
