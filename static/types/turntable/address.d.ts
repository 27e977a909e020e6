/**
 * The server's address.
 * @module
 */
/**
 * Normalizes an address to a WebSocket URL: http(s) becomes ws(s), an empty path
 * becomes `/ws`, and a relative URL is resolved against `base`. Throws a
 * TypeError for other schemes.
 * @param {string | URL | undefined} url
 * @param {string} [base]
 * @returns {string}
 */
export declare function socketUrl(url: string | URL | undefined, base?: string): string;
