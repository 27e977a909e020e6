/**
 * Why a connection was lost, and what follows.
 * @module
 */

import { CLOSE_CODES } from "./codes.js";
import { LOST } from "./transports/transport.js";

/** @import { TurntableError } from "./error.js" */

/**
 * @typedef {object} Disconnection
 * @property {number} code the close code; 1006 if no close frame was received
 * @property {string} reason its name in CLOSE_CODES, "lost" or "moved"
 * @property {string} text the server's explanation, if any
 * @property {boolean} resume whether the session can be resumed
 * @property {number | undefined} retry_ms time until the next attempt, at most; undefined: no further attempt
 */

/** The library's close code for a move to another server; 1000 would end the session. */
export const MOVED = 4000;
export const REPLACED = 4002;
const KICKED = 4005;
export const HEARTBEAT_MISSED = 4008;
/** Reasons of a `forbidden` with which the server keeps a user out: it closes with 4005 then. */
const REMOVED = new Set(["kicked", "banned"]);
/** @type {Record<number, string>} */
const REASONS = { [MOVED]: "moved", [LOST]: "lost" };

/**
 * Whether the client connects again after a close code; after an unknown one it does.
 * @param {number} code
 */
export function reconnects(code) {
  return CLOSE_CODES[code]?.reconnect ?? true;
}

/**
 * @param {number} code
 * @param {string} text
 * @param {number | undefined} retry_ms
 * @returns {Disconnection}
 */
export function disconnection(code, text, retry_ms) {
  const row = CLOSE_CODES[code];
  return { code, reason: REASONS[code] ?? row?.name ?? "lost", text, resume: row?.resume ?? true, retry_ms };
}

/**
 * The end of an identification that was refused for good, with the code with which the server
 * closes such a connection. An error that no close code is named after has that of the client's
 * own close.
 * @param {TurntableError} error
 * @returns {{code: number, reason: string}}
 */
export function refusal({ code: name, details }) {
  if (name === "forbidden" && REMOVED.has(details?.reason)) return { code: KICKED, reason: "kicked" };
  const [code = 1000] = Object.keys(CLOSE_CODES).filter((one) => CLOSE_CODES[Number(one)]?.name === name);
  return { code: Number(code), reason: name };
}
