/**
 * Desired values on the server: the status, provided services. A value is
 * retained, not queued: while offline only its last one is, and it is sent again
 * after a new session starts. On a resumed session the server has it already, or
 * the session repeats it. (Places that several holders share are in `Holding`.)
 * @module
 */
import { TurntableError } from "./error.js";
import type { Session } from "./session.js";
export type Entry = {
    command: string;
    /**
     * created when the command is sent
     */
    data: () => any;
    /**
     * called when the server has refused the value, before an earlier one is sent again
     */
    refused: () => void;
    phase: "unsent" | "sent" | "confirmed";
    confirmed_before: boolean;
    waiters: {
        resolve: (data: any) => void;
        reject: (error: any) => void;
    }[];
    /**
     * until it is sent again
     */
    timer?: any;
    /**
     * the value that goes on if this one is refused: one whose answer is awaited, or that was confirmed last
     */
    before?: Entry;
};
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} Entry
 * @property {string} command
 * @property {() => any} data created when the command is sent
 * @property {() => void} refused called when the server has refused the value, before an earlier one is sent again
 * @property {"unsent" | "sent" | "confirmed"} phase
 * @property {boolean} confirmed_before
 * @property {{resolve: (data: any) => void, reject: (error: any) => void}[]} waiters
 * @property {any} [timer] until it is sent again
 * @property {Entry} [before] the value that goes on if this one is refused: one whose answer is awaited, or that was confirmed last
 */
export declare class DesiredState {
    #private;
    /**
     * @param {Session} session
     * @param {(error: TurntableError) => void} report a value of before was refused for good
     */
    constructor(session: Session, report: (error: TurntableError) => void);
    /**
     * @param {string} key a later value replaces an earlier one with the same key
     * @param {string} command
     * @param {() => any} data
     * @param {() => void} [refused]
     * @returns {Promise<any>} the server's answer; that to a later value if this one was not sent
     */
    set(key: string, command: string, data: () => any, refused?: () => void): Promise<any>;
    /**
     * After a welcome: sends the values that the server may not have.
     * @param {boolean} resumed
     */
    restore(resumed: boolean): void;
    /**
     * The client was closed.
     * @param {TurntableError} error
     */
    close(error: TurntableError): void;
}
