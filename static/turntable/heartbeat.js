/**
 * Detects dead connections. A browser answers the server's pings itself and
 * does not expose them to the page. The heartbeat therefore sends a probe at
 * intervals. Any received message counts as activity; without activity within
 * the timeout after a probe, the connection is dead.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/** Timeout if the server announces no heartbeat. */
const TIMEOUT_MS = 30000;
/** A timer this late means that the page was frozen. */
const FROZEN_MS = 1000;

export class Heartbeat {
  #env;
  #interval_ms;
  #probe;
  #dead;
  /** @type {any} */
  #interval_timer;
  /** @type {any} */
  #timeout_timer;
  #waiting = false;

  /**
   * @param {{environment: Environment, interval_ms: number}} options interval_ms: maximum
   *   interval between probes
   * @param {() => void} probe sends a probe
   * @param {() => void} dead called when the timeout passes without activity
   */
  constructor({ environment, interval_ms }, probe, dead) {
    this.#env = environment;
    this.#interval_ms = interval_ms;
    this.#probe = probe;
    this.#dead = dead;
  }

  /**
   * @param {number | undefined} heartbeat_ms the server's heartbeat: the timeout after
   *   a probe; probes are sent at least twice as often
   */
  start(heartbeat_ms) {
    this.stop();
    const timeout_ms = heartbeat_ms !== undefined && heartbeat_ms > 0 ? heartbeat_ms : TIMEOUT_MS;
    const interval_ms = Math.min(this.#interval_ms, timeout_ms / 2);
    const tick = () => {
      this.#interval_timer = this.#env.setTimeout(tick, interval_ms);
      if (!this.#waiting) this.#wait(timeout_ms);
      this.#probe();
    };
    this.#interval_timer = this.#env.setTimeout(tick, interval_ms);
  }

  stop() {
    this.#env.clearTimeout(this.#interval_timer);
    this.activity();
  }

  /** Something was received. */
  activity() {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#env.clearTimeout(this.#timeout_timer);
  }

  /** @param {number} ms */
  #wait(ms) {
    this.#waiting = true;
    const due = this.#env.local() + ms;
    this.#timeout_timer = this.#env.setTimeout(() => {
      // After a freeze, process the messages received meanwhile first.
      if (this.#env.local() > due + FROZEN_MS) {
        this.#wait(FROZEN_MS);
        return;
      }
      this.#waiting = false;
      this.#dead();
    }, ms);
  }
}
