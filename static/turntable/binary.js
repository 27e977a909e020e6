/**
 * Bytes in opaque data. JSON has none, so they travel as `{"$bin": BASE64}`
 * (v2 has a type of its own for them); a program gives and gets a Uint8Array,
 * whatever door and whatever format its message came by.
 * @module
 */

/** The mark without which a text holds no bytes, so that most are parsed fast. */
const MARK = '"$bin"';

/**
 * A value as JSON.
 * @param {any} value
 * @returns {string}
 */
export function stringify(value) {
  return JSON.stringify(value, replace);
}

/**
 * JSON as a value; throws a SyntaxError.
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  return text.includes(MARK) ? JSON.parse(text, revive) : JSON.parse(text);
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
 * @returns {Uint8Array} throws where the text is no base64
 */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/**
 * `this` holds the value as it was before a toJSON of its own (Node's Buffer
 * has one).
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
    return bytesOf(value.$bin);
  } catch {
    return value;
  }
}
