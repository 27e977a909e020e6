/**
 * The interface that every transport implements. Transports differ only in how
 * a message travels. An outgoing message is its JSON text; an incoming message
 * is passed on decoded.
 *
 * A transport connection is used once: `open`, then `writable`, then `closed`.
 * `closed` is called at most once and never after `close`. Hooks may be called
 * before `open` returns.
 * @module
 */
import type { Environment } from "../environment.js";
import type { Sent } from "../sent_log.js";
export type Transport = {
    /**
     * one of TRANSPORTS
     */
    name: string;
    /**
     * whether the server can send at any time
     */
    push: boolean;
    /**
     * whether a request stays open: browsers open few to one host
     */
    stream?: boolean;
    /**
     * bytes that a request adds to each message, which the server counts
     */
    envelope?: number;
    createConnection: (target: Target, hooks: TransportHooks) => TransportConnection;
    /**
     * sets the polling interval; polling transports only
     */
    heartbeat?: (ms: number) => void;
};
export type Target = {
    /**
     * the server's WebSocket URL; other endpoints are relative to it
     */
    url: string;
    environment: Environment;
    WebSocket: any;
    EventSource: any;
    fetch: any;
    /**
     * whether there is no other transport
     */
    alone: boolean;
};
export type TransportConnection = {
    open: () => void;
    /**
     * whether a message sent now can reach the server
     */
    writable: boolean;
    /**
     * how many bytes a message has, if that
     * differs from its JSON
     */
    bytesOf?: (text: string) => number | undefined;
    /**
     * whether no outgoing message is pending
     */
    idle: boolean;
    /**
     * sends one message, given as JSON, with its
     * entry in the log of sent commands if it counts
     */
    send: (text: string, entry?: Sent) => void;
    /**
     * polling transports: a request that shows whether the server
     * answers; returns whether one is under way
     */
    probe?: () => boolean;
    /**
     * sends a text unchanged
     */
    raw: (text: string) => void;
    /**
     * with 1000, sends what is pending and
     * repeats it until it is answered, then closes; with another code, closes at once
     */
    close: (code: number, reason: string) => void;
};
export type TransportHooks = {
    /**
     * the
     * session to resume, if any; welcomes: how many connections it has had; unconfirmed: its
     * commands that may not have arrived
     */
    resume: () => {
        session: string;
        received: number;
        welcomes?: number;
        unconfirmed?: readonly Sent[];
    } | undefined;
    /**
     * the number of the connection, which requests name: the server drops those that come
     * behind one of a later connection
     */
    attempt: () => number;
    /**
     * something arrived from the server
     */
    activity: () => void;
    /**
     * the server has taken the commands up to this number
     */
    taken: (number: number) => void;
    /**
     * the server says how many commands it has taken
     */
    accepted: (count: number) => void;
    /**
     * the server did not read these
     * commands and does not count them. sure: false if something else refused them, which leaves open
     * whether the server took an earlier copy; what it has counted is asked before the next command
     */
    discarded: (entries: (Sent | undefined)[], sure: boolean) => void;
    /**
     * marks the commands of which only the number is to be repeated (`blank`),
     * and those that are not to be sent (`dropped`)
     */
    stale: () => void;
    /**
     * undefined if the received text was not a message
     */
    message: (message: any) => void;
    /**
     * the transport resumed the session itself; no welcome
     * follows. accepted: how many commands the server has taken, if it said so
     */
    resumed: (accepted?: number) => void;
    /**
     * why the server ends the session, whose close code follows
     */
    parting: (error: ResponseError) => void;
    /**
     * the session no longer exists; the transport starts a new one
     */
    expired: () => void;
    /**
     *   the server did not accept these messages
     */
    refused: (texts: string[], error: {
        code: string;
        message: string;
        details?: any;
    }) => void;
    /**
     * the close
     * code, and whether this transport is not available at this server; "begin": it carries
     * sessions that began over another one
     */
    closed: (code: number, reason: string, unsupported?: boolean | "begin") => void;
    /**
     *   what was sent or received, as text; `bytes` if it differs from the size of the text
     */
    traffic: (direction: "in" | "out", kind: Kind, content: string | (() => string), bytes?: number) => void;
};
/** @import { Environment } from "../environment.js" */
/** @import { Sent } from "../sent_log.js" */
/**
 * @typedef {object} Transport
 * @property {string} name one of TRANSPORTS
 * @property {boolean} push whether the server can send at any time
 * @property {boolean} [stream] whether a request stays open: browsers open few to one host
 * @property {number} [envelope] bytes that a request adds to each message, which the server counts
 * @property {(target: Target, hooks: TransportHooks) => TransportConnection} createConnection
 * @property {(ms: number) => void} [heartbeat] sets the polling interval; polling transports only
 */
