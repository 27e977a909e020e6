/**
 * Opaque data as JSON, the same in every encoding.
 *
 * Bytes: JSON has no byte type, so v1 encodes them as `{"$bin": BASE64}`; v2 has a
 * native type. Programs pass and receive a Uint8Array with every transport and
 * encoding.
 *
 * Lone surrogates: a string of JavaScript may have one, but it has no UTF-8, so
 * that v2 cannot encode it. In both directions and in every encoding it is U+FFFD,
 * as the server writes it for readers of v2.
 * @module
 */
import { TurntableError } from "./error.js";
/**
 * Encodes a value as JSON.
 * @param {any} value
 * @returns {string}
 */
export declare function stringify(value: any): string;
/**
 * A value as opaque data; undefined is null. Throws a TurntableError for a function or a symbol:
 * JSON would leave it out, and nobody would notice.
 * @param {any} value
 * @param {string} command that has it
 * @returns {any}
 */
export declare function opaque(value: any, command: string): any;
/**
 * @param {string} command
 * @param {unknown} reason
 */
export declare function notJson(command: string, reason: unknown): TurntableError;
/**
 * Decodes JSON. Throws a SyntaxError for invalid input.
 * @param {string} given
 * @returns {any}
 */
export declare function parse(given: string): any;
/**
 * @param {Uint8Array} bytes
 * @returns {string} standard base64 with padding
 */
export declare function base64(bytes: Uint8Array): string;
/**
 * @param {string} text
 * @returns {Uint8Array} throws if the text is not base64
 */
export declare function bytesOf(text: string): Uint8Array;
