/**
 * Which transport to try next, in order of preference. After two attempts
 * without a response from the server the next transport is tried. A transport
 * that has worked gets more attempts, because then the server is more likely to
 * be down than the transport to be blocked. After the last transport follows
 * the first. No timers, no network.
 * @module
 */

/** Attempts with a transport that never worked, and with one that has. */
const ATTEMPTS = 2;
const ATTEMPTS_PROVEN = 8;

export class TransportSelection {
  #count;
  #attempts = 0;
  /** @type {Set<number>} */
  #proven = new Set();

  /** Index of the transport to try. */
  index = 0;

  /** @param {number} count of transports */
  constructor(count) {
    this.#count = count;
  }

  /**
   * The server did not respond by this transport.
   * @param {boolean} final whether further attempts are useless
   */
  failed(final) {
    this.#attempts += 1;
    if (!final && this.#attempts < (this.#proven.has(this.index) ? ATTEMPTS_PROVEN : ATTEMPTS)) return;
    this.#attempts = 0;
    this.index = (this.index + 1) % this.#count;
  }

  /**
   * A transport works.
   * @param {number} [index] the current one if omitted
   */
  succeeded(index = this.index) {
    this.index = index;
    this.#attempts = 0;
    this.#proven.add(index);
  }
}
