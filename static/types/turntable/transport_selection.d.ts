/**
 * Which transport to try next, in order of preference. A transport is proven
 * once a connection lasted and carried messages both ways. An attempt counts as
 * a failure of its transport only while the server can be reached by other
 * requests (`Reachability`): a server that is away says nothing about
 * transports. After two failures, or three of a proven transport, the next one
 * is tried, and after the last the first. Where a transport has worked and an attempt
 * gets no response, the server may be slow: the first such attempt gets all of its time,
 * and a second one. Failures are counted up to a connection that lasted long: something
 * between client and server may cut a transport after it has proven itself, each time. A
 * transport whose connections were cut too often is left for longer (`CutBudget`). No
 * timers, no network.
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
     * @param {number} [life_ms] how long the connection worked before it was lost
     * @param {number} [now] local ms
     */
    failed(final: boolean, life_ms?: number, now?: number): void;
    /**
     * Whether an attempt without a response says little, because the transport is proven and nothing has failed
     * since it last worked.
     */
    get trusted(): boolean;
    /** The transport lasted and carried messages both ways. */
    proved(): void;
    /** A connection lasted so long that its loss says nothing about the transport. */
    lasted(): void;
    /**
     * How long connections worked at most before they were lost. One that lives no longer shows nothing.
     * @param {number} index of a transport
     */
    life_ms(index: number): number;
    /**
     * Whether a transport was cut so often that it is not to be tried while another one works.
     * @param {number} index of a transport
     * @param {number} now local ms
     */
    rests(index: number, now: number): boolean;
    /** The network is another one: what it cuts is not known. */
    forget(): void;
    /**
     * A probe lasted. If connections over this transport worked and were cut, the next one that is cut
     * leads away again.
     * @param {number} index of the transport to use
     */
    probed(index: number): void;
    /** After an outage: selects the best proven transport, if there is one. */
    recover(): void;
    /** @param {number} index of the transport to use */
    use(index: number): void;
}
