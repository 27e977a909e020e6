/**
 * The commands of a session, from the call to the answer: queued (`Outbox`), sent,
 * counted and repeated (`Uplink`), and answered (`Requests`).
 * @module
 */
import { TurntableError } from "./error.js";
import type { Environment } from "./environment.js";
import type { Message } from "./outbox.js";
import type { Sent } from "./sent_log.js";
export type CommandHooks = {
    /**
     * whether a command written now can reach the server
     */
    online: () => boolean;
    write: (text: string, entry?: Sent) => void;
    /**
     * how many bytes the connection adds to a message
     */
    envelope: () => number;
    /**
     * how many bytes a message has in the encoding of the connection
     */
    bytesOf: (text: string) => number;
    /**
     * messages since the session's first welcome
     */
    received: () => number;
    /**
     * an error that belongs to no request
     */
    error: (error: TurntableError) => void;
    /**
     * a command was sent
     */
    sent: () => void;
};
/** @import { Environment } from "./environment.js" */
/** @import { Message } from "./outbox.js" */
/** @import { Sent } from "./sent_log.js" */
/**
 * @typedef {object} CommandHooks
 * @property {() => boolean} online whether a command written now can reach the server
 * @property {(text: string, entry?: Sent) => void} write
 * @property {() => number} envelope how many bytes the connection adds to a message
 * @property {(text: string) => number} bytesOf how many bytes a message has in the encoding of the connection
 * @property {() => number} received messages since the session's first welcome
 * @property {(error: TurntableError) => void} error an error that belongs to no request
 * @property {() => void} sent a command was sent
 */
export declare class Commands {
    #private;
    /** @protected @type {Environment} */
    protected env: Environment;
    closed: boolean;
    /** Whether what was not sent is being dropped, because the client is closed. */
    ending: boolean;
    /**
     * @param {{environment: Environment, timeout_ms: number, queue_max: number}} options
     * @param {CommandHooks} hooks
     */
    constructor({ environment, timeout_ms, queue_max }: {
        environment: Environment;
        timeout_ms: number;
        queue_max: number;
    }, hooks: CommandHooks);
    /** The last id of a command. @protected */
    protected get last_id(): number;
    /** Which commands were sent and not confirmed. @protected */
    protected get log(): import("./sent_log.js").SentLog;
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
     * @param {{interruptible?: boolean, behind?: string}} options behind: a channel whose queued
     *   commands are sent first
     * @param {(error: any, answer: any) => void} done
     * @returns {() => boolean} withdraws the command, unless it was sent; returns whether it did
     */
    ask(command: string, data: any, { interruptible, behind }: {
        interruptible?: boolean;
        behind?: string;
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
    /** @param {(message: Message) => boolean} isDeferred whether a command has to wait for an answer */
    deferBy(isDeferred: (message: Message) => boolean): void;
    /**
     * @protected
     * @param {any} id
     * @returns {string | undefined} the command whose answer with this id is awaited
     */
    protected requested(id: any): string | undefined;
    /**
     * Drops the queued commands of a channel that the session has left.
     * @param {string} channel
     */
    discard(channel: string): void;
    /** Whether a request waits for its answer. */
    get awaiting(): boolean;
    /** Local ms since when the oldest request waits for its answer, or a command for its confirmation. @returns {number | undefined} */
    get awaiting_since(): number | undefined;
    /** The server's limits by name. @returns {Record<string, any>} */
    get limits(): Record<string, any>;
    /**
     * Answers a call of the server, paced as commands are. A result over the server's limit, or
     * one that JSON does not have, is answered as an error.
     * @param {any} id
     * @param {any} result
     * @param {{code: string, message: string}} [error]
     * @returns {TurntableError | undefined} why the result could not be sent
     */
    reply(id: any, result: any, error?: {
        code: string;
        message: string;
    }): TurntableError | undefined;
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
    /**
     * The session began in an earlier page, which may have sent more than it has stored.
     * @protected
     * @param {number} last_id
     */
    protected restored(last_id: number): void;
    /** The connection was lost. @protected */
    protected pause(): void;
    /**
     * The connection has its welcome.
     * @protected
     * @param {any} data of the welcome
     * @param {boolean} resumed
     * @param {boolean} numbered whether the transport numbers what it sends
     */
    protected begin(data: any, resumed: boolean, numbered: boolean): void;
    /** Marks and drops what is stale, before a transport sends or repeats it. @protected */
    protected stale(): void;
    /**
     * The server says how many commands of the session it has taken.
     * @protected
     * @param {number} count
     */
    protected accepted(count: number): void;
    /**
     * The server does not count these commands.
     * @protected
     * @param {readonly (Sent | undefined)[]} entries
     * @param {boolean} sure whether it has none of them for certain
     */
    protected discarded(entries: readonly (Sent | undefined)[], sure: boolean): void;
    /** The server has confirmed commands. @protected */
    protected confirmed(): void;
    /**
     * Own actions arrived in a broadcast.
     * @param {string} channel
     * @param {any} data of an action
     */
    seen(channel: string, data: any): void;
    /** Sends what is queued. @protected */
    protected flush(): void;
    /**
     * @protected
     * @param {any} id
     * @param {any} data
     * @returns {boolean} whether a request had this id
     */
    protected answered(id: any, data: any): boolean;
    /**
     * A clock exchange was answered.
     * @protected
     * @param {any} t0
     */
    protected exchanged(t0: any): void;
    /**
     * The server refused a command.
     * @protected
     * @param {any} data of the `error`
     * @param {any} id
     * @returns {boolean} whether somebody waits for it
     */
    protected rejected(data: any, id: any): boolean;
    /** Counts what is queued as sent: the goodbye has it. @protected */
    protected handOver(): void;
    /** The client is closed. @protected */
    protected end(): void;
}
