/**
 * Signs of life. A browser answers the server's pings by itself but shows them
 * to nobody, so a page cannot see that its line is dead. The pulse therefore
 * asks at intervals; anything that comes is a sign of life, and where nothing
 * comes for a heartbeat after a question, the line is dead.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/** A timer so much too late means that the page had been frozen. */
const FROZEN_MS = 1000;

export class Pulse {
  #env;
  #ask;
  #dead;
  /** @type {any} */
  #beat_timer;
  /** @type {any} */
  #watch_timer;
  #watching = false;

  /**
   * @param {Environment} environment
   * @param {() => void} ask
   * @param {() => void} dead
   */
  constructor(environment, ask, dead) {
    this.#env = environment;
    this.#ask = ask;
    this.#dead = dead;
  }

  /**
   * @param {number} interval_ms between two questions
   * @param {number} patience_ms without any sign of life after a question
   */
  start(interval_ms, patience_ms) {
    this.stop();
    const beat = () => {
      this.#beat_timer = this.#env.setTimeout(beat, interval_ms);
      if (!this.#watching) this.#watch(patience_ms);
      this.#ask();
    };
    this.#beat_timer = this.#env.setTimeout(beat, interval_ms);
  }

  stop() {
    this.#env.clearTimeout(this.#beat_timer);
    this.heard();
  }

  /** Something came. */
  heard() {
    if (!this.#watching) return;
    this.#watching = false;
    this.#env.clearTimeout(this.#watch_timer);
  }

  /** @param {number} ms */
  #watch(ms) {
    this.#watching = true;
    const due = this.#env.local() + ms;
    this.#watch_timer = this.#env.setTimeout(() => {
      // After a freeze what came meanwhile is still to be handled: let it.
      if (this.#env.local() > due + FROZEN_MS) {
        this.#watch(FROZEN_MS);
        return;
      }
      this.#watching = false;
      this.#dead();
    }, ms);
  }
}
