/**
 * The end of a session: `bye` in a request of its own. It ends the session
 * whatever its transport is, attached or not, and is repeated until it is
 * answered: a session without a goodbye keeps its seats and its presence for
 * the server's grace periods.
 * @module
 */
import type { Environment } from "./environment.js";
import type { Sent } from "./sent_log.js";
/** Maximum bytes of a request that outlives its page; browsers refuse larger ones. */
export declare const KEEPALIVE_MAX = 60000;
/**
 * Whether a request can outlive its page.
 * @param {string} body
 */
export declare function outlives(body: string): boolean;
/** Whether the page is being left. */
export declare function pageLeaves(): boolean;
/**
 * Repeats an attempt until it succeeds, for about half a minute and the time without answers.
 * @param {Environment} environment
 * @param {(signal: AbortSignal) => Promise<boolean>} attempt whether the server has answered; a
 *   rejection counts as false. The signal ends its requests.
 * @returns {Promise<boolean>}
 */
export declare function untilAnswered(environment: Environment, attempt: (signal: AbortSignal) => Promise<boolean>): Promise<boolean>;
/**
 * Ends a session, behind the commands that may not have arrived: the server skips those that it has
 * by their numbers.
 * @param {{url: string, environment: Environment, fetch: any}} target
 * @param {string} session the secret
 * @param {readonly Sent[]} [unconfirmed]
 * @returns {Promise<boolean>} whether the server has answered
 */
export declare function sayGoodbye({ url, environment, fetch }: {
    url: string;
    environment: Environment;
    fetch: any;
}, session: string, unconfirmed?: readonly Sent[]): Promise<boolean>;