/**
 * @typedef {object} Target
 * @property {string} url the server's WebSocket URL; other endpoints are relative to it
 * @property {Environment} environment
 * @property {any} WebSocket
 * @property {any} EventSource
 * @property {any} fetch
 * @property {boolean} alone whether there is no other transport
 */
/**
 * @typedef {object} TransportConnection
 * @property {() => void} open
 * @property {boolean} writable whether a message sent now can reach the server
 * @property {(text: string) => number | undefined} [bytesOf] how many bytes a message has, if that
 *   differs from its JSON
 * @property {boolean} idle whether no outgoing message is pending
 * @property {(text: string, entry?: Sent) => void} send sends one message, given as JSON, with its
 *   entry in the log of sent commands if it counts
 * @property {() => boolean} [probe] polling transports: a request that shows whether the server
 *   answers; returns whether one is under way
 * @property {(text: string) => void} raw sends a text unchanged
 * @property {(code: number, reason: string) => void} close with 1000, sends what is pending and
 *   repeats it until it is answered, then closes; with another code, closes at once
 */
/**
 * @typedef {object} TransportHooks
 * @property {() => {session: string, received: number, welcomes?: number, unconfirmed?: readonly Sent[]} | undefined} resume the
 *   session to resume, if any; welcomes: how many connections it has had; unconfirmed: its
 *   commands that may not have arrived
 * @property {() => number} attempt the number of the connection, which requests name: the server drops those that come
 *   behind one of a later connection
 * @property {() => void} activity something arrived from the server
 * @property {(number: number) => void} taken the server has taken the commands up to this number
 * @property {(count: number) => void} accepted the server says how many commands it has taken
 * @property {(entries: (Sent | undefined)[], sure: boolean) => void} discarded the server did not read these
 *   commands and does not count them. sure: false if something else refused them, which leaves open
 *   whether the server took an earlier copy; what it has counted is asked before the next command
 * @property {() => void} stale marks the commands of which only the number is to be repeated (`blank`),
 *   and those that are not to be sent (`dropped`)
 * @property {(message: any) => void} message undefined if the received text was not a message
 * @property {(accepted?: number) => void} resumed the transport resumed the session itself; no welcome
 *   follows. accepted: how many commands the server has taken, if it said so
 * @property {(error: ResponseError) => void} parting why the server ends the session, whose close code follows
 * @property {() => void} expired the session no longer exists; the transport starts a new one
 * @property {(texts: string[], error: {code: string, message: string, details?: any}) => void} refused
 *   the server did not accept these messages
 * @property {(code: number, reason: string, unsupported?: boolean | "begin") => void} closed the close
 *   code, and whether this transport is not available at this server; "begin": it carries
 *   sessions that began over another one
 * @property {(direction: "in" | "out", kind: Kind, content: string | (() => string), bytes?: number) => void} traffic
 *   what was sent or received, as text; `bytes` if it differs from the size of the text
 */
/**
 * Whether this transport cannot begin a session at this server, and another one may: a
 * tunnel is not opened before its client has identified, unless the server accepts claims
 * without credentials; and credentials do not belong into an address.
 * @param {number} status of the refusal
 * @param {Target} target
 * @returns {boolean}
 */
export declare function beginsElsewhere(status: number, { alone }: Target): boolean;
export type Kind = "frame" | "datagram" | "entry";
/** @typedef {"frame" | "datagram" | "entry"} Kind */
/** The client's own, orderly close. */
export declare const NORMAL = 1000;
/** The code that browsers report if no close frame was received. */
export declare const LOST = 1006;
export declare const EXPIRED = 4004;
export declare const RATE_LIMITED = 4007;
/**
 * The close code as it counts for this client. A request of its lost connection may
 * reach the server behind that of the next one, which it then replaces. That is a
 * loss: the client resumes, once, and replaces the old request.
 * @param {Environment} environment
 * @param {number} code
 * @returns {number}
 */
export declare function ownCloseCode(environment: Environment, code: number): number;
export type Outgoing = {
    text: string;
    entry: Sent | undefined;
};
/** @typedef {{text: string, entry: Sent | undefined}} Outgoing a message that is to be sent */
/**
 * Removes from a queue what is stale and was never sent.
 * @param {Outgoing[]} queue
 */
