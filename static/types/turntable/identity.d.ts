/**
 * Who the user is, and what proves it.
 * @module
 */
export declare class Identity {
    #private;
    /** @param {{user: string | undefined, credentials: object | (() => any) | undefined, attributes: object | undefined}} options */
    constructor({ user, credentials, attributes }: {
        user: string | undefined;
        credentials: object | (() => any) | undefined;
        attributes: object | undefined;
    });
    /**
     * What `idme` says. A function is asked for the credentials each time, as
     * they may expire; then it is a promise.
     * @returns {any}
     */
    claim(): any;
}
