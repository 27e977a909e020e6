/**
 * Ids of rooms, channels and users.
 * @module
 */

import { TurntableError } from "./error.js";

/**
 * The id without a leading slash, as the server normalizes it.
 * @param {string} channel
 */
export function normalizeId(channel) {
  return channel.startsWith("/") ? channel.slice(1) : channel;
}

/**
 * What is wrong with an argument that should be an id.
 * @param {any} channel
 * @param {string} command
 * @returns {TurntableError | undefined} undefined: it is a string
 */
export function wrongId(channel, command) {
  if (typeof channel === "string") return undefined;
  return new TurntableError("invalid_id", `the id of a room or the path of a channel is a string, not ${channel === null ? "null" : typeof channel}`, { command });
}

/**
 * What is wrong with an argument that should list users. A string would be taken
 * character by character.
 * @param {any} ids
 * @returns {TypeError | undefined} undefined: it is an array
 */
export function wrongUsers(ids) {
  return Array.isArray(ids) ? undefined : new TypeError("users must be an array of ids");
}

/**
 * Throws a TypeError unless the argument is an array, as a list of users is.
 * @param {any} ids
 */
export function checkUsers(ids) {
  const wrong = wrongUsers(ids);
  if (wrong) throw wrong;
}
