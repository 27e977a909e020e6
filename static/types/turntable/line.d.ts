/**
 * The line to the server: one WebSocket at a time, and when and where to try
 * again once it is gone.
 *
 * A retry waits a random part of min_ms * 2^attempt, at most max_ms ("full
 * jitter"), so that a restarted server is not met by all clients at once. The
 * attempts are counted from zero again only after a connection that lasted
 * max_ms: a server that accepts and closes at once is not hammered. The table
 * of close codes says whether to come back at all, `goaway` when and where.
 * @module
 */
import type { Environment } from "./environment.js";
export type Down = {
    /**
     * the WebSocket's close code; 1006 where the line broke
     */
    code: number;
    /**
     * its name in CLOSE_CODES; "lost" where the line broke
     */
    reason: string;
    /**
     * what the server said beside the code
     */
    text: string;
    /**
     * whether the session may be resumed
     */
    resume: boolean;
    /**
     * when it is tried again; undefined: never
     */
    retry_ms: number | undefined;
};
export type LineHooks = {
    /**
     * a connection is being made
     */
    opening: () => void;
    text: (text: string) => void;
    down: (down: Down) => void;
};
export type LineOptions = {
    url: string;
    /**
     * constructor
     */
    WebSocket: any;
    reconnect: {
        min_ms: number;
        max_ms: number;
    } | false;
    /**
     * for a connection to become useful
     */
    timeout_ms: number;
    environment: Environment;
};
export declare class Line {
    #private;
    /**
     * @param {LineOptions} options
     * @param {LineHooks} hooks
     */
    constructor(options: LineOptions, hooks: LineHooks);
    /** Makes a connection. */
    open(): void;
    /** The connection has become useful: the server said `welcome`. */
    settled(): void;
    /** Whether what is written can get out: from the close frame on it cannot. */
    get writable(): boolean;
    /** @param {string} text */
    write(text: string): void;
    /**
     * Gives the connection up, as if it had been closed with `code`, without
     * waiting for the other side (which may be dead), and tries again.
     * @param {number} code
     * @param {string} text
     */
    drop(code: number, text: string): void;
    /**
     * Ends for good, in order.
     * @param {number} code
     */
    end(code: number): void;
    /** Tries now what would be tried later: the network is said to be back. */
    hurry(): void;
    /**
     * The server asks to come back after reconnect_ms, perhaps elsewhere. It
     * closes the connection itself, or else it is left when that time is up.
     * @param {number} reconnect_ms
     * @param {string | undefined} url
     */
    goaway(reconnect_ms: number, url: string | undefined): void;
}
/**
 * The WebSocket address that `url` means: http(s) becomes ws(s), no path
 * becomes `/ws`, and what is missing is taken from `base`.
 * @param {string | URL | undefined} url
 * @param {string} [base]
 * @returns {string}
 */
export declare function socketUrl(url: string | URL | undefined, base?: string): string;
