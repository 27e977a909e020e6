/**
 * Which door to try next, best first. A door at which no sign of the server
 * came twice is left for the next one; one that has worked is given more
 * patience, for then it is rather the server that is away. After the last
 * comes the first again. No time, no network.
 * @module
 */

/** Tries at a door that never worked, and at one that did. */
const TRIES = 2;
const TRIES_PROVEN = 8;

export class Ladder {
  #count;
  #tries = 0;
  /** @type {Set<number>} */
  #proven = new Set();

  /** The place of the door to try. */
  index = 0;

  /** @param {number} count of doors */
  constructor(count) {
    this.#count = count;
  }

  /**
   * No sign of the server came by this door.
   * @param {boolean} hopeless whether another try is of no use
   */
  failed(hopeless) {
    this.#tries += 1;
    if (!hopeless && this.#tries < (this.#proven.has(this.index) ? TRIES_PROVEN : TRIES)) return;
    this.#tries = 0;
    this.index = (this.index + 1) % this.#count;
  }

  /**
   * A door has worked, this one if none is named.
   * @param {number} [index]
   */
  worked(index = this.index) {
    this.index = index;
    this.#tries = 0;
    this.#proven.add(index);
  }
}
