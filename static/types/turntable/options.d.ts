/**
 * Validates the options of `connect` and fills in the defaults.
 * @module
 */
import { GuestToken } from "./guest_token.js";
import type { Environment } from "./environment.js";
import type { ConnectOptions } from "./events.js";
import type { SessionStoreOptions } from "./session_store.js";
import type { StreamSlots } from "./stream_slots.js";
import type { Transport } from "./transports/transport.js";
export type SessionOptions = {
    url: string;
    /**
     * in order of preference
     */
    transports: Transport[];
    platform: {
        WebSocket: any;
        EventSource: any;
        fetch: any;
    };
    streams: StreamSlots | undefined;
    /**
     * whether a new session begins when another connection has taken over the last one
     */
    renew: boolean;
    reconnect: {
        min_ms: number;
        max_ms: number;
    } | false;
    timeout_ms: number;
    queue_max: number;
    user: string | undefined;
    credentials: object | (() => any) | undefined;
    attributes: object | undefined;
    guest: GuestToken | undefined;
    environment: Environment;
};
/**
 * An interval of polls: throws a TypeError if it is none.
 * @param {unknown} ms
 */
export declare function checkInterval(ms: unknown): void;
/**
 * A time of an option: throws a TypeError if it is none.
 * @param {string} name
 * @param {unknown} ms
 * @param {boolean} [zero] whether it may be 0
 */
export declare function checkTime(name: string, ms: unknown, zero?: boolean): void;
/**
 * The arguments of `connect(url, options)` and `connect(options)`.
 * @param {string | URL | ConnectOptions | undefined} first
 * @param {ConnectOptions | undefined} options
 * @returns {[url: string | URL | undefined, options: ConnectOptions]}
 */
export declare function addressed(first: string | URL | ConnectOptions | undefined, options: ConnectOptions | undefined): [url: string | URL | undefined, options: ConnectOptions];
/**
 * Throws a TypeError if an option is invalid.
 * @param {string | URL | undefined} address
 * @param {ConnectOptions} options
 * @returns {{session: SessionOptions, store: SessionStoreOptions | undefined, clock_interval_ms: number}}
 */
export declare function resolveOptions(address: string | URL | undefined, options: ConnectOptions): {
    session: SessionOptions;
    store: SessionStoreOptions | undefined;
    clock_interval_ms: number;
};
