/**
 * When and to which address to reconnect.
 *
 * The delay is a random part of min_ms * 2^attempt ("full jitter"), so that
 * clients do not reconnect to a restarted server all at once. It is at most 2 s
 * in the first attempts, and max_ms after them. Attempts that fail are counted up to
 * the next connection; connections that do not last are counted up to one that
 * lasted max_ms, so a server that accepts and closes connections immediately is not
 * overloaded, and a loss right after an outage does not wait for it. A delay requested by `goaway` takes
 * precedence, once. Until the next connection lasted, delays are spread over the
 * time that the server named there, which grows with the number of its clients. A server
 * that crashes sends no `goaway`: after a connection that was cut, delays are spread over
 * the time that its last `welcome` named.
 * @module
 */
import type { Environment } from "./environment.js";
export type Bounds = {
    min_ms: number;
    max_ms: number;
};
export declare class Backoff {
    #private;
    /** The address to connect to. @type {string} */
    url: string;
    /** @param {{url: string, reconnect: Bounds | false, environment: Environment}} options */
    constructor(options: {
        url: string;
        reconnect: Bounds | false;
        environment: Environment;
    });
    /** Whether the current connection has received its welcome. */
    get established(): boolean;
    /** The time over which clients are to return to a server that was away. */
    get spread_ms(): number;
    /** A new connection replaces the current one without a loss. */
    opened(): void;
    /**
     * The connection received its welcome.
     * @param {number | undefined} reconnect_ms that it named
     */
    welcomed(reconnect_ms: number | undefined): void;
    /**
     * The server asks the client to reconnect after `reconnect_ms`, possibly to
     * another address.
     * @param {number} reconnect_ms
     * @param {string | undefined} url
     * @returns {number} the delay in ms, with jitter
     */
    move(reconnect_ms: number, url: string | undefined): number;
    /**
     * The connection was lost.
     * @param {number} code
     * @param {Bounds} bounds
     * @param {boolean} cut whether it ended without a close code
     * @returns {number} the delay in ms before the next attempt, at `url`
     */
    delay(code: number, { min_ms, max_ms }: Bounds, cut: boolean): number;
}
