/**
 * Ids of rooms and channels.
 * @module
 */

/**
 * The id without a leading slash, as the server normalizes it.
 * @param {string} channel
 */
export function normalizeId(channel) {
  return channel.startsWith("/") ? channel.slice(1) : channel;
}
