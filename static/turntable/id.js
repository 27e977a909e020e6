/**
 * Ids of rooms and channels.
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
