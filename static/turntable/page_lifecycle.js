/**
 * The lifecycle of the page that runs the client, if there is one: network
 * available, page visible, page hidden or restored.
 * @module
 */

/** @import { SessionStore } from "./session_store.js" */

export class PageLifecycle {
  /** @type {(() => void)[]} */
  #removers = [];

  /**
   * @param {() => void} reconnect called when an immediate connection attempt is likely to succeed
   * @param {SessionStore | undefined} store
   */
  constructor(reconnect, store) {
    this.#listen(globalThis, "online", reconnect);
    this.#listen(globalThis.document, "visibilitychange", () => {
      if (globalThis.document?.visibilityState === "visible") reconnect();
    });
    if (!store) return;
    this.#listen(globalThis, "pagehide", () => store.release());
    this.#listen(globalThis, "pageshow", (event) => {
      if (event?.persisted) store.reclaim();
    });
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
