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
export declare class Outbox {
    #private;
    /** The server's message size limit in bytes; 0 if unknown. */
    max_message_bytes: number;
    /**
     * @param {number} queue_max
     * @param {(text: string, id: number | undefined) => void} write sends a message now
     */
    constructor(queue_max: number, write: (text: string, id: number | undefined) => void);
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
     * @param {string} text
     * @param {number | undefined} id
     * @param {boolean} online
     */
    send(text: string, id: number | undefined, online: boolean): void;
    /** Sends the queued messages. */
    flush(): void;
    clear(): void;
}
