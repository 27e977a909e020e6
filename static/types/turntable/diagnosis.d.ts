/**
 * Whether a failure is one of the transport or of the server (`Reachability` asks):
 *
 *     attempt fails ─► request over HTTP ─┬─ answered: the transport failed
 *                                         └─ not: the server is away. Request
 *                                            until it answers; then connect
 *
 * @module
 */
import type { Environment } from "./environment.js";
import type { TransportSelection } from "./transport_selection.js";
import type { Trial } from "./trial.js";
import type { ResponseError } from "./transports/transport.js";
export type DiagnosisHooks = {
    /**
     * where to ask, and over which time clients
     * are to return
     */
    target: () => {
        url: string;
        spread_ms: number;
    };
    /**
     * whether no attempt is pending any more
     */
    settled: () => boolean;
    /**
     * the server is back
     */
    returned: () => void;
    /**
     * the server answered after `ms`, but not the attempt under way
     */
    reached: (ms: number) => void;
    /**
     * the server refuses the requests of this page
     */
    forbidden: (error: ResponseError) => void;
    /**
     * whether the server can be reached is known
     */
    decided: () => void;
};
/** @import { Environment } from "./environment.js" */
/** @import { TransportSelection } from "./transport_selection.js" */
/** @import { Trial } from "./trial.js" */
/** @import { ResponseError } from "./transports/transport.js" */
/**
 * @typedef {object} DiagnosisHooks
 * @property {() => {url: string, spread_ms: number}} target where to ask, and over which time clients
 *   are to return
 * @property {() => boolean} settled whether no attempt is pending any more
 * @property {() => void} returned the server is back
 * @property {(ms: number) => void} reached the server answered after `ms`, but not the attempt under way
 * @property {(error: ResponseError) => void} forbidden the server refuses the requests of this page
 * @property {() => void} decided whether the server can be reached is known
 */
export declare class Diagnosis {
    #private;
    /**
     * @param {{environment: Environment, fetch: any, alone: boolean, max_ms: number | undefined}} options
     *   alone: whether there is no other transport; max_ms: maximum pause between requests, undefined: none is made
     * @param {TransportSelection} selection
     * @param {DiagnosisHooks} hooks
     */
    constructor({ environment, fetch, alone, max_ms }: {
        environment: Environment;
        fetch: any;
        alone: boolean;
        max_ms: number | undefined;
    }, selection: TransportSelection, hooks: DiagnosisHooks);
    /** Whether the next transport depends on an answer that has not come yet. */
    get deciding(): boolean;
    /**
     * An attempt, or a connection that did not last, failed.
     * @param {boolean} final whether further attempts are useless if the transport is the cause
     * @param {Trial} trial
     */
    failed(final: boolean, trial: Trial): void;
    /** Asks whether the server can be reached. */
    ask(): void;
    /** Asks at once if it is asking: the network has changed. */
    now(): void;
    /**
     * The server responded to an attempt.
     * @param {number | undefined} ms that it took, if that says what an answer usually takes
     */
    responded(ms: number | undefined): void;
    stop(): void;
}
