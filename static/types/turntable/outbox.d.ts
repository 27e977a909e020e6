/**
 * Outgoing messages: encoded, checked against the limits, and sent at once or,
 * while offline, queued in order.
 * @module
 */
/**
 * @param {string} command
 * @param {any} data
 * @param {any} id
 * @returns {string}
 */
export declare function encode(command: string, data: any, id: any): string;
export type Message = {
    command: string;
    data: any;
    text: string;
    id: number | undefined;
    /**
     * whether executing it twice does no harm
     */
    repeatable?: boolean;
};
/**
 * @typedef {object} Message
 * @property {string} command
 * @property {any} data
 * @property {string} text
 * @property {number | undefined} id
 * @property {boolean} [repeatable] whether executing it twice does no harm
 */
export declare class Outbox {
    #private;
    /** Limits of the server by name; empty if unknown. @type {Record<string, number>} */
    limits: Record<string, number>;
    /**
     * @param {number} queue_max
     * @param {(message: Message) => void} write sends a message now
     */
    constructor(queue_max: number, write: (message: Message) => void);
    /** The ids of the queued messages. */
    get ids(): Set<number | undefined>;
    /**
     * Encodes a message. Throws a TurntableError if it can be neither sent nor
     * queued.
     * @param {string} command
     * @param {any} data
     * @param {number | undefined} id
     * @param {boolean} online
     * @returns {string}
     */
    prepare(command: string, data: any, id: number | undefined, online: boolean): string;
    /**
     * @param {Message} message
     * @param {boolean} online
     */
    send(message: Message, online: boolean): void;
    /** Sends the queued messages. */
    flush(): void;
    clear(): void;
}
