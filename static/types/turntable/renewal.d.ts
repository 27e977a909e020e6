/**
 * Renews credentials that expire, in time and without a new connection: new ones
 * are sent with `authenticate`. A server that does not know the command, or refuses
 * them, ends the session when its time is over; the next identification asks for
 * credentials again.
 * @module
 */
import { TurntableError } from "./error.js";
import type { Environment } from "./environment.js";
import type { Identity } from "./identity.js";
export type RenewalHooks = {
    online: () => boolean;
    authenticate: (credentials: any) => Promise<any>;
    /**
     * an error that belongs to no request
     */
    error: (error: TurntableError) => void;
};
export declare class Renewal {
    #private;
    /**
     * @param {Identity} identity
     * @param {Environment} environment
     * @param {RenewalHooks} hooks
     */
    constructor(identity: Identity, environment: Environment, hooks: RenewalHooks);
    /**
     * A welcome came.
     * @param {any} expires_in seconds for which its credentials are good; undefined if it did not say
     * @param {boolean} resumed whether the session is the one of before
     */
    welcomed(expires_in: any, resumed: boolean): void;
    /** Renews if it is time to: after a sleep, or with a new connection. */
    check(): void;
    stop(): void;
}
