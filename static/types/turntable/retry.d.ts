/**
 * When and where to try again once a connection is gone.
 *
 * A retry waits a random part of min_ms * 2^attempt, at most max_ms ("full
 * jitter"), so that a restarted server is not met by all clients at once. The
 * attempts are counted from zero again only after a connection that lasted
 * max_ms: a server that accepts and closes at once is not hammered. What a
 * `goaway` asked for comes before all that, once.
 * @module
 */
import type { Environment } from "./environment.js";
export type Bounds = {
    min_ms: number;
    max_ms: number;
};
export declare class Retry {
    #private;
    /** Where to connect now. @type {string} */
    url: string;
    /** @param {{url: string, reconnect: Bounds | false, environment: Environment}} options */
    constructor(options: {
        url: string;
        reconnect: Bounds | false;
        environment: Environment;
    });
    /** Whether the connection has become useful. */
    get useful(): boolean;
    /** There is a new connection, without the one before having been lost. */
    opened(): void;
    /** The connection has become useful. */
    settled(): void;
    /**
     * The server asks to come back after reconnect_ms, perhaps elsewhere.
     * @param {number} reconnect_ms
     * @param {string | undefined} url
     * @returns {number} after how many ms that is to be
     */
    move(reconnect_ms: number, url: string | undefined): number;
    /**
     * The connection is gone.
     * @param {number} code
     * @param {Bounds} bounds
     * @returns {number} after how many ms to try again, at `url`
     */
    delay(code: number, { min_ms, max_ms }: Bounds): number;
}
