/**
 * Bytes in opaque data. JSON has no byte type, so v1 encodes them as
 * `{"$bin": BASE64}`; v2 has a native type. Programs pass and receive a
 * Uint8Array with every transport and encoding.
 * @module
 */

/** A text without either contains no bytes and is parsed without a reviver. */
const MARKS = ['"$bin"', "\\u00"];

/**
 * Encodes a value as JSON.
 * @param {any} value
 * @returns {string}
 */
export function stringify(value) {
  return JSON.stringify(value, replace);
}

/**
 * Decodes JSON. Throws a SyntaxError for invalid input.
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  return MARKS.some((mark) => text.includes(mark)) ? JSON.parse(text, revive) : JSON.parse(text);
}

/**
 * @param {Uint8Array} bytes
 * @returns {string} standard base64 with padding
 */
export function base64(bytes) {
  let characters = "";
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}

/**
 * @param {string} text
 * @returns {Uint8Array} throws if the text is not base64
 */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/**
 * `this[key]` is the value before its `toJSON`, which Node's Buffer has.
 * @this {any}
 * @param {string} key
 * @param {any} value
 */
function replace(key, value) {
  const given = this[key];
  if (typeof given !== "object" || given === null) return value;
  if (ArrayBuffer.isView(given)) return { $bin: base64(new Uint8Array(given.buffer, given.byteOffset, given.byteLength)) };
  if (given instanceof ArrayBuffer) return { $bin: base64(new Uint8Array(given)) };
  return value;
}

/**
 * @param {string} _key
 * @param {any} value
 */
function revive(_key, value) {
  if (typeof value !== "object" || value === null || typeof value.$bin !== "string" || Object.keys(value).length !== 1) return value;
  try {
    const bytes = bytesOf(value.$bin);
    // Anything but canonical base64 stays an object, as in v2.
    return base64(bytes) === value.$bin ? bytes : value;
  } catch {
    return value;
  }
}
