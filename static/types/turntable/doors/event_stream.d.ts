/**
 * Reads text/event-stream as the HTML standard says (section 9.2.6), for where
 * there is no EventSource. Bytes in, events out; no time, no network.
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
     * @returns {StreamEvent[]} those that are complete now
     */
    push(bytes: Uint8Array): StreamEvent[];
}
