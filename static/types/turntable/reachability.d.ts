/**
 * Whether the server can be reached at all. While connection attempts fail, the
 * client requests a small answer over HTTP, again and again, until there is one.
 * An answer that comes at once means that the server is there and the transport
 * is blocked. Otherwise the server or the network is away, and the first answer
 * is the moment to connect.
 *
 * Such requests cost less than attempts to connect, which browsers delay by
 * seconds after a number of failures. An answer of something else is none: gateways
 * send pages of their own, with any status, for a server that is away.
 * @module
 */
import type { Environment } from "./environment.js";
import type { ResponseError } from "./transports/transport.js";
export type ReachabilityHooks = {
    /**
     * the server answered, the first request
     * or a later one, after `ms`
     */
    answered: (first: boolean, ms: number) => void;
    /**
     * a request was not answered
     */
    failed: () => void;
    /**
     * the server refuses the requests of this page
     */
    forbidden: (error: ResponseError) => void;
};
export declare class Reachability {
    #private;
    /** Whether requests are being made. */
    active: boolean;
    /** Pauses are spread over this time, so that many clients do not return at once. */
    spread_ms: number;
    /** The time that the server usually takes for its first response. */
    response_ms: number;
    /**
     * @param {{environment: Environment, fetch: any, max_ms: number}} options max_ms: maximum pause
     * @param {ReachabilityHooks} hooks
     */
    constructor({ environment, fetch, max_ms }: {
        environment: Environment;
        fetch: any;
        max_ms: number;
    }, hooks: ReachabilityHooks);
    /** Whether requests can be made on this platform. */
    get available(): boolean;
    /** Whether the first request has not been answered yet. */
    get deciding(): boolean;
    /** @param {string} url of the server */
    start(url: string): void;
    stop(): void;
    /** Requests at once, for instance because the network has changed. */
    now(): void;
}
