/**
 * The server's address.
 * @module
 */
/**
 * Throws a TypeError if the query has a name of the protocol: it would be mistaken
 * for the library's own, by some transports only.
 * @param {string} url
 */
export declare function checkQuery(url: string): void;
/**
 * Normalizes an address to a WebSocket URL: http(s) becomes ws(s), `ws` is
 * appended to a path that ends with a slash, and a relative URL is resolved
 * against `base`. Path prefix and query remain. Throws a TypeError for other
 * schemes.
 * @param {string | URL | undefined} url
 * @param {string} [base]
 * @returns {string}
 */
export declare function socketUrl(url: string | URL | undefined, base?: string): string;
