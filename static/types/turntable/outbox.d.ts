/**
 * Outgoing messages: encoded, checked against the server's limits, and sent at
 * once or queued: while offline, as long as the server's rates require (`Pacer`),
 * and while it has not confirmed as much as it takes at once: a server that stalls
 * gets all of that in one burst when it goes on. Desired state (joins, subscriptions, the status) goes before
 * everything else; both keep their order. What cannot be sent any more is
 * reported as dropped at once.
 * @module
 */
import { TurntableError } from "./error.js";
import type { Environment } from "./environment.js";
import type { Sent } from "./sent_log.js";
export type Message = {
    command: string;
    data: any;
    text: string;
    id: number | undefined;
    /**
     * whether it is desired state, which may be executed twice
     */
    repeatable?: boolean;
    /**
     * maximum time in the queue
     */
    expires_ms?: number;
    /**
     * local ms
     */
    expires_at?: number;
    /**
     * a channel whose queued messages are sent before this one
     */
    behind?: string;
    /**
     * a later message with the same key replaces it while it is queued
     */
    merge?: string;
    /**
     * of the text
     */
    bytes?: number;
    /**
     * what it took of the server's rates
     */
    cost?: Map<string, number>;
};
export type OutboxHooks = {
    /**
     * whether a message written now can reach the server
     */
    online: () => boolean;
    /**
     * sends a message now
     */
    write: (message: Message) => void;
    /**
     * sends a message again
     */
    repeat: (entry: Sent) => void;
    /**
     * how many bytes a message has in the encoding of the connection
     */
    bytesOf: (text: string) => number;
    /**
     * how many bytes the connection adds to a message
     */
    envelope: () => number;
    /**
     * what the server has not confirmed
     */
    load: () => {
        commands: number;
        cost: Map<string, number>;
    };
    /**
     * asks the server to confirm; returns whether it is asked
     */
    confirm: () => boolean;
    /**
     * a queued message will not be sent
     */
    dropped: (message: Message, error: TurntableError) => void;
};
/**
 * Throws a TurntableError if the data has no JSON.
 * @param {string} command
 * @param {any} data
 * @param {any} id
 * @returns {string}
 */
export declare function encode(command: string, data: any, id: any): string;
export declare class Outbox {
    #private;
    /** Whether a message has to wait for an answer. @type {(message: Message) => boolean} */
    isDeferred: (message: Message) => boolean;
    /** Whether commands wait for a confirmation. */
    full: boolean;
    /** Limits of the server by name; empty if unknown. @type {Record<string, any>} */
    limits: Record<string, any>;
    /**
     * @param {number} queue_max
     * @param {Environment} environment
     * @param {OutboxHooks} hooks
     */
    constructor(queue_max: number, environment: Environment, hooks: OutboxHooks);
    /** Whether messages are queued. */
    get waiting(): boolean;
    /**
     * Removes a message that was not sent.
     * @param {number} id
     * @returns {boolean} whether it was queued
     */
    withdraw(id: number): boolean;
    /** The ids of the queued messages. */
    get ids(): Set<number | undefined>;
    /**
     * Encodes a message. Throws a TurntableError if it can be neither sent nor
     * queued.
     * @param {string} command
     * @param {any} data
     * @param {number | undefined} id
     * @param {boolean} repeatable desired state has no limit: it replaces its last value
     * @param {string} [merge] the key of a queued message whose place it takes, so that a full queue has room
     * @returns {string}
     */
    prepare(command: string, data: any, id: number | undefined, repeatable: boolean, merge?: string): string;
    /**
     * Throws a TurntableError if a clock exchange is over its rate.
     * @param {Message} message
     */
    send(message: Message): void;
    /**
     * Drops what is queued for a channel.
     * @param {string} channel
     * @param {TurntableError} error
     */
    discard(channel: string, error: TurntableError): void;
    /**
     * Whether a message would be sent at once.
     * @param {string} command
     * @param {any} data
     * @returns {boolean}
     */
    immediate(command: string, data: any): boolean;
    /**
     * Sends again what a lost connection did not deliver, as fast as the rates allow; the rest follows.
     * @param {readonly Sent[]} entries
     */
    repeat(entries: readonly Sent[]): void;
    /** A new session has begun. It has not made the calls of the former one. */
    reset(): void;
    /** The session continues on another connection, perhaps in another page. */
    resumed(): void;
    /**
     * The server refused a command for its rate.
     * @param {string | undefined} command
     * @param {number} retry_ms
     */
    limited(command: string | undefined, retry_ms: number): void;
    /** The server has confirmed commands, so others may be sent. */
    confirmed(): void;
    /** Sends what is queued, as far as the rates allow. */
    flush(): void;
    clear(): void;
    /** Removes what is queued. @returns {Message[]} in the order in which it would be sent */
    take(): Message[];
    /**
     * @param {string} command
     * @param {string} text
     * @returns {TurntableError | undefined}
     */
    tooLarge(command: string, text: string): TurntableError | undefined;
}
