/**
 * Timers, clocks and random numbers. Tests replace them, so that they need not
 * wait for real time.
 * @module
 */
export type Environment = {
    setTimeout: (fn: () => void, ms: number) => any;
    clearTimeout: (timer: any) => void;
    /**
     * from 0 (inclusive) to 1 (exclusive)
     */
    random: () => number;
    /**
     * ms of a monotonic clock with an arbitrary epoch
     */
    local: () => number;
    /**
     * the system time in Unix ms
     */
    unix: () => number;
};
/**
 * @param {Partial<Environment>} [given]
 * @returns {Environment}
 */
export declare function environment(given?: Partial<Environment>): Environment;
