/**
 * The client's state and the promise of its first welcome.
 * @module
 */

/** @import { TurntableError } from "./error.js" */
/** @import { State, StateChange, Welcome } from "./events.js" */

/** @typedef {Omit<StateChange, "state" | "previous">} Details */

export class ClientState {
  #changed;
  /** @type {(welcome: Welcome) => void} */
  #resolve = () => {};
  /** @type {(error: TurntableError) => void} */
  #reject = () => {};

  /** @type {State} */
  current = "connecting";
  /** @readonly @type {Promise<Welcome>} */
  ready;

  /** @param {(change: StateChange) => void} changed */
  constructor(changed) {
    this.#changed = changed;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A program that does not use `ready` gets the error by the events `state` and `error`.
    this.ready.catch(() => {});
  }

  /**
   * @param {State} state
   * @param {Details} details
   */
  set(state, details) {
    const previous = this.current;
    // A listener that is called earlier may have closed the client.
    if (state === previous || previous === "closed") return;
    this.current = state;
    this.#changed({ state, previous, ...details });
  }

  /**
   * The connection does not answer, or answers again.
   * @param {boolean} steady
   */
  steady(steady) {
    if (this.current === (steady ? "unsteady" : "online")) this.set(steady ? "online" : "unsteady", {});
  }

  /** @param {Welcome} welcome */
  welcomed(welcome) {
    this.#resolve(welcome);
    this.set("online", {});
  }

  /**
   * @param {Details} details
   * @param {TurntableError} error
   */
  closed(details, error) {
    this.#reject(error);
    this.set("closed", details);
  }
}
