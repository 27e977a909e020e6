/**
 * The state that a client is in, and the promise of its first welcome.
 * @module
 */

/** @import { TurntableError } from "./error.js" */
/** @import { State, StateChange, Welcome } from "./events.js" */

/** @typedef {Omit<StateChange, "state" | "previous">} About */

export class Life {
  #told;
  /** @type {(welcome: Welcome) => void} */
  #resolve = () => {};
  /** @type {(error: TurntableError) => void} */
  #reject = () => {};

  /** @type {State} */
  state = "connecting";
  /** @readonly @type {Promise<Welcome>} */
  ready;

  /** @param {(change: StateChange) => void} told */
  constructor(told) {
    this.#told = told;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who does not look at `ready` hears of it through `state` and `error`.
    this.ready.catch(() => {});
  }

  /**
   * @param {State} state
   * @param {About} about
   */
  enter(state, about) {
    const previous = this.state;
    if (state === previous) return;
    this.state = state;
    this.#told({ state, previous, ...about });
  }

  /** @param {Welcome} welcome */
  welcomed(welcome) {
    this.#resolve(welcome);
    this.enter("online", {});
  }

  /**
   * @param {About} about
   * @param {TurntableError} error
   */
  closed(about, error) {
    this.#reject(error);
    this.enter("closed", about);
  }
}
