/**
 * Live attributes of one's own user, shared by all of its sessions.
 * @module
 */

import { Emitter } from "./emitter.js";

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} AttributesEvents
 * @property {{changes: Record<string, any>}} change others' changes; null where one was removed
 */

/** @extends {Emitter<AttributesEvents>} */
export class Attributes extends Emitter {
  #session;
  /** @type {Map<string, any>} */
  #all = new Map();
  /** What an earlier page knew. @type {Record<string, any> | undefined} */
  #remembered;

  /**
   * @internal
   * @param {Session} session
   */
  constructor(session) {
    super();
    this.#session = session;
  }

  /**
   * @param {string} key
   * @returns {any}
   */
  get(key) {
    return this.#all.get(key);
  }

  /** @returns {ReadonlyMap<string, any>} */
  get all() {
    return this.#all;
  }

  /**
   * Sets attributes; null removes one. One's own changes are there once the
   * server has them, and are not told as `change`.
   * @param {Record<string, any>} changes
   * @returns {Promise<void>}
   */
  async set(changes) {
    await this.#session.ask("set", changes);
    this.#apply(changes);
  }

  /**
   * @internal
   * @param {Record<string, any>} data of an `attributes` message
   */
  changed(data) {
    const changes = this.#apply(data ?? {});
    if (Object.keys(changes).length > 0) this.emit("change", { changes });
  }

  /**
   * @internal
   * @param {Record<string, any> | undefined} all as an earlier page knew them
   */
  recall(all) {
    this.#remembered = all;
  }

  /**
   * @internal
   * @param {Record<string, any> | undefined} told by the welcome
   * @param {boolean} resumed
   */
  welcomed(told = {}, resumed) {
    // Of a session that goes on only what has changed is told, and later.
    const all = resumed && Object.keys(told).length === 0 ? this.#remembered : told;
    this.#remembered = undefined;
    if (all) this.begin(all);
  }

  /**
   * @internal
   * @param {Record<string, any>} all as the server tells them
   */
  begin(all = {}) {
    const gone = [...this.#all.keys()].filter((key) => !Object.hasOwn(all, key)).map((key) => [key, null]);
    this.changed({ ...all, ...Object.fromEntries(gone) });
  }

  /**
   * @param {Record<string, any>} data
   * @returns {Record<string, any>} what is different now
   */
  #apply(data) {
    /** @type {[string, any][]} */
    const changes = [];
    for (const [key, value] of Object.entries(data)) {
      const old = this.#all.get(key) ?? null;
      if (JSON.stringify(old) === JSON.stringify(value ?? null)) continue;
      if (value === null || value === undefined) this.#all.delete(key);
      else this.#all.set(key, value);
      changes.push([key, value ?? null]);
    }
    return Object.fromEntries(changes);
  }
}
