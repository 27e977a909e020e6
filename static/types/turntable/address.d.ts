/**
 * The address of the server, as it may be given and as it is used.
 * @module
 */
/**
 * The WebSocket address that `url` means: http(s) becomes ws(s), no path
 * becomes `/ws`, and what is missing is taken from `base`.
 * @param {string | URL | undefined} url
 * @param {string} [base]
 * @returns {string}
 */
export declare function socketUrl(url: string | URL | undefined, base?: string): string;