export declare function removeDropped(queue: Outgoing[]): void;
/** Maximum messages per request, unless the server takes fewer. */
export declare const BATCH_MAX = 100;
/** Bytes that a request adds to each message, at most. */
export declare const WRAPPER_BYTES = 120;
/**
 * The URL of an HTTP endpoint, relative to the WebSocket URL, with its query.
 * @param {string} url
 * @param {string} name
 * @param {Record<string, string | number | undefined>} [query]
 * @returns {string}
 */
export declare function endpointUrl(url: string, name: string, query?: Record<string, string | number | undefined>): string;
export type ResponseError = {
    code: string;
    message: string;
    details?: any;
    foreign?: boolean;
};
/** @typedef {{code: string, message: string, details?: any, foreign?: boolean}} ResponseError */
/**
 * The error in the body of an HTTP error response. Every error of this server has
 * one; without it something between the client and the server has answered, such
 * as a gateway during maintenance, and the error is `foreign`: the server may
 * never have seen the request.
 * @param {any} response
 * @returns {Promise<ResponseError>}
 */
export declare function responseError(response: any): Promise<ResponseError>;
/**
 * Whether a request that ends a session needs no repetition: the server has answered
 * it, if only that the session is over (410).
 * @param {any} response
 * @returns {Promise<boolean>}
 */
export declare function isFinal(response: any): Promise<boolean>;
/**
 * Whether a refusal concerns the request itself, and would be repeated. A gateway's
 * answer counts where it limits the size of requests, and where it let nothing of
 * these commands through on two connections.
 * @param {number} status
 * @param {ResponseError} error
 * @param {Outgoing[]} messages
 * @returns {boolean} false: the answer counts as lost
 */
export declare function concernsRequest(status: number, { foreign }: ResponseError, messages: Outgoing[]): boolean;
/**
 * The connection is lost because something other than the server answers.
 * @param {Outgoing[]} messages of the request
 */
export declare function bounced(messages: Outgoing[]): void;
/**
 * The close code that corresponds to an HTTP status.
 * @param {number} status
 * @returns {number}
 */
export declare function closeCodeOf(status: number): number;
/**
 * The content of a `traffic` hook as text, with its size.
 * @param {string | (() => string)} content
 * @param {number | undefined} bytes if it differs from the size of the text
 */
export declare function textAndSize(content: string | (() => string), bytes: number | undefined): {
    text: string;
    bytes: number;
};
/**
 * The bytes of messages in a request, about.
 * @param {{text: string | undefined}[]} messages
 */
export declare function requestBytes(messages: {
    text: string | undefined;
}[]): number;
/**
 * Removes from the front of `queue` as many messages as fit into one request.
 * @template {{text: string | undefined}} T
 * @param {T[]} queue
 * @param {number} [count_max]
 * @returns {T[]}
 */
export declare function takeBatch<T extends {
    text: string | undefined;
}>(queue: T[], count_max?: number): T[];
/**
 * A request was too large: what is behind its first half goes back to the front of the queue.
 * @template T
 * @param {T[]} batch of the request
 * @param {T[]} queue
 * @returns {boolean} false if the request has one message: what is too large alone never arrives
 */
export declare function halve<T>(batch: T[], queue: T[]): boolean;
/**
 * How many messages the server takes in one request, where it has refused one that has more.
 * @param {number} status
 * @param {ResponseError} error
 * @returns {number | undefined}
 */
export declare function batchMaxOf(status: number, { code, details }: ResponseError): number | undefined;
/**
 * A request had too many messages: what is behind the first ones goes back to the front of the queue.
 * @template T
 * @param {T[]} batch of the request
 * @param {T[]} queue
 * @param {number | undefined} max how many a request may have, if the server said so
 * @returns {boolean} false if the request has no more
 */
export declare function shorten<T>(batch: T[], queue: T[], max?: number | undefined): boolean;
/**
 * A datagram of a command.
 * @param {string} tunnel
 * @param {string | undefined} text undefined: it counts, and has no effect (docs/protocol.md, Repeating commands)
 */
export declare function datagramOf(tunnel: string, text: string | undefined): string;
/**
 * The number of the last message that counts.
 * @param {Outgoing[]} messages
 * @returns {number} 0 if none counts
 */
export declare function lastNumber(messages: Outgoing[]): number;
