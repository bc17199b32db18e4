/** Adds a language, or replaces one. @param {Messages} messages */
export function registerLocale(messages: Messages): void;
/** The messages of a language if they are there, and a promise of them if they can be loaded.
 * @param {string} lang
 * @returns {Messages | Promise<Messages>} */
export function messagesOf(lang: string): Messages | Promise<Messages>;
export class Words {
    /** @param {Messages} messages @param {string} [lang] @param {Partial<Messages>} [overrides] */
    constructor(messages: Messages, lang?: string, overrides?: Partial<Messages>);
    /** @type {Messages} */
    messages: Messages;
    lang: string;
    plurals: Intl.PluralRules;
    relative: Intl.RelativeTimeFormat;
    dates: Intl.DateTimeFormat;
    lists: Intl.ListFormat;
    /** @type {Map<string, Intl.NumberFormat>} */
    formats: Map<string, Intl.NumberFormat>;
    /** The message of this key with its values; the form of a plural is chosen by `count`.
     * @param {string} key @param {Record<string, string | number>} [values] */
    t(key: string, values?: Record<string, string | number>): string;
    /** @param {number} value @param {Intl.NumberFormatOptions} [options] */
    number(value: number, options?: Intl.NumberFormatOptions): string;
    /** @param {number} bytes @param {string} [per] */
    size(bytes: number, per?: string): string;
    /** @param {number} bytes In a second. */
    rate(bytes: number): string;
    /** @param {number} fraction */
    percent(fraction: number): string;
    /** A calm duration: it does not count single seconds far from the end.
     * @param {number} seconds */
    duration(seconds: number): string;
    /** "in 8 seconds". @param {number} seconds */
    in(seconds: number): string;
    /** @param {number} time In milliseconds. */
    date(time: number): string;
    /** @param {string[]} items */
    list(items: string[]): string;
    /** What an accepted type is called: "images", "PDF". @param {string[]} types */
    types(types: string[]): string;
    /** The sentence about a problem. @param {{code: string, message: string}} problem */
    problem({ code, message }: {
        code: string;
        message: string;
    }): string;
}
export type Message = string | Record<string, string>;
export type Messages = {
    lang: string;
    dir: string;
    problems: Record<string, string>;
    [key: string]: any;
};
