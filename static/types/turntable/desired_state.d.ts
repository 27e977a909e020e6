/**
 * Desired state on the server: joined rooms and channels, the status, provided
 * services. An entry is retained, not queued. It is sent again after a new
 * session starts. While offline only its last value is retained. On a resumed
 * session it is sent again only if it was not confirmed.
 * @module
 */
import { TurntableError } from "./error.js";
import type { Session } from "./session.js";
export type Entry = {
    command: string;
    /**
     * created when the command is sent; `again` if the
     * entry was confirmed before
     */
    data: (again: boolean) => any;
    /**
     * whether the command removes state, which a new session does not have
     */
    undo: boolean;
    phase: "unsent" | "sent" | "confirmed";
    confirmed_before: boolean;
    refused: ((error: TurntableError) => void) | undefined;
    waiters: {
        resolve: (data: any) => void;
        reject: (error: any) => void;
    }[];
};
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} Entry
 * @property {string} command
 * @property {(again: boolean) => any} data created when the command is sent; `again` if the
 *   entry was confirmed before
 * @property {boolean} undo whether the command removes state, which a new session does not have
 * @property {"unsent" | "sent" | "confirmed"} phase
 * @property {boolean} confirmed_before
 * @property {((error: TurntableError) => void) | undefined} refused
 * @property {{resolve: (data: any) => void, reject: (error: any) => void}[]} waiters
 */
export declare class DesiredState {
    #private;
    /** @param {Session} session */
    constructor(session: Session);
    /**
     * @param {string} key a later entry replaces an earlier one with the same key
     * @param {string} command
     * @param {(again: boolean) => any} data
     * @param {(error: TurntableError) => void} [refused] called when a confirmed entry is
     *   refused after a reconnection
     * @returns {Promise<any>} the server's answer
     */
    set(key: string, command: string, data: (again: boolean) => any, refused?: (error: TurntableError) => void): Promise<any>;
    /**
     * Removes an entry, and sends `command` if the server may have the state.
     * @param {string} key
     * @param {string} command
     * @param {any} data
     * @returns {Promise<any>}
     */
    remove(key: string, command: string, data: any): Promise<any>;
    /**
     * Deletes an entry whose state the server has ended.
     * @param {string} key
     */
    discard(key: string): void;
    /**
     * After a welcome: sends the entries that the server may not have.
     * @param {boolean} resumed
     */
    restore(resumed: boolean): void;
    /**
     * The client was closed.
     * @param {TurntableError} error
     */
    close(error: TurntableError): void;
}
