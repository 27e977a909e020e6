/**
 * Ids of rooms, channels and users.
 * @module
 */
import { TurntableError } from "./error.js";
/**
 * The id without a leading slash, as the server normalizes it.
 * @param {string} channel
 */
export declare function normalizeId(channel: string): string;
/**
 * What is wrong with an argument that should be an id.
 * @param {any} channel
 * @param {string} command
 * @returns {TurntableError | undefined} undefined: it is a string
 */
export declare function wrongId(channel: any, command: string): TurntableError | undefined;
/**
 * What is wrong with an argument that should list users. A string would be taken
 * character by character.
 * @param {any} ids
 * @returns {TypeError | undefined} undefined: it is an array
 */
export declare function wrongUsers(ids: any): TypeError | undefined;
/**
 * Throws a TypeError unless the argument is an array, as a list of users is.
 * @param {any} ids
 */
export declare function checkUsers(ids: any): void;
