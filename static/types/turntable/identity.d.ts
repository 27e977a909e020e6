/**
 * Who the user is: the claim of each identification, its credentials, and what
 * follows when the server refuses them.
 *
 *     unauthorized ─┬─ expired, and credentials is a function ─► ask it once more
 *                   ├─ a guest's token ─────────────────────────► become a new guest
 *                   └─ else ────────────────────────────────────► the end
 *
 * @module
 */
import { TurntableError } from "./error.js";
import type { GuestToken } from "./guest_token.js";
/**
 * Whether an error passes: the same request may succeed later.
 * @param {string} code
 */
export declare function isTemporary(code: string): boolean;
/**
 * The credentials of later identifications, after these were accepted: of a change of the
 * password the new one, and a user that was made is not made again.
 * @param {Record<string, any>} credentials
 * @returns {Record<string, any>}
 */
export declare function lasting({ new_password, sign_up, ...rest }: Record<string, any>): Record<string, any>;
export type IdentityOptions = {
    user: string | undefined;
    credentials: object | (() => any) | undefined;
    attributes: object | undefined;
    /**
     * the user is a guest
     */
    guest: GuestToken | undefined;
};
/**
 * @typedef {object} IdentityOptions
 * @property {string | undefined} user
 * @property {object | (() => any) | undefined} credentials
 * @property {object | undefined} attributes
 * @property {GuestToken | undefined} guest the user is a guest
 */
export declare class Identity {
    #private;
    /** @param {IdentityOptions} options */
    constructor({ user, credentials, attributes, guest }: IdentityOptions);
    /** Whether a connection that ended because of the credentials is followed by another. */
    get asking(): boolean;
    /** Whether there may be other credentials than those before. */
    get renewable(): boolean;
    /**
     * The credentials now. A function is called each time, because credentials may
     * expire; the result is then a promise, of a TurntableError if the function fails.
     * @returns {any}
     */
    credentials(): any;
    /**
     * The data of `idme`, or a promise of it, or of the TurntableError of the credentials.
     * @param {() => any} status the state that the user has chosen, asked when the claim is made
     * @returns {any}
     */
    claim(status: () => any): any;
    /**
     * The program has authenticated the session: later ones get the same credentials.
     * @param {Record<string, any>} credentials
     * @param {string | undefined} user
     */
    replace(credentials: Record<string, any>, user: string | undefined): void;
    /** @param {any} welcome */
    accepted({ user, token }: any): void;
    /**
     * The server refused the claim.
     * @param {TurntableError} error
     * @returns {"later" | "again" | "never"} when to try again: with another connection, or on this one
     */
    refused({ code, details }: TurntableError): "later" | "again" | "never";
}
