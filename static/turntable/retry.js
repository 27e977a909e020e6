/**
 * The next attempt to connect, and when it is due.
 * @module
 */

/** @import { Environment } from "./environment.js" */

export class Retry {
  #env;
  #due;
  /** Local ms. */
  #at = 0;
  /** @type {any} */
  #timer;

  /** Whether an attempt is pending. */
  pending = false;

  /**
   * @param {Environment} environment
   * @param {() => void} due
   */
  constructor(environment, due) {
    this.#env = environment;
    this.#due = due;
  }

  /** Time until the attempt in ms; undefined if none is pending. @returns {number | undefined} */
  get in_ms() {
    return this.pending ? Math.max(0, Math.round(this.#at - this.#env.local())) : undefined;
  }

  /** @param {number} ms */
  schedule(ms) {
    this.cancel();
    this.pending = true;
    this.#at = this.#env.local() + ms;
    this.#timer = this.#env.setTimeout(() => this.#due(), ms);
  }

  /** The attempt begins, or is not wanted. */
  cancel() {
    this.pending = false;
    this.#env.clearTimeout(this.#timer);
  }
}
