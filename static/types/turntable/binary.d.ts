/**
 * Bytes in opaque data. JSON has none, so they travel as `{"$bin": BASE64}`
 * (v2 has a type of its own for them); a program gives and gets a Uint8Array,
 * whatever door and whatever format its message came by.
 * @module
 */
/**
 * A value as JSON.
 * @param {any} value
 * @returns {string}
 */
export declare function stringify(value: any): string;
/**
 * JSON as a value; throws a SyntaxError.
 * @param {string} text
 * @returns {any}
 */
export declare function parse(text: string): any;
/**
 * @param {Uint8Array} bytes
 * @returns {string} standard base64 with padding
 */
export declare function base64(bytes: Uint8Array): string;
/**
 * @param {string} text
 * @returns {Uint8Array} throws where the text is no base64
 */
export declare function bytesOf(text: string): Uint8Array;
