/**
 * The line to the server: one connection at a time, by which door, and when
 * and where to try again once it is gone.
 *
 * The table of close codes says whether to come back at all, `Retry` when and
 * where, `Ladder` by which door. While a lesser one is in use, the best one is
 * tried at intervals beside it; once the server greets there, the session moves
 * over.
 * @module
 */
import type { ConnectionHooks, Door, Kind } from "./doors/door.js";
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
    message: (message: any) => void;
    /**
     * the door has resumed the session by itself
     */
    resumed: () => void;
    /**
     * the session is gone, and the door begins a new one
     */
    expired: () => void;
    refused: ConnectionHooks["refused"];
    traffic: (traffic: {
        direction: "in" | "out";
        kind: Kind;
        what: string | (() => string);
        bytes: number | undefined;
    }) => void;
    down: (down: Down) => void;
};
export type LineOptions = {
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
    reconnect: {
        min_ms: number;
        max_ms: number;
    } | false;
    /**
     * for a connection to become useful
     */
    timeout_ms: number;
    /**
     * whether a session that another connection took over is followed by a new one
     */
    renew: boolean;
    environment: Environment;
};
export declare class Line {
    #private;
    /**
     * @param {LineOptions} options
     * @param {LineHooks} hooks
     */
    constructor(options: LineOptions, hooks: LineHooks);
    /** The door in use, or being tried. @returns {Door} */
    get door(): Door;
    /**
     * Another door than the best comes first, where there is one of that name.
     * @param {string} name
     */
    begin_with(name: string): void;
    /** Makes a connection. */
    open(): void;
    /** The connection has become useful: the server said `welcome`. */
    settled(): void;
    /** Whether what is written can get out: from the close frame on it cannot. */
    get writable(): boolean;
    /** @param {string} text */
    write(text: string): void;
    /**
     * Sets how often a door that must ask asks; 0: only when there is something to say.
     * @param {number} ms
     */
    heartbeat(ms: number): void;
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
