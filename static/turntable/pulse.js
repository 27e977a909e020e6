/**
 * Signs of life. A browser answers the server's pings by itself but shows them
 * to nobody, so a page cannot see that its line is dead. The pulse therefore
 * asks at intervals; anything that comes is a sign of life, and where nothing
 * comes for a heartbeat after a question, the line is dead.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/** Where the server names no heartbeat. */
const HEARTBEAT_MS = 30000;
/** A timer so much too late means that the page had been frozen. */
const FROZEN_MS = 1000;

export class Pulse {
  #env;
  #interval_ms;
  #ask;
  #dead;
  /** @type {any} */
  #beat_timer;
  /** @type {any} */
  #watch_timer;
  #watching = false;

  /**
   * @param {{environment: Environment, interval_ms: number}} options interval_ms: between two
   *   questions, where the heartbeat asks for no more
   * @param {() => void} ask
   * @param {() => void} dead
   */
  constructor({ environment, interval_ms }, ask, dead) {
    this.#env = environment;
    this.#interval_ms = interval_ms;
    this.#ask = ask;
    this.#dead = dead;
  }

  /**
   * @param {number | undefined} heartbeat_ms the server's: twice in it is asked,
   *   and so long may pass without any sign of life after a question
   */
  start(heartbeat_ms) {
    this.stop();
    const patience_ms = heartbeat_ms !== undefined && heartbeat_ms > 0 ? heartbeat_ms : HEARTBEAT_MS;
    const interval_ms = Math.min(this.#interval_ms, patience_ms / 2);
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
