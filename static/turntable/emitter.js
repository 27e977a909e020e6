/**
 * Typed events. An exception in a listener affects neither the other listeners
 * nor the library; it is reported as an uncaught error.
 * @module
 */

/** @template {Record<string, any>} Events */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => void>>} */
  #listeners = new Map();
  #muted = false;
  #gate;

  /**
   * @internal
   * @param {{closed: boolean}} [gate] shared by all emitters of a client; closed: nothing is emitted
   */
  constructor(gate) {
    this.#gate = gate;
  }

  /**
   * Adds a listener.
   * @template {keyof Events} K
   * @param {K} event
   * @param {(detail: Events[K]) => void} listener
   * @returns {() => void} removes the listener
   */
  on(event, listener) {
    if (typeof listener !== "function") throw new TypeError(`the listener of ${String(event)} must be a function, not ${typeof listener}`);
    const all = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, all);
    // A separate wrapper per call, so that one function can be added twice.
    const entry = (/** @type {Events[K]} */ detail) => listener(detail);
    all.add(entry);
    return () => {
      all.delete(entry);
    };
  }

  /**
   * Resolves with the next `event`.
   * @template {keyof Events} K
   * @param {K} event
   * @returns {Promise<Events[K]>}
   */
  once(event) {
    return new Promise((resolve) => {
      const stop = this.on(event, (detail) => {
        stop();
        resolve(detail);
      });
    });
  }

  /** @internal no listener is called any more, not even for an event that is being emitted */
  mute() {
    this.#muted = true;
  }

  /**
   * @internal
   * @param {keyof Events} event
   * @returns {boolean}
   */
  hasListeners(event) {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  /**
   * @internal
   * @template {keyof Events} K
   * @param {K} event
   * @param {Events[K]} detail
   */
  emit(event, detail) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      if (this.#muted || this.#gate?.closed) return;
      try {
        listener(detail);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
