/**
 * The page that runs the client, if there is one: network, visibility, hidden or
 * restored.
 * @module
 */

/**
 * @typedef {object} PageHooks
 * @property {(network: boolean) => void} changed called when the network or the visibility has
 *   changed: a connection may be dead, or possible again. network: whether it is another one
 * @property {() => void} hidden the page is left; the browser may restore it
 * @property {() => void} restored from the back/forward cache
 */

export class PageLifecycle {
  /** @type {(() => void)[]} */
  #removers = [];

  /** @param {PageHooks} hooks */
  constructor({ changed, hidden, restored }) {
    const { document, navigator } = globalThis;
    const network = () => changed(true);
    const page = () => changed(false);
    this.#listen(globalThis, "online", network);
    this.#listen(globalThis, "offline", network);
    // Estimates of its speed change as well.
    const connection = /** @type {any} */ (navigator)?.connection;
    let type = connection?.type;
    this.#listen(connection, "change", () => {
      const before = type;
      type = connection.type;
      changed(type !== before);
    });
    this.#listen(document, "visibilitychange", page);
    // The browser froze the page, and runs it again.
    this.#listen(document, "resume", page);
    this.#listen(globalThis, "pageshow", (event) => {
      if (!event?.persisted) return;
      restored();
      changed(false);
    });
    this.#listen(globalThis, "pagehide", hidden);
  }

  /** Whether a user can see the page; true where there is none. */
  get visible() {
    return globalThis.document?.visibilityState !== "hidden";
  }

  /** Removes all listeners. */
  close() {
    for (const remove of this.#removers.splice(0)) remove();
  }

  /**
   * @param {any} target
   * @param {string} event
   * @param {(event?: any) => void} listener
   */
  #listen(target, event, listener) {
    if (typeof target?.addEventListener !== "function") return;
    target.addEventListener(event, listener);
    this.#removers.push(() => target.removeEventListener(event, listener));
  }
}
