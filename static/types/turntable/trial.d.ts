/**
 * What is known of one transport connection: whether the server has responded on it,
 * and whether it has proven its transport. It has when it carried messages both ways and
 * was not cut soon. One that lasted much longer is not cut by its age.
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
    /** Whether the connection worked so long that its loss says nothing about its transport. */
    lasted: boolean;
    /**
     * @param {Environment} environment
     * @param {{proved: () => void, lasted: () => void}} hooks each is called once at most
     */
    constructor(environment: Environment, { proved, lasted }: {
        proved: () => void;
        lasted: () => void;
    });
    /** How long ago the connection was opened, in ms. */
    get age_ms(): number;
    /** How long the session has used the connection, in ms. */
    get life_ms(): number;
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
