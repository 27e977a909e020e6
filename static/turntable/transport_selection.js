/**
 * Which transport to try next, in order of preference. A transport is proven
 * once a connection lasted and carried messages both ways. An attempt counts as
 * a failure of its transport only while the server can be reached by other
 * requests (`Reachability`): a server that is away says nothing about
 * transports. After two failures, or three of a proven transport, the next one
 * is tried, and after the last the first. No timers, no network.
 * @module
 */

/** Failures in a row of a transport that is not proven, and of one that is. */
const FAILURES = 2;
const FAILURES_PROVEN = 3;

export class TransportSelection {
  #count;
  #failures = 0;
  /** @type {Set<number>} */
  #proven = new Set();

  /** Index of the transport to try. */
  index = 0;

  /** @param {number} count of transports */
  constructor(count) {
    this.#count = count;
  }

  /**
   * The transport failed although the server can be reached.
   * @param {boolean} final whether further attempts are useless
   */
  failed(final) {
    this.#failures += 1;
    if (!final && this.#failures < (this.#proven.has(this.index) ? FAILURES_PROVEN : FAILURES)) return;
    // What has changed may be the network: the transport has to prove itself again.
    this.#proven.delete(this.index);
    this.use((this.index + 1) % this.#count);
  }

  /** The transport lasted and carried messages both ways. */
  proved() {
    this.#failures = 0;
    this.#proven.add(this.index);
  }

  /** After an outage: selects the best proven transport, if there is one. */
  recover() {
    if (this.#proven.size > 0) this.use(Math.min(...this.#proven));
  }

  /** @param {number} index of the transport to use */
  use(index) {
    if (index !== this.index) this.#failures = 0;
    this.index = index;
  }
}
