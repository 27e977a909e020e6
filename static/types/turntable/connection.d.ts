/**
 * The connection to the server: opens one transport connection at a time,
 * selects the transport, and reconnects after a loss.
 *
 * The table of close codes decides whether to reconnect, `Backoff` when and to
 * which address, `TransportSelection` by which transport, `Reachability` whether
 * a failure is one of the transport or of the server. A retry waits until that
 * is decided:
 *
 *     attempt fails ─► request over HTTP ─┬─ answered: the transport failed
 *                                         └─ not: the server is away. Request
 *                                            until it answers; then connect
 *
 * While another transport than the first is in use, better ones are probed at
 * intervals (`Upgrade`), and the session moves to one that works.
 * @module
 */
import type { Environment } from "./environment.js";
import type { StreamSlots } from "./stream_slots.js";
import type { Sent } from "./sent_log.js";
import type { Kind, Transport, TransportHooks } from "./transports/transport.js";
export type Disconnection = {
    /**
     * the close code; 1006 if no close frame was received
     */
    code: number;
    /**
     * its name in CLOSE_CODES, "lost" or "moved"
     */
    reason: string;
    /**
     * the server's explanation, if any
     */
    text: string;
    /**
     * whether the session can be resumed
     */
    resume: boolean;
    /**
     * time until the next attempt, at most; undefined: no further attempt
     */
    retry_ms: number | undefined;
};
export type ConnectionHooks = {
    /**
     * a transport connection is being opened
     */
    connecting: () => void;
    /**
     * the session to resume, if any
     */
    resume: TransportHooks["resume"];
    taken: TransportHooks["taken"];
    accepted: TransportHooks["accepted"];
    discarded: TransportHooks["discarded"];
    /**
     * something arrived from the server
     */
    activity: () => void;
    message: (message: any) => void;
    /**
     * the transport resumed the session itself
     */
    resumed: TransportHooks["resumed"];
    /**
     * the session no longer exists; the transport starts a new one
     */
    expired: () => void;
    refused: TransportHooks["refused"];
    traffic: (traffic: {
        direction: "in" | "out";
        kind: Kind;
        content: string | (() => string);
        bytes: number | undefined;
    }) => void;
    /**
     * whether the client connects again after a close
     * code after which it usually does not
     */
    returns: (code: number) => boolean;
    disconnected: (disconnection: Disconnection) => void;
};
export type ConnectionOptions = {
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
    /**
     * limits the pages that keep a request open
     */
    streams?: StreamSlots;
    reconnect: {
        min_ms: number;
        max_ms: number;
    } | false;
    /**
     * maximum time until the welcome
     */
    timeout_ms: number;
    /**
     * whether a session that another connection took over is followed by a new one
     */
    renew: boolean;
    environment: Environment;
};
export declare class Connection {
    #private;
    /**
     * @param {ConnectionOptions} options
     * @param {ConnectionHooks} hooks
     */
    constructor(options: ConnectionOptions, hooks: ConnectionHooks);
    /** The transport in use, or being tried. @returns {Transport} */
    get transport(): Transport;
    /** Time until the next attempt in ms; undefined if none is pending. @returns {number | undefined} */
    get retry_in_ms(): number | undefined;
    /**
     * Tries the named transport first, if it is available.
     * @param {string} name
     */
    startWith(name: string): void;
    /** Opens a transport connection. */
    open(): void;
    /** The session received its welcome; the connection is established. */
    welcomed(): void;
    /** Whether a message written now can reach the server; false once the connection is closing. */
    get writable(): boolean;
    /**
     * @param {string} text
     * @param {Sent} [entry] of the log of sent commands, if it counts
     */
    write(text: string, entry?: Sent): void;
    /**
     * Sets the interval of polling transports.
     * @param {number} ms 0: requests are sent only with messages
     */
    heartbeat(ms: number): void;
    /**
     * Abandons the transport connection as if it had been closed with `code`, and
     * reconnects. Does not wait for the server, which may be unreachable.
     * @param {number} code
     * @param {string} text
     */
    drop(code: number, text: string): void;
    /**
     * Closes for good.
     * @param {number} code
     */
    close(code: number): void;
    /** Starts the pending attempt now, for instance because the network is available again. */
    retryNow(): void;
    /** The network or the visibility of the page has changed: what failed before may work now. */
    changed(): void;
    /**
     * The server asks the client to reconnect after `reconnect_ms`, possibly to
     * another address. If the server has not closed the connection by then, the
     * client does.
     * @param {number} reconnect_ms
     * @param {string | undefined} url
     */
    goaway(reconnect_ms: number, url: string | undefined): void;
}
