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
   * @param {() => void} changed called when the network or the visibility has changed: a
   *   connection may be dead, or possible again
   * @param {SessionStore | undefined} store
   */
  constructor(changed, store) {
    const { document, navigator } = globalThis;
    this.#listen(globalThis, "online", changed);
    this.#listen(globalThis, "offline", changed);
    this.#listen(/** @type {any} */ (navigator)?.connection, "change", changed);
    this.#listen(document, "visibilitychange", changed);
    // The browser froze the page, and runs it again.
    this.#listen(document, "resume", changed);
    this.#listen(globalThis, "pageshow", (event) => {
      if (!event?.persisted) return;
      store?.reclaim();
      changed();
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
