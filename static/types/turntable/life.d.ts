/**
 * The state that a client is in, and the promise of its first welcome.
 * @module
 */
import type { TurntableError } from "./error.js";
import type { State, StateChange, Welcome } from "./events.js";
export type About = Omit<StateChange, "state" | "previous">;
/** @import { TurntableError } from "./error.js" */
/** @import { State, StateChange, Welcome } from "./events.js" */
/** @typedef {Omit<StateChange, "state" | "previous">} About */
export declare class Life {
    #private;
    /** @type {State} */
    state: State;
    /** @readonly @type {Promise<Welcome>} */
    readonly ready: Promise<Welcome>;
    /** @param {(change: StateChange) => void} told */
    constructor(told: (change: StateChange) => void);
    /**
     * @param {State} state
     * @param {About} about
     */
    enter(state: State, about: About): void;
    /** @param {Welcome} welcome */
    welcomed(welcome: Welcome): void;
    /**
     * @param {About} about
     * @param {TurntableError} error
     */
    closed(about: About, error: TurntableError): void;
}
