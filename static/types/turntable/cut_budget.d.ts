/**
 * How often connections over one transport were cut, and how long the transport is left
 * therefore. Something between client and server may cut every connection at an age that
 * no probe reaches: each return to such a transport costs another cut. A transport that
 * was left although its connections worked rests after a number of cuts, and longer each
 * time if the first connection after a rest is cut as well. No timers, no network.
 * @module
 */
export declare class CutBudget {
    #private;
    /**
     * A connection that worked was cut.
     * @param {number} now local ms
     */
    cut(now: number): void;
    /**
     * The transport is left for another one.
     * @param {number} now local ms
     */
    left(now: number): void;
    /**
     * Whether the transport is not to be tried while another one works.
     * @param {number} now local ms
     */
    rests(now: number): boolean;
}
