/**
 * What is known of one transport connection: whether the server has responded on it,
 * and whether it has proven its transport. It has when it lasted and carried messages
 * both ways.
 * @module
 */
import type { Environment } from "./environment.js";
export declare class Trial {
    #private;
    /** Local ms at which the connection was opened. @readonly */
    readonly opened_at: number;
    /** Whether the server has responded. */
    responded: boolean;
    /** Whether the server answered other requests but not this attempt. */
    reached: boolean;
    proven: boolean;
    /**
     * @param {Environment} environment
     * @param {() => void} proved called once
     */
    constructor(environment: Environment, proved: () => void);
    /** How long ago the connection was opened, in ms. */
    get age_ms(): number;
    /** Whether something was written, and nothing came back. */
    get one_way(): boolean;
    /** A command was written. */
    wrote(): void;
    /** A message was received. */
    received(): void;
    /**
     * The session has its welcome.
     * @param {boolean} push whether the transport has to show that it can send at any time
     */
    welcomed(push: boolean): void;
    /** The connection is over. */
    end(): void;
}
