/**
 * Ids of rooms and channels.
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
