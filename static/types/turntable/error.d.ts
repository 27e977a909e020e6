/**
 * The error class with which the library rejects, and which it throws and emits.
 * @module
 */
export declare class TurntableError extends Error {
    /** One of ERROR_CODES. */
    code: string;
    /** The refused command, if known. @type {string | undefined} */
    command: string | undefined;
    /** Further values, for instance `index`, `max`, `retry_ms`. @type {any} */
    details: any;
    /**
     * @param {string} code one of ERROR_CODES
     * @param {string} message what is wrong and what is accepted
     * @param {{command?: string, details?: any}} [context]
     */
    constructor(code: string, message: string, context?: {
        command?: string;
        details?: any;
    });
    /**
     * Creates the error from the `data` of an `error` message.
     * @param {any} data
     * @param {string} [command] the refused command, if the message does not name it
     * @returns {TurntableError}
     */
    static from(data: any, command?: string): TurntableError;
}
/**
 * Whether a command that was refused may succeed a little later, in the same session.
 * @param {TurntableError} error
 */
export declare function passes({ code }: TurntableError): boolean;
/**
 * When to send such a command again, in ms.
 * @param {TurntableError} error with `retry_ms` if the server said how long to wait
 * @returns {number}
 */
export declare function retryMs({ details }: TurntableError): number;
