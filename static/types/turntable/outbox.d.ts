/**
 * What the program says on its way out: as text, within the bounds, at once or,
 * while offline, in a queue that keeps the order.
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
    /** The largest message that the server takes, in bytes; 0 where unknown. */
    max_message_bytes: number;
    /**
     * @param {number} queue_max
     * @param {(text: string, id: number | undefined) => void} write sends one now
     */
    constructor(queue_max: number, write: (text: string, id: number | undefined) => void);
    /** The ids of what is yet to be sent. */
    get ids(): Set<number | undefined>;
    /**
     * The message as text. Throws a TurntableError where it can neither be sent
     * nor queued.
     * @param {string} command
     * @param {any} data
     * @param {number | undefined} id
     * @param {boolean} online
     * @returns {string}
     */
    take(command: string, data: any, id: number | undefined, online: boolean): string;
    /**
     * @param {string} text
     * @param {number | undefined} id
     * @param {boolean} online
     */
    put(text: string, id: number | undefined, online: boolean): void;
    /** Sends what was queued. */
    flush(): void;
    clear(): void;
}
