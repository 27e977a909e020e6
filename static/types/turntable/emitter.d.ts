/**
 * Events with typed details. A listener that throws harms neither the other
 * listeners nor the library: its error is reported as an uncaught one.
 * @module
 */
/** @template {Record<string, any>} Events */
export declare class Emitter<Events extends Record<string, any>> {
    #private;
    /**
     * Calls `listener` with each `event` from now on.
     * @template {keyof Events} K
     * @param {K} event
     * @param {(detail: Events[K]) => void} listener
     * @returns {() => void} stops it
     */
    on<K extends keyof Events>(event: K, listener: (detail: Events[K]) => void): () => void;
    /**
     * The next `event`.
     * @template {keyof Events} K
     * @param {K} event
     * @returns {Promise<Events[K]>}
     */
    once<K extends keyof Events>(event: K): Promise<Events[K]>;
}
