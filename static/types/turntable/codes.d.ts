/**
 * The protocol's close codes and error codes as data. A test compares them with
 * the server's tables.
 * @module
 */
export type CloseCode = {
    /**
     * used in documents, logs and metrics
     */
    name: string;
    /**
     * whether the client reconnects automatically
     */
    reconnect: boolean;
    /**
     * whether the session can be resumed
     */
    resume: boolean;
    /**
     * a sentence for display
     */
    meaning: string;
};
/**
 * @typedef {object} CloseCode
 * @property {string} name used in documents, logs and metrics
 * @property {boolean} reconnect whether the client reconnects automatically
 * @property {boolean} resume whether the session can be resumed
 * @property {string} meaning a sentence for display
 */
/** @type {Readonly<Record<number, CloseCode>>} */
export declare const CLOSE_CODES: Readonly<Record<number, CloseCode>>;
/**
 * The values of a TurntableError's `code`. The client uses the server's codes
 * for its own errors as well.
 * @type {Readonly<Record<string, {meaning: string}>>}
 */
export declare const ERROR_CODES: Readonly<Record<string, {
    meaning: string;
}>>;
