/**
 * The one kind of error that this library rejects with, throws and emits.
 * @module
 */
export declare class TurntableError extends Error {
    /** One of ERROR_CODES. */
    code: string;
    /** The command that was refused, where that is known. @type {string | undefined} */
    command: string | undefined;
    /** More about it, for instance `index`, `max`, `retry_ms`. @type {any} */
    details: any;
    /**
     * @param {string} code one of ERROR_CODES
     * @param {string} message a sentence: what was wrong and what is accepted
     * @param {{command?: string, details?: any}} [about]
     */
    constructor(code: string, message: string, about?: {
        command?: string;
        details?: any;
    });
    /**
     * The error that the `data` of an `error` message tells of.
     * @param {any} data
     * @param {string} [command] what it answers, where the message does not say
     * @returns {TurntableError}
     */
    static from(data: any, command?: string): TurntableError;
}
