/**
 * The page that runs the client, if there is one: network, visibility, hidden or
 * restored.
 * @module
 */

/** @import { SessionStore } from "./session_store.js" */

export class PageLifecycle {
  /** @type {(() => void)[]} */
  #removers = [];

  /**
   * @param {(network: boolean) => void} changed called when the network or the visibility has
   *   changed: a connection may be dead, or possible again. network: whether it is another one
   * @param {SessionStore | undefined} store
   */
  constructor(changed, store) {
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
      store?.reclaim();
      changed(false);
    });
    if (store) this.#listen(globalThis, "pagehide", () => store.release());
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
