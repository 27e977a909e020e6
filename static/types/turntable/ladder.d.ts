/**
 * Which door to try next, best first. A door at which no sign of the server
 * came twice is left for the next one; one that has worked is given more
 * patience, for then it is rather the server that is away. After the last
 * comes the first again. No time, no network.
 * @module
 */
export declare class Ladder {
    #private;
    /** The place of the door to try. */
    index: number;
    /** @param {number} count of doors */
    constructor(count: number);
    /**
     * No sign of the server came by this door.
     * @param {boolean} hopeless whether another try is of no use
     */
    failed(hopeless: boolean): void;
    /**
     * A door has worked, this one if none is named.
     * @param {number} [index]
     */
    worked(index?: number): void;
}
