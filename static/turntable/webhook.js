/**
 * Requests of the server to a program: their bodies, and the signature of webhooks as
 * Standard Webhooks have it (docs/webhooks.md).
 * @module
 */

import { TurntableError } from "./error.js";

/**
 * A request as Node's `http` has it.
 * @typedef {{url?: string, method?: string, headers: Record<string, any>} & AsyncIterable<Uint8Array>} HttpRequest
 */

/** The longest body that is read, in bytes. */
const BODY_MAX = 1_048_576;
/** The greatest age of an event's signature, s. */
const AGE_MAX = 300;

/**
 * @param {HttpRequest} request
 * @returns {Promise<string>}
 */
export async function readBody(request) {
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for await (const part of request) {
    size += part.length;
    if (size > BODY_MAX) throw new TurntableError("too_large", `a body has at most ${BODY_MAX} bytes`);
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * Whether an event is one of the server, and not an old one that somebody sends again.
 * @param {string} secret `whsec_` and base64
 * @param {Record<string, any>} headers
 * @param {string} body
 * @param {number} [now] Unix s
 * @returns {Promise<boolean>}
 */
export async function verify(secret, headers, body, now = Date.now() / 1000) {
  const { "webhook-id": id, "webhook-timestamp": second, "webhook-signature": signatures } = headers;
  if (!id || !second || !signatures || !(Math.abs(now - Number(second)) <= AGE_MAX)) return false;
  const bytes = fromBase64(secret.slice("whsec_".length));
  const { subtle } = globalThis.crypto;
  const key = await subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signed = new TextEncoder().encode(`${id}.${second}.${body}`);
  for (const one of String(signatures).split(" ")) {
    const [version, code = ""] = one.split(",");
    if (version === "v1" && (await subtle.verify("HMAC", key, fromBase64(code), signed))) return true;
  }
  return false;
}

/**
 * Whether a request has `Authorization: Bearer` with this token.
 * @param {string} token
 * @param {Record<string, any>} headers
 * @returns {Promise<boolean>}
 */
export async function isBearer(token, { authorization }) {
  const [, given] = /^Bearer +(.*)$/i.exec(authorization ?? "") ?? [];
  if (given === undefined) return false;
  // Codes of the same length: the time says nothing about the token.
  const { subtle } = globalThis.crypto;
  const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);
  const key = await subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  return subtle.verify("HMAC", key, await subtle.sign("HMAC", key, bytes(token)), bytes(given));
}

/**
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>} empty if it is no base64
 */
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
