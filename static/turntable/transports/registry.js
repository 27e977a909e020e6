/**
 * The available transports by name, in default order of preference.
 * @module
 */

import { longpoll } from "./longpoll.js";
import { msgpack } from "./msgpack.js";
import { poll } from "./poll.js";
import { tunnel } from "./tunnel.js";
import { websocket } from "./websocket.js";

/** @import { Transport } from "./transport.js" */

/** @typedef {"websocket" | "tunnel" | "longpoll" | "poll"} TransportName */

/** @type {readonly TransportName[]} */
export const TRANSPORTS = ["websocket", "tunnel", "longpoll", "poll"];

/**
 * The platform interfaces that transports use, or the given replacements.
 * @param {{WebSocket?: any, EventSource?: any, fetch?: any}} [given] EventSource: null disables it
 */
export function platformOf(given = {}) {
  return {
    WebSocket: given.WebSocket ?? globalThis.WebSocket,
    EventSource: given.EventSource === undefined ? globalThis.EventSource : given.EventSource,
    // The browser's fetch requires the window as `this`.
    fetch: given.fetch ?? globalThis.fetch?.bind(globalThis),
  };
}

/**
 * Creates the named transports that the platform supports.
 * @param {object} options
 * @param {readonly string[]} options.names in order of preference
 * @param {string} options.encoding of WebSocket frames, "v1" or "v2"
 * @param {{heartbeat_ms?: number, number?: number}} options.poll
 * @param {{WebSocket: any, EventSource: any, fetch: any}} options.platform
 * @returns {Transport[]} throws a TypeError for an unknown name, or if none is supported
 */
export function createTransports({ names, encoding, poll: poll_options, platform }) {
  if (encoding !== "v1" && encoding !== "v2") throw new TypeError(`unknown encoding: ${encoding} (known: v1, v2)`);
  /** @type {Record<string, {transport: Transport, supported: boolean}>} */
  const known = {
    websocket: { transport: encoding === "v2" ? msgpack : websocket, supported: Boolean(platform.WebSocket) },
    tunnel: { transport: tunnel, supported: Boolean(platform.fetch) },
    longpoll: { transport: longpoll, supported: Boolean(platform.fetch) },
    poll: { transport: poll(poll_options), supported: Boolean(platform.fetch) },
  };
  for (const name of names) {
    if (!Object.hasOwn(known, name)) throw new TypeError(`unknown transport: ${name} (known: ${TRANSPORTS.join(", ")})`);
  }
  if (names.length === 0) throw new TypeError(`transports must not be empty (known: ${TRANSPORTS.join(", ")})`);
  const transports = [...new Set(names)].map((name) => known[name]).filter((row) => row?.supported).map((row) => /** @type {any} */ (row).transport);
  if (transports.length === 0) {
    throw new TypeError(`no supported transport among ${names.join(", ")}: pass a WebSocket constructor or a fetch function in the options`);
  }
  return transports;
}
