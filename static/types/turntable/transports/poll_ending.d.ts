/**
 * The end of a session that polls: what is pending, the goodbye behind it, in numbered requests that are repeated
 * until they are answered.
 * @module
 */
import type { Environment } from "../environment.js";
import type { Outgoing } from "./transport.js";
export type PollRequest = {
    number: number;
    /**
     * of a request that takes the session over
     */
    received?: number;
    body: string;
    messages: Outgoing[];
};
export type PollEndingHooks = {
    /**
     * numbers and encodes a request
     */
    request: (messages: Outgoing[]) => PollRequest;
    post: (request: PollRequest, options: {
        keepalive: boolean;
        signal: AbortSignal;
    }) => Promise<any>;
};
/** @import { Environment } from "../environment.js" */
/** @import { Outgoing } from "./transport.js" */
/**
 * @typedef {object} PollRequest
 * @property {number} number
 * @property {number} [received] of a request that takes the session over
 * @property {string} body
 * @property {Outgoing[]} messages
 */
/**
 * @typedef {object} PollEndingHooks
 * @property {(messages: Outgoing[]) => PollRequest} request numbers and encodes a request
 * @property {(request: PollRequest, options: {keepalive: boolean, signal: AbortSignal}) => Promise<any>} post
 */
/**
 * @param {PollRequest | undefined} open the request that has no answer yet
 * @param {Outgoing[]} messages the pending ones, which are removed
 * @param {Environment} environment
 * @param {PollEndingHooks} hooks
 */
export declare function endByPolls(open: PollRequest | undefined, messages: Outgoing[], environment: Environment, { request, post }: PollEndingHooks): Promise<void>;
