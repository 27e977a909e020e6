/**
 * What shall be so on the server: rooms and channels joined, the status set,
 * services provided. Such a wish is kept, not queued: said again when the
 * session had to be begun anew, said once however often it changed while
 * offline, and said again on a resumed session only where no answer came.
 * @module
 */

import { TurntableError } from "./error.js";
import { INTERRUPTED } from "./requests.js";

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} Wish
 * @property {string} command
 * @property {(again: boolean) => any} data made when it is sent; `again` after
 *   it had been granted once
 * @property {boolean} undo whether it takes something back, which a new session needs not
 * @property {"unsent" | "sent" | "held"} phase
 * @property {boolean} granted
 * @property {((error: TurntableError) => void) | undefined} refused
 * @property {{resolve: (data: any) => void, reject: (error: any) => void}[]} waiters
 */

export class Kept {
  #session;
  /** @type {Map<string, Wish>} */
  #wishes = new Map();

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
  }

  /**
   * @param {string} key one wish per key: a newer one replaces an older
   * @param {string} command
   * @param {(again: boolean) => any} data
   * @param {(error: TurntableError) => void} [refused] called when a wish that
   *   had been granted is refused after a reconnection
   * @returns {Promise<any>} the server's answer
   */
  want(key, command, data, refused) {
    return this.#set(key, { command, data, undo: false, refused });
  }

  /**
   * Takes a wish back, with `command` where the server knows of it.
   * @param {string} key
   * @param {string} command
   * @param {any} data
   * @returns {Promise<any>}
   */
  drop(key, command, data) {
    if (this.#session.closed) return Promise.resolve();
    const wish = this.#wishes.get(key);
    if (!this.#session.online && wish?.phase === "unsent" && !wish.granted && !wish.undo) {
      // Never said: there is nothing to take back.
      this.#wishes.delete(key);
      for (const { resolve } of wish.waiters) resolve(undefined);
      return Promise.resolve();
    }
    return this.#set(key, { command, data: () => data, undo: true, refused: undefined });
  }

  /**
   * Forgets a wish that the server has ended.
   * @param {string} key
   */
  forget(key) {
    const wish = this.#wishes.get(key);
    this.#wishes.delete(key);
    for (const { resolve } of wish?.waiters ?? []) resolve(undefined);
  }

  /**
   * After a welcome: says what has to be said.
   * @param {boolean} resumed
   */
  restore(resumed) {
    for (const [key, wish] of [...this.#wishes]) {
      if (wish.undo && !resumed) this.forget(key);
      else if (!resumed || wish.phase !== "held") this.#send(key, wish);
    }
  }

  /**
   * The client was closed.
   * @param {TurntableError} error
   */
  end(error) {
    for (const wish of this.#wishes.values()) {
      for (const { reject } of wish.waiters.splice(0)) reject(error);
    }
    this.#wishes.clear();
  }

  /**
   * @param {string} key
   * @param {Pick<Wish, "command" | "data" | "undo" | "refused">} wanted
   * @returns {Promise<any>}
   */
  #set(key, wanted) {
    if (this.#session.closed) {
      return Promise.reject(new TurntableError("unavailable", "the client is closed", { command: wanted.command }));
    }
    return new Promise((resolve, reject) => {
      const old = this.#wishes.get(key);
      // Whoever waits for the older wish is answered by the newer one.
      const waiters = old ? old.waiters.splice(0) : [];
      waiters.push({ resolve, reject });
      /** @type {Wish} */
      const wish = { ...wanted, phase: "unsent", granted: false, waiters };
      this.#wishes.set(key, wish);
      if (this.#session.online) this.#send(key, wish);
    });
  }

  /**
   * @param {string} key
   * @param {Wish} wish
   */
  async #send(key, wish) {
    wish.phase = "sent";
    try {
      const answer = await this.#session.ask(wish.command, wish.data(wish.granted), { kept: true });
      wish.phase = "held";
      wish.granted = true;
      if (wish.undo && this.#wishes.get(key) === wish) this.#wishes.delete(key);
      for (const { resolve } of wish.waiters.splice(0)) resolve(answer);
    } catch (error) {
      if (error === INTERRUPTED) {
        wish.phase = "unsent";
        return;
      }
      const failure = /** @type {TurntableError} */ (error);
      const late = failure.code === "timeout" && wish.granted;
      if (late) wish.phase = "unsent";
      else if (this.#wishes.get(key) === wish) this.#wishes.delete(key);
      const waiters = wish.waiters.splice(0);
      for (const { reject } of waiters) reject(failure);
      if (!late && waiters.length === 0) wish.refused?.(failure);
    }
  }
}
