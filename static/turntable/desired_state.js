/**
 * Desired state on the server: joined rooms and channels, the status, provided
 * services. An entry is retained, not queued. It is sent again after a new
 * session starts. While offline only its last value is retained. On a resumed
 * session it is sent again only if it was not confirmed.
 * @module
 */

import { TurntableError } from "./error.js";
import { INTERRUPTED } from "./requests.js";

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} Entry
 * @property {string} command
 * @property {(again: boolean) => any} data created when the command is sent; `again` if the
 *   entry was confirmed before
 * @property {boolean} undo whether the command removes state, which a new session does not have
 * @property {"unsent" | "sent" | "confirmed"} phase
 * @property {boolean} confirmed_before
 * @property {((error: TurntableError) => void) | undefined} refused
 * @property {{resolve: (data: any) => void, reject: (error: any) => void}[]} waiters
 */

export class DesiredState {
  #session;
  /** @type {Map<string, Entry>} */
  #entries = new Map();

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
  }

  /**
   * @param {string} key a later entry replaces an earlier one with the same key
   * @param {string} command
   * @param {(again: boolean) => any} data
   * @param {(error: TurntableError) => void} [refused] called when a confirmed entry is
   *   refused after a reconnection
   * @returns {Promise<any>} the server's answer
   */
  set(key, command, data, refused) {
    return this.#replace(key, { command, data, undo: false, refused });
  }

  /**
   * Removes an entry, and sends `command` if the server may have the state.
   * @param {string} key
   * @param {string} command
   * @param {any} data
   * @returns {Promise<any>}
   */
  remove(key, command, data) {
    if (this.#session.closed) return Promise.resolve();
    const entry = this.#entries.get(key);
    if (!this.#session.online && entry?.phase === "unsent" && !entry.confirmed_before && !entry.undo) {
      // Never sent, so the server has nothing to remove.
      this.#entries.delete(key);
      for (const { resolve } of entry.waiters) resolve(undefined);
      return Promise.resolve();
    }
    return this.#replace(key, { command, data: () => data, undo: true, refused: undefined });
  }

  /**
   * Deletes an entry whose state the server has ended.
   * @param {string} key
   */
  discard(key) {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    for (const { resolve } of entry?.waiters ?? []) resolve(undefined);
  }

  /**
   * After a welcome: sends the entries that the server may not have.
   * @param {boolean} resumed
   */
  restore(resumed) {
    for (const [key, entry] of [...this.#entries]) {
      if (entry.undo && !resumed) this.discard(key);
      else if (!resumed || entry.phase !== "confirmed") this.#send(key, entry);
    }
  }

  /**
   * The client was closed.
   * @param {TurntableError} error
   */
  close(error) {
    for (const entry of this.#entries.values()) {
      for (const { reject } of entry.waiters.splice(0)) reject(error);
    }
    this.#entries.clear();
  }

  /**
   * @param {string} key
   * @param {Pick<Entry, "command" | "data" | "undo" | "refused">} wanted
   * @returns {Promise<any>}
   */
  #replace(key, wanted) {
    if (this.#session.closed) {
      return Promise.reject(new TurntableError("unavailable", "the client is closed", { command: wanted.command }));
    }
    return new Promise((resolve, reject) => {
      const old = this.#entries.get(key);
      // The answer to the new entry also resolves the promises of the old one.
      const waiters = old ? old.waiters.splice(0) : [];
      waiters.push({ resolve, reject });
      /** @type {Entry} */
      const entry = { ...wanted, phase: "unsent", confirmed_before: false, waiters };
      this.#entries.set(key, entry);
      if (this.#session.online) this.#send(key, entry);
    });
  }

  /**
   * @param {string} key
   * @param {Entry} entry
   */
  async #send(key, entry) {
    entry.phase = "sent";
    try {
      const answer = await this.#session.request(entry.command, entry.data(entry.confirmed_before), { interruptible: true });
      entry.phase = "confirmed";
      entry.confirmed_before = true;
      if (entry.undo && this.#entries.get(key) === entry) this.#entries.delete(key);
      for (const { resolve } of entry.waiters.splice(0)) resolve(answer);
    } catch (error) {
      if (error === INTERRUPTED) {
        entry.phase = "unsent";
        return;
      }
      const failure = /** @type {TurntableError} */ (error);
      const late = failure.code === "timeout" && entry.confirmed_before;
      if (late) entry.phase = "unsent";
      else if (this.#entries.get(key) === entry) this.#entries.delete(key);
      const waiters = entry.waiters.splice(0);
      for (const { reject } of waiters) reject(failure);
      if (!late && waiters.length === 0) entry.refused?.(failure);
    }
  }
}
