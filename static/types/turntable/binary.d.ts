/**
 * Bytes in opaque data. JSON has no byte type, so v1 encodes them as
 * `{"$bin": BASE64}`; v2 has a native type. Programs pass and receive a
 * Uint8Array with every transport and encoding.
 * @module
 */
/**
 * Encodes a value as JSON.
 * @param {any} value
 * @returns {string}
 */
export declare function stringify(value: any): string;
/**
 * Decodes JSON. Throws a SyntaxError for invalid input.
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
 * @returns {Uint8Array} throws if the text is not base64
 */
export declare function bytesOf(text: string): Uint8Array;
