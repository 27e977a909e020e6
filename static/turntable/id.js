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

/** A lone surrogate has no UTF-8: the server would know the id by another name. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * What is wrong with an argument that should be an id.
 * @param {any} channel
 * @param {string} command
 * @returns {TurntableError | undefined} undefined: it is a string that has UTF-8
 */
export function wrongId(channel, command) {
  if (typeof channel === "string") {
    if (!LONE_SURROGATE.test(channel)) return undefined;
    return new TurntableError("invalid_id", `the id of a room or the path of a channel has a lone surrogate: ${JSON.stringify(channel)}`, { command });
  }
  return new TurntableError("invalid_id", `the id of a room or the path of a channel is a string, not ${channel === null ? "null" : typeof channel}`, { command });
}

/**
 * What is wrong with an argument that should list users. A string would be taken
 * character by character.
 * @param {any} ids
 * @returns {TypeError | undefined} undefined: it is an array, and what it has may be ids
 */
export function wrongUsers(ids) {
  if (!Array.isArray(ids)) return new TypeError("users must be an array of ids");
  for (const id of ids) {
    const wrong = wrongUser(id);
    if (wrong) return wrong;
  }
  return undefined;
}

/**
 * What is wrong with the id of a user. The server says what else is.
 * @param {any} id
 * @returns {TypeError | undefined}
 */
export function wrongUser(id) {
  if (typeof id !== "string" || !LONE_SURROGATE.test(id)) return undefined;
  return new TypeError(`the id of a user has a lone surrogate: ${JSON.stringify(id)}`);
}

/**
 * Throws a TypeError unless the argument is a list of users.
 * @param {any} ids
 */
export function checkUsers(ids) {
  const wrong = wrongUsers(ids);
  if (wrong) throw wrong;
}
