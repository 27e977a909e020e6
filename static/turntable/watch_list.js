/**
 * Watches of attributes: functions that are called with each new value of one
 * attribute, or of any.
 * @module
 */

/** @import { AttributeListener } from "./attributes.js" */

/**
 * @typedef {object} Watch
 * @property {string | undefined} key undefined: every attribute
 * @property {AttributeListener} listener
 * @property {() => void} [end] what else ends with it
 */

export class WatchList {
  /** @type {Set<Watch>} */
  #watches = new Set();

  /**
   * @param {string | AttributeListener} key the attribute, or the listener of every one
   * @param {AttributeListener} [listener]
   * @returns {Watch}
   */
  add(key, listener) {
    const watch = typeof key === "function" ? { key: undefined, listener: key } : { key, listener: /** @type {AttributeListener} */ (listener) };
    if (typeof watch.listener !== "function") throw new TypeError("watch needs a function");
    this.#watches.add(watch);
    return watch;
  }

  /** @param {Watch} watch */
  end(watch) {
    if (this.#watches.delete(watch)) watch.end?.();
  }

  /**
   * Ends watches: of one attribute, of one function, or of both; without arguments all of them.
   * @param {string | AttributeListener} [key]
   * @param {AttributeListener} [listener]
   */
  endAll(key, listener) {
    const [of, ended] = typeof key === "function" ? [undefined, key] : [key, listener];
    for (const watch of this.all) {
      if ((of === undefined || watch.key === of) && (ended === undefined || watch.listener === ended)) this.end(watch);
    }
  }

  /** Those that exist now. @returns {Watch[]} */
  get all() {
    return [...this.#watches];
  }

  /**
   * Calls the functions. One that throws is reported, and ends nothing.
   * @param {[string, any][]} changes
   * @param {(error: unknown) => void} report
   * @param {() => boolean} [closed] whether no function is called any more: one of them may close the client
   */
  call(changes, report, closed = () => false) {
    for (const [key, value] of changes) {
      for (const watch of this.all) {
        if (closed()) return;
        if (!this.#watches.has(watch) || (watch.key ?? key) !== key) continue;
        try {
          watch.listener(value, key);
        } catch (error) {
          report(error);
        }
      }
    }
  }
}
