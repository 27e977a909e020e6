/**
 * The client's state and the promise of its first welcome.
 * @module
 */
import type { TurntableError } from "./error.js";
import type { State, StateChange, Welcome } from "./events.js";
export type Details = Omit<StateChange, "state" | "previous">;
/** @import { TurntableError } from "./error.js" */
/** @import { State, StateChange, Welcome } from "./events.js" */
/** @typedef {Omit<StateChange, "state" | "previous">} Details */
export declare class ClientState {
    #private;
    /** @type {State} */
    current: State;
    /** @readonly @type {Promise<Welcome>} */
    readonly ready: Promise<Welcome>;
    /** @param {(change: StateChange) => void} changed */
    constructor(changed: (change: StateChange) => void);
    /**
     * @param {State} state
     * @param {Details} details
     */
    set(state: State, details: Details): void;
    /**
     * The connection does not answer, or answers again.
     * @param {boolean} steady
     */
    steady(steady: boolean): void;
    /** @param {Welcome} welcome */
    welcomed(welcome: Welcome): void;
    /**
     * @param {Details} details
     * @param {TurntableError} error
     */
    closed(details: Details, error: TurntableError): void;
}
