/**
 * Ids of rooms and channels.
 * @module
 */
/**
 * The id without a leading slash, as the server normalizes it.
 * @param {string} channel
 */
export declare function normalizeId(channel: string): string;
