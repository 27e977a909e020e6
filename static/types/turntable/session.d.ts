/**
 * The session: identification, resume, requests and answers. It outlives its
 * connections, which `Connection` opens. `Outbox` has the outgoing messages,
 * `Requests` the pending requests.
 *
 * On each connection the server sends `idyou` first. The client answers with
 * `resume` if it has a session, with `idme` otherwise. Some transports resume
 * themselves; then neither `idyou` nor `welcome` arrives. All messages after the
 * session's first `welcome` are counted, except `idyou`, `welcome` and what
 * precedes a `welcome`. The count tells the server which messages to repeat.
 * @module
 */
import { Connection } from "./connection.js";
import { TurntableError } from "./error.js";
import type { ConnectionHooks, Disconnection } from "./connection.js";
import type { SessionOptions } from "./options.js";
import type { Message } from "./outbox.js";
import type { StoredSession } from "./session_store.js";
export type SessionHooks = {
    connecting: () => void;
    /**
     *   called before anything else is sent
     */
    welcome: (welcome: any, how: {
        first: boolean;
        resumed: boolean;
        sent: number;
    }) => void;
    /**
     * called after the queued messages were sent
     */
    online: () => void;
    message: (command: string, data: any, id: any) => void;
    disconnected: (disconnection: Disconnection, fatal: TurntableError | undefined) => void;
    /**
     * an error that belongs to no request
     */
    error: (error: TurntableError) => void;
    /**
     * something arrived from the server
     */
    activity: () => void;
    /**
     * a command was sent
     */
    sent: () => void;
    /**
     * the stored session is outdated
     */
    changed: () => void;
    traffic: ConnectionHooks["traffic"];
};
export declare class Session {
    #private;
    /** @readonly @type {Connection} */
    readonly connection: Connection;
    /** The secret that resumes the session. @type {string | undefined} */
    secret: string | undefined;
    /** Messages received since the session's first welcome. */
    received: number;
    closed: boolean;
    /** Closed when the client has emitted its last event. @readonly */
    readonly gate: {
        closed: boolean;
    };
    /**
     * @param {SessionOptions} options
     * @param {SessionHooks} hooks
     */
    constructor(options: SessionOptions, hooks: SessionHooks);
    /**
     * Continues the session of an earlier page. Call it before the connection opens.
     * @param {StoredSession} stored
     */
    restore({ session, received, last_id, transport, welcome }: StoredSession): void;
    /**
     * Whether a command sent now can reach the server: the connection has
     * received its welcome and is not closing.
     */
    get online(): boolean;
    /** Whether a request waits for its answer. */
    get awaiting(): boolean;
    get environment(): import("./environment.js").Environment;
    /** The transport in use, or being tried. */
    get transport(): import("./transports/transport.js").Transport;
    /** What a later page needs to continue the session. @returns {StoredSession | undefined} */
    get snapshot(): StoredSession | undefined;
    /**
     * Ends the session; pending requests are rejected. The goodbye ends the connection
     * and the session, and is repeated until it is answered.
     */
    close(): void;
    /**
     * Sends a command and waits for its answer. While offline the command is
     * queued, unless it is `interruptible`: then it may be sent only while online,
     * a lost session rejects it with INTERRUPTED, and the caller sends it again.
     * @param {string} command
     * @param {any} data
     * @param {{interruptible?: boolean}} [options]
     * @returns {Promise<any>}
     */
    request(command: string, data: any, options?: {
        interruptible?: boolean;
    }): Promise<any>;
    /**
     * Like `request`; `done` is called at once when the outcome is known, before
     * later messages are processed.
     * @param {string} command
     * @param {any} data
     * @param {{interruptible?: boolean}} options
     * @param {(error: any, answer: any) => void} done
     * @returns {() => boolean} withdraws the command, unless it was sent; returns whether it did
     */
    ask(command: string, data: any, { interruptible }: {
        interruptible?: boolean;
    }, done: (error: any, answer: any) => void): () => boolean;
    /**
     * Sends a command without waiting for an answer. Throws a TurntableError if
     * the command can be neither sent nor queued.
     * @param {string} command
     * @param {any} data
     * @param {(error: TurntableError) => void} [refused] called if the server refuses the command,
     *   or if it is dropped
     * @param {{expires_ms?: number, merge?: string}} [options] expires_ms: maximum time in the queue;
     *   merge: a later command with this key replaces it in the queue
     */
    send(command: string, data: any, refused?: (error: TurntableError) => void, options?: {
        expires_ms?: number;
        merge?: string;
    }): void;
    /**
     * Whether a command would be sent at once.
     * @param {string} command
     * @param {any} data
     * @returns {boolean}
     */
    immediate(command: string, data: any): boolean;
    /** @param {(message: Message) => boolean} heldBack whether a command has to wait for an answer */
    holdBack(heldBack: (message: Message) => boolean): void;
    /** The server's limits by name. @returns {Record<string, any>} */
    get limits(): Record<string, any>;
    /**
     * Answers a call of the server.
     * @param {any} id
     * @param {any} result
     * @param {{code: string, message: string}} [error]
     */
    reply(id: any, result: any, error?: {
        code: string;
        message: string;
    }): void;
    /**
     * Resolves the first matching request with an answer that came without an id.
     * @param {(request: {command: string, data: any}) => boolean} matches
     * @param {any} data
     * @returns {boolean} whether a request matched
     */
    resolveFirst(matches: (request: {
        command: string;
        data: any;
    }) => boolean, data: any): boolean;
}
