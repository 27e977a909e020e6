/**
 * Desired values on the server: the status, provided services. A value is
 * retained, not queued: while offline only its last one is, and it is sent again
 * after a new session starts. On a resumed session the server has it already, or
 * the session repeats it. (Places that several holders share are in `Holding`.)
 * @module
 */

import { TurntableError, passes, retryMs } from "./error.js";
import { INTERRUPTED } from "./requests.js";

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} Entry
 * @property {string} command
 * @property {() => any} data created when the command is sent
 * @property {() => void} refused called when the server has refused the value, before an earlier one is sent again
 * @property {"unsent" | "sent" | "confirmed"} phase
 * @property {boolean} confirmed_before
 * @property {{resolve: (data: any) => void, reject: (error: any) => void}[]} waiters
 * @property {any} [timer] until it is sent again
 * @property {Entry} [before] the value that goes on if this one is refused: one whose answer is awaited, or that was confirmed last
 */

export class DesiredState {
  #session;
  #report;
  /** @type {Map<string, Entry>} */
  #entries = new Map();

  /**
   * @param {Session} session
   * @param {(error: TurntableError) => void} report a value of before was refused for good
   */
  constructor(session, report) {
    this.#session = session;
    this.#report = report;
  }

  /**
   * @param {string} key a later value replaces an earlier one with the same key
   * @param {string} command
   * @param {() => any} data
   * @param {() => void} [refused]
   * @returns {Promise<any>} the server's answer; that to a later value if this one was not sent
   */
  set(key, command, data, refused = () => {}) {
    if (this.#session.closed) return Promise.reject(new TurntableError("unavailable", "the client is closed", { command }));
    return new Promise((resolve, reject) => {
      const old = this.#entries.get(key);
      // A value that was sent has an answer of its own.
      const replaced = old?.phase === "unsent" ? old : undefined;
      const waiters = replaced?.waiters.splice(0) ?? [];
      this.#session.environment.clearTimeout(old?.timer);
      waiters.push({ resolve, reject });
      /** @type {Entry} */
      const entry = { command, data, refused, phase: "unsent", confirmed_before: old?.confirmed_before ?? false, waiters };
      if (replaced) {
        entry.refused = () => {
          refused();
          replaced.refused();
        };
      }
      entry.before = replaced ? replaced.before : old;
      this.#entries.set(key, entry);
      if (this.#session.online) this.#send(key, entry);
    });
  }

  /**
   * After a welcome: sends the values that the server may not have.
   * @param {boolean} resumed
   */
  restore(resumed) {
    for (const [key, entry] of [...this.#entries]) {
      if (entry.before && !resumed) entry.before.phase = "unsent"; // It is confirmed: others were unlinked.
      if (!resumed || entry.phase === "unsent") this.#send(key, entry);
    }
  }

  /**
   * The client was closed.
   * @param {TurntableError} error
   */
  close(error) {
    for (const entry of this.#entries.values()) {
      this.#session.environment.clearTimeout(entry.timer);
      for (const { reject } of entry.waiters.splice(0)) reject(error);
    }
    this.#entries.clear();
  }

  /**
   * @param {string} key
   * @param {Entry} entry
   */
  #send(key, entry) {
    entry.phase = "sent";
    this.#session.environment.clearTimeout(entry.timer);
    this.#session.ask(entry.command, entry.data(), { interruptible: true }, (error, answer) => {
      if (error === INTERRUPTED) {
        // The waiters of a value that a later one has replaced wait for that one.
        const current = this.#entries.get(key);
        if (current === entry) {
          entry.phase = "unsent";
        } else {
          this.#unlink(key, entry);
          current?.waiters.push(...entry.waiters.splice(0));
        }
        return;
      }
      const waiters = entry.waiters.splice(0);
      if (!error) {
        entry.phase = "confirmed";
        entry.confirmed_before = true;
        entry.before = undefined;
        entry.refused = () => {};
        for (const { resolve } of waiters) resolve(answer);
        return;
      }
      if (this.#entries.get(key) === entry) {
        this.#refused(key, entry, error, waiters.length > 0);
      } else {
        this.#unlink(key, entry);
        if (error.code !== "timeout") entry.refused();
      }
      for (const { reject } of waiters) reject(error);
    });
  }

  /**
   * A value that later ones have replaced does not go on if those are refused.
   * @param {string} key
   * @param {Entry} entry
   */
  #unlink(key, entry) {
    let later = this.#entries.get(key);
    while (later && later.before !== entry) later = later.before;
    if (later) later.before = entry.before;
  }

  /**
   * The server refused the current value. Where its caller has had an answer in an earlier session, it is sent
   * again if the refusal passes, and reported if not.
   * @param {string} key
   * @param {Entry} entry
   * @param {TurntableError} error
   * @param {boolean} heard whether the error reaches a caller
   */
  #refused(key, entry, error, heard) {
    if (this.#session.closed) return;
    if (!heard && passes(error)) {
      entry.phase = "unsent";
      entry.timer = this.#session.environment.setTimeout(() => {
        if (this.#session.online) this.#send(key, entry);
      }, retryMs(error));
    } else if (error.code === "timeout" && entry.confirmed_before) {
      entry.phase = "unsent";
    } else {
      this.#entries.delete(key);
      // After a timeout the server may have it.
      if (error.code !== "timeout") entry.refused();
      if (!heard) this.#report(error);
      const { before } = entry;
      if (!before) return;
      this.#entries.set(key, before);
      // A new session may have begun meanwhile.
      if (before.phase === "unsent" && this.#session.online) this.#send(key, before);
    }
  }
}
