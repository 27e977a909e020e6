/**
 * The token by which a guest comes back as itself: in a later session of this page,
 * and, stored in localStorage, in a later page.
 *
 * A server issues guests in one realm, so a record belongs to an address and to that
 * realm; a name distinguishes several guests of one browser.
 * @module
 */
export type GuestTokenOptions = {
    /**
     * of the server
     */
    url: string;
    name: string;
    /**
     * undefined: the token is not stored for later pages
     */
    storage: any;
};
/**
 * @typedef {object} GuestTokenOptions
 * @property {string} url of the server
 * @property {string} name
 * @property {any} storage undefined: the token is not stored for later pages
 */
export declare class GuestToken {
    #private;
    /** @type {string | undefined} */
    value: string | undefined;
    /** The guest's id. @type {string | undefined} */
    user: string | undefined;
    /** @param {GuestTokenOptions} options */
    constructor({ url, name, storage }: GuestTokenOptions);
    /** The proof that the user is this guest; or the request for a new one. */
    get credentials(): {
        guest: boolean;
        token?: undefined;
    } | {
        guest?: undefined;
        token: string;
    };
    /**
     * @param {string} token of the last welcome
     * @param {any} user
     */
    keep(token: string, user: any): void;
    /**
     * The server does not accept the token.
     * @returns {boolean} whether there was one
     */
    forget(): boolean;
}
/** localStorage; access throws if the browser denies it. */
export declare function guestStorage(): Storage | undefined;
