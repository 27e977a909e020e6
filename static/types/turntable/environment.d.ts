/**
 * What the library takes from the world around it: timers, clocks, chance.
 * Tests pass their own and need not sleep.
 * @module
 */
export type Environment = {
    setTimeout: (fn: () => void, ms: number) => any;
    clearTimeout: (timer: any) => void;
    /**
     * 0 up to, but not, 1
     */
    random: () => number;
    /**
     * ms on a clock that never steps, whatever its epoch
     */
    local: () => number;
    /**
     * Unix ms of the machine
     */
    unix: () => number;
};
/**
 * @typedef {object} Environment
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random 0 up to, but not, 1
 * @property {() => number} local ms on a clock that never steps, whatever its epoch
 * @property {() => number} unix Unix ms of the machine
 */
/**
 * @param {Partial<Environment>} [given]
 * @returns {Environment}
 */
export declare function environment(given?: Partial<Environment>): Environment;
