/**
 * Live attributes of this user, shared by all of the user's sessions.
 * @module
 */

import { Emitter } from "./emitter.js";

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} AttributesEvents
 * @property {{changes: Record<string, any>}} change changes by the server or by other
 *   sessions; null if an attribute was removed
 */

/** @extends {Emitter<AttributesEvents>} */
export class Attributes extends Emitter {
  #session;
  /** @type {Map<string, any>} */
  #all = new Map();
  /** The attributes of the stored session. @type {Record<string, any> | undefined} */
  #stored;

  /**
   * @internal
   * @param {Session} session
   */
  constructor(session) {
    super(session.gate);
    this.#session = session;
  }

  /**
   * The value of an attribute.
   * @param {string} key
   * @returns {any} undefined if the attribute is not set
   */
  get(key) {
    return this.#all.get(key);
  }

  /** All attributes. @returns {ReadonlyMap<string, any>} */
  get all() {
    return this.#all;
  }

  /**
   * Sets attributes; null removes one. The change is visible here after the
   * server has confirmed it, and emits no `change`.
   * @param {Record<string, any>} changes
   * @returns {Promise<void>} rejects with a TurntableError
   */
  async set(changes) {
    await this.#session.request("set", changes);
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
   * @param {Record<string, any> | undefined} all of the stored session
   */
  restore(all) {
    this.#stored = all;
  }

  /**
   * @internal
   * @param {Record<string, any> | undefined} received of the welcome
   * @param {boolean} resumed
   */
  welcomed(received = {}, resumed) {
    // A resumed session may receive no attributes here, only later changes.
    const all = resumed && Object.keys(received).length === 0 ? this.#stored : received;
    this.#stored = undefined;
    if (all) this.replace(all);
  }

  /**
   * @internal
   * @param {Record<string, any>} all
   */
  replace(all = {}) {
    const removed = [...this.#all.keys()].filter((key) => !Object.hasOwn(all, key)).map((key) => [key, null]);
    this.changed({ ...all, ...Object.fromEntries(removed) });
  }

  /**
   * @param {Record<string, any>} data
   * @returns {Record<string, any>} the attributes whose value changed
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
