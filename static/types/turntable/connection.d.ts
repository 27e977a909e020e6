/**
 * The connection to the server: opens one transport connection at a time,
 * selects the transport, and reconnects after a loss.
 *
 * The table of close codes decides whether to reconnect, `Backoff` when and to
 * which address, `TransportSelection` by which transport, `Diagnosis` whether a
 * failure is one of the transport or of the server. A retry waits until that is
 * decided.
 *
 * While another transport than the first is in use, better ones are probed at
 * intervals (`Upgrade`), and the session moves to one that works.
 * @module
 */
import { Retry } from "./retry.js";
import type { Disconnection } from "./disconnection.js";
import type { SessionOptions } from "./options.js";
import type { Sent } from "./sent_log.js";
import type { Kind, ResponseError, Transport, TransportHooks } from "./transports/transport.js";
export type OwnHooks = {
    /**
     * a transport connection is being opened
     */
    connecting: () => void;
    traffic: (traffic: {
        direction: "in" | "out";
        kind: Kind;
        content: string | (() => string);
        bytes: number | undefined;
    }) => void;
    /**
     * the server answers this page, and refuses its requests
     */
    forbidden: (error: ResponseError) => void;
    /**
     * whether the client connects again after a close
     * code after which it usually does not
     */
    returns: (code: number) => boolean;
    disconnected: (disconnection: Disconnection) => void;
};
export type ConnectionHooks = Omit<TransportHooks, "closed" | "traffic"> & OwnHooks;
export declare class Connection {
    #private;
    /** The pending attempt. @readonly */
    readonly retry: Retry;
    /**
     * @param {SessionOptions} options
     * @param {ConnectionHooks} hooks
     */
    constructor(options: SessionOptions, hooks: ConnectionHooks);
    /** The transport in use, or being tried. @returns {Transport} */
    get transport(): Transport;
    /** @param {string} name of the transport to try first, if it is available */
    startWith(name: string): void;
    /** Opens a transport connection. */
    open(): void;
    /**
     * The session received its welcome; the connection is established.
     * @param {number} [reconnect_ms] over how long clients are to return if the server is lost
     */
    welcomed(reconnect_ms?: number): void;
    /**
     * How many bytes a message has in the encoding of the connection, or of the last one during an outage.
     * @param {string} text a message as JSON
     */
    bytesOf(text: string): number;
    /** How many bytes a request of the transport adds to a message. */
    get envelope(): number;
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
    /** Polling transports: @returns {boolean} whether a request is under way that the server has to answer */
    probe(): boolean;
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
    /**
     * The network or the visibility of the page has changed: what failed before may work now.
     * @param {boolean} another whether the network is another one
     */
    changed(another: boolean): void;
    /**
     * The server asks the client to reconnect after `reconnect_ms`, possibly to
     * another address. If the server has not closed the connection by then, the
     * client does.
     * @param {number} reconnect_ms
     * @param {string | undefined} url
     */
    goaway(reconnect_ms: number, url: string | undefined): void;
}
