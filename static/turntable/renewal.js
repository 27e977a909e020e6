/**
 * Renews credentials that expire, in time and without a new connection: new ones
 * are sent with `authenticate`. A server that does not know the command, or refuses
 * them, ends the session when its time is over; the next identification asks for
 * credentials again.
 * @module
 */

import { TurntableError } from "./error.js";
import { isTemporary } from "./identity.js";

/** @import { Environment } from "./environment.js" */
/** @import { Identity } from "./identity.js" */

/**
 * @typedef {object} RenewalHooks
 * @property {() => boolean} online
 * @property {(credentials: any) => Promise<any>} authenticate
 * @property {(error: TurntableError) => void} error an error that belongs to no request
 */

/** Of the time that is left, the part before the renewal, and the time that remains for it, at most. */
const PART = 0.8;
const MARGIN_MS = 60_000;
/** The first delay of a renewal that failed for a moment. */
const RETRY_MS = 2000;
/** Timers of browsers have 31 bits. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class Renewal {
  #identity;
  #env;
  #hooks;
  /** Local and Unix ms at which the renewal is due. A clock that stood still in a sleep is behind the other. @type {{local: number, unix: number} | undefined} */
  #due;
  #failures = 0;
  #renewing = false;
  /** @type {any} */
  #timer;

  /**
   * @param {Identity} identity
   * @param {Environment} environment
   * @param {RenewalHooks} hooks
   */
  constructor(identity, environment, hooks) {
    this.#identity = identity;
    this.#env = environment;
    this.#hooks = hooks;
  }

  /**
   * A welcome came.
   * @param {any} expires_in seconds for which its credentials are good; undefined if it did not say
   * @param {boolean} resumed whether the session is the one of before
   */
  welcomed(expires_in, resumed) {
    if (Number.isFinite(expires_in) && this.#identity.renewable) {
      const left = Math.max(0, expires_in * 1000);
      this.#failures = 0;
      this.#schedule(Math.max(left * PART, left - MARGIN_MS));
    } else if (resumed) {
      this.check();
    } else {
      this.stop();
    }
  }

  /** Renews if it is time to: after a sleep, or with a new connection. */
  check() {
    if (!this.#due || this.#renewing) return;
    const left = Math.min(this.#due.local - this.#env.local(), this.#due.unix - this.#env.unix());
    if (left > 0) this.#wait(left);
    else void this.#run();
  }

  stop() {
    this.#due = undefined;
    this.#env.clearTimeout(this.#timer);
  }

  /** @param {number} ms */
  #schedule(ms) {
    this.#due = { local: this.#env.local() + ms, unix: this.#env.unix() + ms };
    this.#wait(ms);
  }

  /** @param {number} ms */
  #wait(ms) {
    this.#env.clearTimeout(this.#timer);
    this.#timer = this.#env.setTimeout(() => this.check(), Math.min(ms, TIMER_MAX_MS));
  }

  async #run() {
    this.#renewing = true;
    const due = this.#due;
    const again = await this.#renew();
    this.#renewing = false;
    // A welcome, or the end of the session, has come meanwhile.
    if (this.#due !== due) return;
    if (again) {
      this.#failures += 1;
      this.#schedule(RETRY_MS * 2 ** Math.min(this.#failures, 4) * (0.5 + this.#env.random() / 2));
    } else {
      this.stop();
    }
  }

  /**
   * Sends new credentials.
   * @returns {Promise<boolean>} whether to try again
   */
  async #renew() {
    for (let tries = 0; this.#hooks.online(); tries += 1) {
      const credentials = await this.#identity.credentials();
      if (credentials instanceof TurntableError) {
        this.#hooks.error(credentials);
        return true;
      }
      try {
        await this.#hooks.authenticate(credentials);
        return false;
      } catch (error) {
        const refusal = /** @type {TurntableError} */ (error);
        if (isTemporary(refusal.code)) return true;
        if (tries === 0 && refusal.details?.reason === "expired") continue;
        this.#hooks.error(refusal);
        return false;
      }
    }
    return true;
  }
}
