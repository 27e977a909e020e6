/**
 * The user's identity and credentials.
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
     * The data of `idme`. A credentials function is called each time, because
     * credentials may expire; the result is then a promise.
     * @returns {any}
     */
    claim(): any;
}
