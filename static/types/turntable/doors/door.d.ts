/**
 * What a door is to the rest of the library: the doors differ in how a message
 * travels, and in nothing else. The canonical form of a message that goes out
 * is its JSON text; what comes in is given on as the message it holds.
 *
 * A connection lives once: it is opened, becomes `writable`, and is over with
 * `closed`, which comes at most once and not after `close`. What it tells while
 * it is being opened may come before `open` has returned.
 * @module
 */
import type { Environment } from "../environment.js";
export type Door = {
    /**
     * a name of DOORS
     */
    name: string;
    /**
     * whether the server can speak at any time by it
     */
    live: boolean;
    /**
     * a new one
     */
    connection: (to: Target, hooks: ConnectionHooks) => Connection;
    /**
     * asks at intervals, where a door must ask
     */
    heartbeat?: (ms: number) => void;
};
export type Target = {
    /**
     * the WebSocket address of the server; other doors lie beside it
     */
    url: string;
    environment: Environment;
    WebSocket: any;
    EventSource: any;
    fetch: any;
};
export type Connection = {
    open: () => void;
    /**
     * whether what is sent now can get out
     */
    writable: boolean;
    /**
     * whether nothing is on its way out
     */
    idle: boolean;
    /**
     * a message as JSON
     */
    send: (text: string) => void;
    /**
     * sends a text as it is, whatever it is
     */
    raw: (text: string) => void;
    /**
     * sends what waits, and ends
     */
    close: (code: number, reason: string) => void;
};
export type ConnectionHooks = {
    /**
     * the session to go on with
     */
    resume: () => {
        session: string;
        received: number;
    } | undefined;
    /**
     * there was a sign of life
     */
    heard: () => void;
    /**
     * undefined: what came is not a message
     */
    message: (message: any) => void;
    /**
     * the door itself has resumed the session; no welcome will come
     */
    resumed: () => void;
    /**
     * the session is gone, and the door begins a new one
     */
    expired: () => void;
    /**
     *   messages that the door did not take
     */
    refused: (texts: string[], error: {
        code: string;
        message: string;
        details?: any;
    }) => void;
    /**
     * a close code, and
     * whether this door cannot work here at all
     */
    closed: (code: number, reason: string, gone?: boolean) => void;
    /**
     *   what travelled, as text; bytes where that is not the size of the text
     */
    traffic: (direction: "in" | "out", kind: Kind, what: string | (() => string), bytes?: number) => void;
};
export type Kind = "frame" | "datagram" | "entry";
/** @import { Environment } from "../environment.js" */
/**
 * @typedef {object} Door
 * @property {string} name a name of DOORS
 * @property {boolean} live whether the server can speak at any time by it
 * @property {(to: Target, hooks: ConnectionHooks) => Connection} connection a new one
 * @property {(ms: number) => void} [heartbeat] asks at intervals, where a door must ask
 */
/**
 * @typedef {object} Target
 * @property {string} url the WebSocket address of the server; other doors lie beside it
 * @property {Environment} environment
 * @property {any} WebSocket
 * @property {any} EventSource
 * @property {any} fetch
 */
/**
 * @typedef {object} Connection
 * @property {() => void} open
 * @property {boolean} writable whether what is sent now can get out
 * @property {boolean} idle whether nothing is on its way out
 * @property {(text: string) => void} send a message as JSON
 * @property {(text: string) => void} raw sends a text as it is, whatever it is
 * @property {(code: number, reason: string) => void} close sends what waits, and ends
 */
/**
 * @typedef {object} ConnectionHooks
 * @property {() => {session: string, received: number} | undefined} resume the session to go on with
 * @property {() => void} heard there was a sign of life
 * @property {(message: any) => void} message undefined: what came is not a message
 * @property {() => void} resumed the door itself has resumed the session; no welcome will come
 * @property {() => void} expired the session is gone, and the door begins a new one
 * @property {(texts: string[], error: {code: string, message: string, details?: any}) => void} refused
 *   messages that the door did not take
 * @property {(code: number, reason: string, gone?: boolean) => void} closed a close code, and
 *   whether this door cannot work here at all
 * @property {(direction: "in" | "out", kind: Kind, what: string | (() => string), bytes?: number) => void} traffic
 *   what travelled, as text; bytes where that is not the size of the text
 */
/** @typedef {"frame" | "datagram" | "entry"} Kind */
/** What a browser reports where no close frame came. */
export declare const LOST = 1006;
export declare const EXPIRED = 4004;
export declare const RATE_LIMITED = 4007;
/** Characters of the messages that one request carries, but for a single longer one. */
export declare const BATCH_MAX = 32768;
/**
 * The address of another door, which lies beside that of the WebSocket.
 * @param {string} url
 * @param {string} name
 * @param {Record<string, string | number | undefined>} [query]
 * @returns {string}
 */
export declare function beside(url: string, name: string, query?: Record<string, string | number | undefined>): string;
/**
 * The error that the body of a refused request tells of.
 * @param {any} response
 * @returns {Promise<{code: string, message: string, details?: any}>}
 */
export declare function refusal(response: any): Promise<{
    code: string;
    message: string;
    details?: any;
}>;
/**
 * The close code that the status of a refused request amounts to.
 * @param {number} status
 * @returns {number}
 */
export declare function codeOf(status: number): number;
/**
 * What travelled, with its size.
 * @param {string | (() => string)} what
 * @param {number | undefined} bytes where that is not the size of the text
 */
export declare function travelled(what: string | (() => string), bytes: number | undefined): {
    text: string;
    bytes: number;
};
/**
 * Takes as many texts from the front of `queue` as fit into one request.
 * @param {string[]} queue
 * @returns {string[]}
 */
export declare function batch(queue: string[]): string[];
