export class GantryUploaderElement extends HTMLElement {
    static formAssociated: boolean;
    static observedAttributes: string[];
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** @param {string} name @param {string | null} before @param {string | null} after */
    attributeChangedCallback(name: string, before: string | null, after: string | null): void;
    set tokenProvider(provider: ((request: {
        file: import("../core/types.js").FileInfo;
    }) => string | Promise<string>) | null | undefined);
    /** Asks the page for a token, for each file anew. */
    get tokenProvider(): ((request: {
        file: import("../core/types.js").FileInfo;
    }) => string | Promise<string>) | null | undefined;
    set grantProvider(provider: ((request: {
        file: import("../core/types.js").FileInfo;
    }) => Promise<import("../core/types.js").OpenedUpload>) | null | undefined);
    /** The backend opens the upload itself, and passes on what the service answered. */
    get grantProvider(): ((request: {
        file: import("../core/types.js").FileInfo;
    }) => Promise<import("../core/types.js").OpenedUpload>) | null | undefined;
    set options(options: Partial<import("../core/types.js").UploaderOptions>);
    /** More options of the core. */
    get options(): Partial<import("../core/types.js").UploaderOptions>;
    set messages(messages: Partial<import("./words.js").Messages>);
    /** Texts that take the place of the language's. */
    get messages(): Partial<import("./words.js").Messages>;
    set uploader(uploader: Uploader | null);
    /**
     * The headless uploader: the one given, or the element's own once it has an endpoint.
     * @returns {Uploader | null}
     */
    get uploader(): Uploader | null;
    set endpoint(value: string | null);
    get endpoint(): string | null;
    set token(value: string | null);
    get token(): string | null;
    set theme(value: string | null);
    get theme(): string | null;
    set accept(value: string | null);
    get accept(): string | null;
    set name(value: string | null);
    get name(): string | null;
    set protocol(value: "auto" | "tus" | "ietf");
    /** How bytes travel; a word that is none of the three is no choice. @returns {"auto" | "tus" | "ietf"} */
    get protocol(): "auto" | "tus" | "ietf";
    set multiple(multiple: boolean);
    get multiple(): boolean;
    /** Adds files as if they had been dropped. @param {Iterable<Source>} files */
    add(files: Iterable<Source>): Promise<{
        added: string[];
        refused: {
            name: string;
            path: string;
            code: string;
        }[];
    } | undefined>;
    start(): void;
    pause(): void;
    resume(): void;
    retry(): void;
    /** Without asking: the page has asked. */
    cancel(): void;
    /** Opens the file picker; like every picker, only after a click or a key. */
    browse(): void;
    #private;
}
export type Uploader = import("./types.js").Uploader;
export type Source = import("./types.js").Source;
export type Messages = import("./words.js").Messages;
export type CoreOptions = Parameters<typeof createUploader>[0];
import { createUploader } from "../core/index.js";
