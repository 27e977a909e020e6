/**
 * Requests that await their answers, by the ids that tie the two together, and
 * commands that are only heard of again where they are refused.
 * @module
 */
import { TurntableError } from "./error.js";
import type { Environment } from "./environment.js";
export type Request = {
    command: string;
    data: any;
    /**
     * whether somebody keeps it and asks again after a lost connection
     */
    kept: boolean;
    resolve: (data: any) => void;
    reject: (error: any) => void;
    timer?: any;
};
/** @import { Environment } from "./environment.js" */
/**
 * @typedef {object} Request
 * @property {string} command
 * @property {any} data
 * @property {boolean} kept whether somebody keeps it and asks again after a lost connection
 * @property {(data: any) => void} resolve
 * @property {(error: any) => void} reject
 * @property {any} [timer]
 */
/** What a kept request is rejected with when its connection is lost. */
export declare const INTERRUPTED: unique symbol;
export declare class Requests {
    #private;
    /**
     * @param {Environment} environment
     * @param {number} timeout_ms
     */
    constructor(environment: Environment, timeout_ms: number);
    /**
     * @param {number} id
     * @param {Request} request
     */
    add(id: number, request: Request): void;
    /**
     * A command that nothing answers but an error.
     * @param {number} id
     * @param {(error: TurntableError) => void} refused
     */
    watch(id: number, refused: (error: TurntableError) => void): void;
    /**
     * Gives the error to who sent what it refuses.
     * @param {any} id
     * @param {any} data of the `error`
     * @returns {boolean} whether there was somebody
     */
    refuse(id: any, data: any): boolean;
    /**
     * It has been sent: from now on its answer may take timeout_ms.
     * @param {number | undefined} id
     */
    sent(id: number | undefined): void;
    /**
     * The request of this id, which is no longer open.
     * @param {any} id
     * @returns {Request | undefined}
     */
    take(id: any): Request | undefined;
    /**
     * Gives the first request that fits its answer, where that came without an id.
     * @param {(request: {command: string, data: any}) => boolean} fits
     * @param {any} data
     * @returns {boolean} whether there was one
     */
    settle(fits: (request: {
        command: string;
        data: any;
    }) => boolean, data: any): boolean;
    /** The connection is lost: kept requests will be asked again. */
    interrupt(): void;
    /**
     * Their answers will not come any more.
     * @param {string} why
     * @param {Set<number | undefined>} [unsent] ids that are yet to be sent
     */
    abandon(why: string, unsent?: Set<number | undefined>): void;
}
