/**
 * Typed events. An exception in a listener affects neither the other listeners
 * nor the library; it is reported as an uncaught error.
 * @module
 */
/** @template {Record<string, any>} Events */
export declare class Emitter<Events extends Record<string, any>> {
    #private;
    /**
     * Adds a listener.
     * @template {keyof Events} K
     * @param {K} event
     * @param {(detail: Events[K]) => void} listener
     * @returns {() => void} removes the listener
     */
    on<K extends keyof Events>(event: K, listener: (detail: Events[K]) => void): () => void;
    /**
     * Resolves with the next `event`.
     * @template {keyof Events} K
     * @param {K} event
     * @returns {Promise<Events[K]>}
     */
    once<K extends keyof Events>(event: K): Promise<Events[K]>;
}
