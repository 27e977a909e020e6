/**
 * The doors by their names, best first, and which of them can be used here.
 * @module
 */

import { longpoll } from "./longpoll.js";
import { msgpack } from "./msgpack.js";
import { poll } from "./poll.js";
import { tunnel } from "./tunnel.js";
import { websocket } from "./websocket.js";

/** @import { Door } from "./door.js" */

/** @typedef {"websocket" | "tunnel" | "longpoll" | "poll"} DoorName */

/** @type {readonly DoorName[]} */
export const DOORS = ["websocket", "tunnel", "longpoll", "poll"];

/**
 * What the doors need of the platform, or others in its place.
 * @param {{WebSocket?: any, EventSource?: any, fetch?: any}} [given] EventSource: null for none
 */
export function platformOf(given = {}) {
  return {
    WebSocket: given.WebSocket ?? globalThis.WebSocket,
    EventSource: given.EventSource === undefined ? globalThis.EventSource : given.EventSource,
    // The browser's fetch must be called as a function of the window.
    fetch: given.fetch ?? globalThis.fetch?.bind(globalThis),
  };
}

/**
 * @param {object} options
 * @param {readonly string[]} options.names in the order in which they are tried
 * @param {string} options.wire
 * @param {{heartbeat_ms?: number, number?: number}} options.poll
 * @param {{WebSocket: any, EventSource: any, fetch: any}} options.platform
 * @returns {Door[]} throws a TypeError where there is none
 */
export function doorsOf({ names, wire, poll: polled, platform }) {
  if (wire !== "v1" && wire !== "v2") throw new TypeError(`not a wire format: ${wire} (v1 and v2 are)`);
  /** @type {Record<string, {door: Door, needs: boolean}>} */
  const known = {
    websocket: { door: wire === "v2" ? msgpack : websocket, needs: Boolean(platform.WebSocket) },
    tunnel: { door: tunnel, needs: Boolean(platform.fetch) },
    longpoll: { door: longpoll, needs: Boolean(platform.fetch) },
    poll: { door: poll(polled), needs: Boolean(platform.fetch) },
  };
  for (const name of names) {
    if (!Object.hasOwn(known, name)) throw new TypeError(`not a door: ${name} (${DOORS.join(", ")} are)`);
  }
  const doors = [...new Set(names)].map((name) => known[name]).filter((row) => row?.needs).map((row) => /** @type {any} */ (row).door);
  if (doors.length === 0) {
    throw new TypeError(`none of the doors ${names.join(", ")} can be used here: pass a WebSocket constructor, or fetch, in the options`);
  }
  return doors;
}
