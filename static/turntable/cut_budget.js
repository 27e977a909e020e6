/**
 * How often connections over one transport were cut, and how long the transport is left
 * therefore. Something between client and server may cut every connection at an age that
 * no probe reaches: each return to such a transport costs another cut. A transport that
 * was left although its connections worked rests after a number of cuts, and longer each
 * time if the first connection after a rest is cut as well. No timers, no network.
 * @module
 */

/** Cuts within this time count together. */
const WINDOW_MS = 600_000;
/** The number of cuts from which on the transport rests when it is left. */
const CUTS = 4;
/** How long it rests: the first time, and at most. */
const REST_MS = 600_000;
const REST_MAX_MS = 3_600_000;

export class CutBudget {
  /** Local ms of the cuts within the window. @type {number[]} */
  #cuts = [];
  #rest_ms = 0;
  /** Local ms. */
  #rest_until = -Infinity;

  /**
   * A connection that worked was cut.
   * @param {number} now local ms
   */
  cut(now) {
    this.#cuts = [...this.#cuts.filter((at) => now - at < WINDOW_MS), now];
  }

  /**
   * The transport is left for another one.
   * @param {number} now local ms
   */
  left(now) {
    // Nothing has changed if it is cut again within as much time as it has rested.
    const again = this.#rest_ms > 0 && now < this.#rest_until + this.#rest_ms;
    if (!again && this.#cuts.length < CUTS) {
      this.#rest_ms = 0;
      return;
    }
    this.#rest_ms = again ? Math.min(REST_MAX_MS, this.#rest_ms * 2) : REST_MS;
    this.#rest_until = now + this.#rest_ms;
  }

  /**
   * Whether the transport is not to be tried while another one works.
   * @param {number} now local ms
   */
  rests(now) {
    return now < this.#rest_until;
  }
}
