/**
 * Parses text/event-stream (HTML standard, section 9.2.6) on platforms without
 * EventSource. Bytes in, events out; no timers, no network.
 * @module
 */
export type StreamEvent = {
    type: string;
    data: string;
    id: string;
};
/** @typedef {{type: string, data: string, id: string}} StreamEvent */
export declare class EventStream {
    #private;
    /**
     * @param {Uint8Array} bytes
     * @returns {StreamEvent[]} the events that are now complete
     */
    push(bytes: Uint8Array): StreamEvent[];
}
