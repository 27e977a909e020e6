/**
 * Which transport to try next, in order of preference. A transport is proven
 * once a connection lasted and carried messages both ways. An attempt counts as
 * a failure of its transport only while the server can be reached by other
 * requests (`Reachability`): a server that is away says nothing about
 * transports. After two failures, or three of a proven transport, the next one
 * is tried, and after the last the first. No timers, no network.
 * @module
 */
export declare class TransportSelection {
    #private;
    /** Index of the transport to try. */
    index: number;
    /** @param {number} count of transports */
    constructor(count: number);
    /**
     * The transport failed although the server can be reached.
     * @param {boolean} final whether further attempts are useless
     */
    failed(final: boolean): void;
    /** The transport lasted and carried messages both ways. */
    proved(): void;
    /** After an outage: selects the best proven transport, if there is one. */
    recover(): void;
    /** @param {number} index of the transport to use */
    use(index: number): void;
}
