/**
 * The session: identification, resume, and what comes of the answers. It
 * outlives its connections, which `Line` makes; `Outbox` has what is said,
 * `Requests` who awaits an answer.
 *
 * On each connection the server speaks first (`idyou`); the answer is `resume`
 * where there is a session to go on with, `idme` otherwise. Some doors resume
 * by themselves: then there is neither `idyou` nor `welcome`. From the session's
 * first `welcome` on every message is counted (all but `idyou`, `welcome` and
 * what precedes a `welcome`), so that a resumed session is given exactly what
 * was missed.
 * @module
 */
import { TurntableError } from "./error.js";
import { Line } from "./line.js";
import type { Down, LineHooks } from "./line.js";
import type { SessionOptions } from "./options.js";
import type { Record as Remembered } from "./memory.js";
export type SessionHooks = {
    opening: () => void;
    /**
     *   before anything else is sent
     */
    welcome: (welcome: any, how: {
        first: boolean;
        resumed: boolean;
        sent: number;
    }) => void;
    /**
     * after what was queued has been sent
     */
    online: () => void;
    message: (command: string, data: any, id: any) => void;
    down: (down: Down, fatal: TurntableError | undefined) => void;
    /**
     * an error tied to no call
     */
    fault: (error: TurntableError) => void;
    /**
     * there was a sign of life
     */
    heard: () => void;
    /**
     * the session's place has moved on
     */
    counted: () => void;
    traffic: LineHooks["traffic"];
};
export declare class Session {
    #private;
    /** What carries it. @readonly @type {Line} */
    readonly line: Line;
    /** The secret that resumes the session. @type {string | undefined} */
    secret: string | undefined;
    /** Messages got since the session's first welcome. */
    received: number;
    closed: boolean;
    /**
     * @param {SessionOptions} options
     * @param {SessionHooks} hooks
     */
    constructor(options: SessionOptions, hooks: SessionHooks);
    /**
     * Goes on with the session of an earlier page, before the line is opened.
     * @param {Remembered} remembered
     */
    recall({ session, received, last_id, door, welcome }: Remembered): void;
    /**
     * Whether a command that is sent now can reach the server: the connection
     * has had its welcome, and is not closing either.
     */
    get online(): boolean;
    /** The door in use, or being tried. */
    get door(): import("./doors/door.js").Door;
    /** What another page needs to go on with the session. @returns {Remembered | undefined} */
    get place(): Remembered | undefined;
    /** Ends the session in order; what awaits an answer is rejected. */
    end(): void;
    /**
     * Sends a command and awaits its answer. Offline it is queued, unless it is
     * `kept`: then whoever keeps it sends it again, it is only asked while online,
     * and a lost connection rejects it with INTERRUPTED.
     * @param {string} command
     * @param {any} data
     * @param {{kept?: boolean}} [options]
     * @returns {Promise<any>}
     */
    ask(command: string, data: any, { kept }?: {
        kept?: boolean;
    }): Promise<any>;
    /**
     * Sends a command whose answer nobody awaits. Throws a TurntableError where
     * it can neither be sent nor queued.
     * @param {string} command
     * @param {any} data
     * @param {(error: TurntableError) => void} [refused] called if it is refused
     */
    post(command: string, data: any, refused?: (error: TurntableError) => void): void;
    /**
     * Answers a call of the server.
     * @param {any} id
     * @param {any} result
     * @param {{code: string, message: string}} [error]
     */
    answer(id: any, result: any, error?: {
        code: string;
        message: string;
    }): void;
    /**
     * Gives the first request that fits its answer, where that came without an id.
     * @param {(request: {command: string, data: any}) => boolean} fits
     * @param {any} data
     * @returns {boolean} whether there was one
     */
    settle(fits: (request: {
        command: string;
        data: any;
    }) => boolean, data: any): boolean;
}
