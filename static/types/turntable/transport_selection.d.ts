/**
 * Which transport to try next, in order of preference. After two attempts
 * without a response from the server the next transport is tried. A transport
 * that has worked gets more attempts, because then the server is more likely to
 * be down than the transport to be blocked. After the last transport follows
 * the first. No timers, no network.
 * @module
 */
export declare class TransportSelection {
    #private;
    /** Index of the transport to try. */
    index: number;
    /** @param {number} count of transports */
    constructor(count: number);
    /**
     * The server did not respond by this transport.
     * @param {boolean} final whether further attempts are useless
     */
    failed(final: boolean): void;
    /**
     * A transport works.
     * @param {number} [index] the current one if omitted
     */
    succeeded(index?: number): void;
}
