/**
 * What a program passes to `connect`, and what its parts are told: every gap
 * filled, every address whole.
 * @module
 */
import type { Door } from "./doors/door.js";
import type { Environment } from "./environment.js";
import type { ConnectOptions } from "./events.js";
import type { MemoryOptions } from "./memory.js";
export type SessionOptions = {
    url: string;
    /**
     * best first
     */
    doors: Door[];
    platform: {
        WebSocket: any;
        EventSource: any;
        fetch: any;
    };
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
    environment: Environment;
};
/** @import { Door } from "./doors/door.js" */
/** @import { Environment } from "./environment.js" */
/** @import { ConnectOptions } from "./events.js" */
/** @import { MemoryOptions } from "./memory.js" */
/**
 * @typedef {object} SessionOptions
 * @property {string} url
 * @property {Door[]} doors best first
 * @property {{WebSocket: any, EventSource: any, fetch: any}} platform
 * @property {boolean} renew
 * @property {{min_ms: number, max_ms: number} | false} reconnect
 * @property {number} timeout_ms
 * @property {number} queue_max
 * @property {string | undefined} user
 * @property {object | (() => any) | undefined} credentials
 * @property {object | undefined} attributes
 * @property {Environment} environment
 */
/**
 * Throws a TypeError where something cannot be.
 * @param {string | URL | undefined} given the address
 * @param {ConnectOptions} options
 * @returns {{session: SessionOptions, memory: MemoryOptions | undefined, clock_interval_ms: number}}
 */
export declare function settle(given: string | URL | undefined, options: ConnectOptions): {
    session: SessionOptions;
    memory: MemoryOptions | undefined;
    clock_interval_ms: number;
};
