/**
 * What shall be so on the server: rooms and channels joined, the status set,
 * services provided. Such a wish is kept, not queued: said again when the
 * session had to be begun anew, said once however often it changed while
 * offline, and said again on a resumed session only where no answer came.
 * @module
 */
import { TurntableError } from "./error.js";
import type { Session } from "./session.js";
export type Wish = {
    command: string;
    /**
     * made when it is sent; `again` after
     * it had been granted once
     */
    data: (again: boolean) => any;
    /**
     * whether it takes something back, which a new session needs not
     */
    undo: boolean;
    phase: "unsent" | "sent" | "held";
    granted: boolean;
    refused: ((error: TurntableError) => void) | undefined;
    waiters: {
        resolve: (data: any) => void;
        reject: (error: any) => void;
    }[];
};
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} Wish
 * @property {string} command
 * @property {(again: boolean) => any} data made when it is sent; `again` after
 *   it had been granted once
 * @property {boolean} undo whether it takes something back, which a new session needs not
 * @property {"unsent" | "sent" | "held"} phase
 * @property {boolean} granted
 * @property {((error: TurntableError) => void) | undefined} refused
 * @property {{resolve: (data: any) => void, reject: (error: any) => void}[]} waiters
 */
export declare class Kept {
    #private;
    /** @param {Session} session */
    constructor(session: Session);
    /**
     * @param {string} key one wish per key: a newer one replaces an older
     * @param {string} command
     * @param {(again: boolean) => any} data
     * @param {(error: TurntableError) => void} [refused] called when a wish that
     *   had been granted is refused after a reconnection
     * @returns {Promise<any>} the server's answer
     */
    want(key: string, command: string, data: (again: boolean) => any, refused?: (error: TurntableError) => void): Promise<any>;
    /**
     * Takes a wish back, with `command` where the server knows of it.
     * @param {string} key
     * @param {string} command
     * @param {any} data
     * @returns {Promise<any>}
     */
    drop(key: string, command: string, data: any): Promise<any>;
    /**
     * Forgets a wish that the server has ended.
     * @param {string} key
     */
    forget(key: string): void;
    /**
     * After a welcome: says what has to be said.
     * @param {boolean} resumed
     */
    restore(resumed: boolean): void;
    /**
     * The client was closed.
     * @param {TurntableError} error
     */
    end(error: TurntableError): void;
}
