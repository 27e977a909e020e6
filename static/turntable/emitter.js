/**
 * Events with typed details. A listener that throws harms neither the other
 * listeners nor the library: its error is reported as an uncaught one.
 * @module
 */

/** @template {Record<string, any>} Events */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => void>>} */
  #listeners = new Map();

  /**
   * Calls `listener` with each `event` from now on.
   * @template {keyof Events} K
   * @param {K} event
   * @param {(detail: Events[K]) => void} listener
   * @returns {() => void} stops it
   */
  on(event, listener) {
    const all = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, all);
    // A wrapper of its own, so that one function may listen twice.
    const entry = (/** @type {Events[K]} */ detail) => listener(detail);
    all.add(entry);
    return () => {
      all.delete(entry);
    };
  }

  /**
   * The next `event`.
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

  /**
   * @internal
   * @param {keyof Events} event
   * @returns {boolean} whether anybody listens
   */
  heeds(event) {
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
