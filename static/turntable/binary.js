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

/** A text without either contains no bytes and is parsed without a reviver. */
const MARKS = ['"$bin"', "\\u00"];

/** An escape: of a surrogate pair, of a lone surrogate, or any other. */
const ESCAPE = /\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|u(d[89a-f][0-9a-f]{2})|[^])/gi;

/**
 * Encodes a value as JSON.
 * @param {any} value
 * @returns {string}
 */
export function stringify(value) {
  return wellFormed(JSON.stringify(value, replace));
}

/**
 * A value as opaque data; undefined is null. Throws a TurntableError for a function or a symbol:
 * JSON would leave it out, and nobody would notice.
 * @param {any} value
 * @param {string} command that has it
 * @returns {any}
 */
export function opaque(value, command) {
  const type = typeof value;
  if (type === "function" || type === "symbol") throw notJson(command, `a ${type} is not a value of JSON`);
  return value ?? null;
}

/**
 * @param {string} command
 * @param {unknown} reason
 */
export function notJson(command, reason) {
  // Engines draw the circle of an object in further lines.
  const [line] = String(reason instanceof Error ? reason.message : reason).split("\n", 1);
  return new TurntableError("bad_message", `the data cannot be written as JSON: ${line}`, { command });
}

/**
 * Replaces the escapes of lone surrogates by U+FFFD. (JSON.stringify escapes them,
 * and the UTF-8 of a received text has none.)
 * @param {string} json
 * @returns {string}
 */
function wellFormed(json) {
  if (json === undefined || !/\\u[dD]/.test(json)) return json;
  return json.replace(ESCAPE, (escape, _high, _low, lone) => (lone === undefined ? escape : "\ufffd"));
}

/**
 * Decodes JSON. Throws a SyntaxError for invalid input.
 * @param {string} given
 * @returns {any}
 */
export function parse(given) {
  const text = wellFormed(given);
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
