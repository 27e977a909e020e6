/**
 * The connections that a browser keeps for later requests. After a network was silent
 * they may all be dead, and each request that gets one waits for its deadline in vain.
 * A few requests at once get one each; those that are not answered are ended, which
 * closes their connections.
 * @module
 */
import type { Environment } from "./environment.js";
/**
 * Closes those that are dead.
 * @param {{url: string, environment: Environment, fetch: any}} target
 * @returns {Promise<void>} resolves when each has answered or is closed
 */
export declare function closeDeadConnections({ url, environment, fetch }: {
    url: string;
    environment: Environment;
    fetch: any;
}): Promise<void>;
