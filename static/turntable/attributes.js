/**
 * Live attributes of this user, shared by all of the user's sessions.
 * @module
 */

import { notJson, opaque, parse, stringify } from "./binary.js";
import { Emitter } from "./emitter.js";
import { WatchList } from "./watch_list.js";

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} AttributesEvents
 * @property {{changes: Record<string, any>}} change changes by the server or by other
 *   sessions; null if an attribute was removed
 */

/** @callback AttributeListener
 * @param {any} value null if the attribute was removed
 * @param {string} key
 * @returns {void}
 */

/** @extends {Emitter<AttributesEvents>} */
export class Attributes extends Emitter {
  #session;
  /** @type {Map<string, any>} */
  #all = new Map();
  #watches = new WatchList();
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
   * server has confirmed it, as JSON has the values, and emits no `change`.
   * @param {Record<string, any>} changes
   * @returns {Promise<void>} rejects with a TurntableError
   */
  set(changes) {
    return new Promise((resolve, reject) => {
      for (const value of Object.values(changes)) opaque(value, "set");
      const sent = asSent(changes);
      this.#session.ask("set", sent, {}, (error) => {
        if (error) return reject(error);
        // Before a later message: the answer's place is that of the change in the server's order.
        this.#apply(sent);
        resolve();
      });
    });
  }

  /**
   * Calls a function with each new value of one attribute, or of any, that the server
   * or another session of the user sets; null if it was removed.
   * @overload
   * @param {string} key
   * @param {AttributeListener} listener
   * @returns {() => void} ends the watch
   */
  /**
   * @overload
   * @param {AttributeListener} listener of every attribute
   * @returns {() => void} ends the watch
   */
  /**
   * @param {string | AttributeListener} key
   * @param {AttributeListener} [listener]
   * @returns {() => void}
   */
  watch(key, listener) {
    const watch = this.#watches.add(key, listener);
    return () => this.#watches.end(watch);
  }

  /**
   * Ends watches, no matter which caller began them: of one attribute, of one function, or of both;
   * without arguments all of them. The function that `watch` returned ends its own.
   * @param {string | AttributeListener} [key]
   * @param {AttributeListener} [listener]
   */
  unwatch(key, listener) {
    this.#watches.endAll(key, listener);
  }

  /**
   * @internal
   * @param {Record<string, any>} data of an `attributes` message
   */
  changed(data) {
    const changes = this.#apply(data ?? {});
    const changed = Object.entries(changes);
    if (changed.length === 0) return;
    this.emit("change", { changes });
    this.#watches.call(changed, throwLater, () => this.#session.gate.closed);
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

/**
 * A copy of what other sessions get: of a value that JSON does not have, what it makes of it. What the caller
 * changes later is not sent.
 * @param {Record<string, any>} changes
 * @returns {Record<string, any>}
 */
function asSent(changes) {
  try {
    return parse(stringify(changes));
  } catch (error) {
    throw notJson("set", error);
  }
}

/** @param {unknown} error of a listener */
function throwLater(error) {
  queueMicrotask(() => {
    throw error;
  });
}
