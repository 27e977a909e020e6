/**
 * The two tables of the protocol as plain data: why a connection is closed and
 * what to do then, and what the code of an `error` message says. The server
 * has the same tables; a test holds them equal.
 * @module
 */
export type CloseCode = {
    /**
     * its name in documents, logs and metrics
     */
    name: string;
    /**
     * whether the client connects again by itself
     */
    reconnect: boolean;
    /**
     * whether the session may be resumed then
     */
    resume: boolean;
    /**
     * a sentence for people
     */
    meaning: string;
};
/**
 * @typedef {object} CloseCode
 * @property {string} name its name in documents, logs and metrics
 * @property {boolean} reconnect whether the client connects again by itself
 * @property {boolean} resume whether the session may be resumed then
 * @property {string} meaning a sentence for people
 */
/** @type {Readonly<Record<number, CloseCode>>} */
export declare const CLOSE_CODES: Readonly<Record<number, CloseCode>>;
/**
 * What a TurntableError's `code` can be: those of the server, which the client
 * uses for its own refusals too.
 * @type {Readonly<Record<string, {meaning: string}>>}
 */
export declare const ERROR_CODES: Readonly<Record<string, {
    meaning: string;
}>>;
