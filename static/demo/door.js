/**
 * By which door a page reaches the server: `?door=` of its address, which its
 * links carry along, or else the best that works.
 */

import { byId, element } from "./element.js";
import { link } from "./identity.js";

/**
 * @typedef {{label: string, options: {transports?: string[], encoding?: string, poll?: {heartbeat_ms: number}}}} Way
 * @type {Record<string, Way>}
 */
export const WAYS = {
  auto: { label: "the best that works", options: {} },
  websocket: { label: "WebSocket v1 (JSON)", options: { transports: ["websocket"], encoding: "v1" } },
  "websocket-v2": { label: "WebSocket v2 (MessagePack)", options: { transports: ["websocket"], encoding: "v2" } },
  sse: { label: "SSE tunnel", options: { transports: ["tunnel"] } },
  longpoll: { label: "long poll tunnel", options: { transports: ["longpoll"] } },
  // The pages show what others do, so they ask.
  poll: { label: "poll", options: { transports: ["poll"], poll: { heartbeat_ms: 1000 } } },
};

/** The name of the way that the address asks for. */
export function wayOfAddress() {
  const door = new URLSearchParams(location.search).get("door") ?? "auto";
  return Object.hasOwn(WAYS, door) ? door : "auto";
}

/**
 * Fills `#door`, a select; choosing opens the page anew by that door.
 * @param {any} tt
 */
export function openDoorChoice(tt) {
  const select = byId("door");
  const way = wayOfAddress();
  select.append(...Object.entries(WAYS).map(([name, { label }]) => element("option", { value: name, selected: name === way }, label)));
  select.addEventListener("change", () => location.assign(link(location.href, { door: select.value === "auto" ? null : select.value })));
  const show = () => (byId("door-in-use").textContent = tt.transport ? `in use: ${tt.transport}` : "");
  tt.on("transport", show);
  show();
}
