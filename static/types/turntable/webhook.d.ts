/**
 * Requests of the server to a program: their bodies, and the signature of webhooks as
 * Standard Webhooks have it (docs/webhooks.md).
 * @module
 */
export type HttpRequest = {
    url?: string;
    method?: string;
    headers: Record<string, any>;
} & AsyncIterable<Uint8Array>;
/**
 * @param {HttpRequest} request
 * @returns {Promise<string>}
 */
export declare function readBody(request: HttpRequest): Promise<string>;
/**
 * Whether an event is one of the server, and not an old one that somebody sends again.
 * @param {string} secret `whsec_` and base64
 * @param {Record<string, any>} headers
 * @param {string} body
 * @param {number} [now] Unix s
 * @returns {Promise<boolean>}
 */
export declare function verify(secret: string, headers: Record<string, any>, body: string, now?: number): Promise<boolean>;
/**
 * Whether a request has `Authorization: Bearer` with this token.
 * @param {string} token
 * @param {Record<string, any>} headers
 * @returns {Promise<boolean>}
 */
export declare function isBearer(token: string, { authorization }: Record<string, any>): Promise<boolean>;
