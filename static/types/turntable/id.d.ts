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
 * @returns {TurntableError | undefined} undefined: it is a string that has UTF-8
 */
export declare function wrongId(channel: any, command: string): TurntableError | undefined;
/**
 * What is wrong with an argument that should list users. A string would be taken
 * character by character.
 * @param {any} ids
 * @returns {TypeError | undefined} undefined: it is an array, and what it has may be ids
 */
export declare function wrongUsers(ids: any): TypeError | undefined;
/**
 * What is wrong with the id of a user. The server says what else is.
 * @param {any} id
 * @returns {TypeError | undefined}
 */
export declare function wrongUser(id: any): TypeError | undefined;
/**
 * Throws a TypeError unless the argument is a list of users.
 * @param {any} ids
 */
export declare function checkUsers(ids: any): void;
