/**
 * The page that the client lives in, where there is one: it tells when the
 * network is back, when it is looked at again, and when it goes.
 * @module
 */

/** @import { Memory } from "./memory.js" */

export class Page {
  /** @type {(() => void)[]} */
  #unlisten = [];

  /**
   * @param {() => void} hurry called when it is worth trying to connect at once
   * @param {Memory | undefined} memory what outlives the page
   */
  constructor(hurry, memory) {
    this.#attach(globalThis, "online", hurry);
    this.#attach(globalThis.document, "visibilitychange", () => {
      if (globalThis.document?.visibilityState === "visible") hurry();
    });
    if (!memory) return;
    this.#attach(globalThis, "pagehide", () => memory.release());
    this.#attach(globalThis, "pageshow", (event) => {
      if (event?.persisted) memory.retake();
    });
  }

  /** Listens no more. */
  end() {
    for (const stop of this.#unlisten.splice(0)) stop();
  }

  /**
   * @param {any} target
   * @param {string} event
   * @param {(event?: any) => void} listener
   */
  #attach(target, event, listener) {
    if (typeof target?.addEventListener !== "function") return;
    target.addEventListener(event, listener);
    this.#unlisten.push(() => target.removeEventListener(event, listener));
  }
}
