/**
 * The transport of a page: `?transport=` of its address, which its links keep,
 * or by default the first transport that works.
 */

import { byId, element } from "./dom.js";
import { link } from "./identity.js";

/**
 * @typedef {{label: string, options: {transports?: string[], encoding?: string, poll?: {heartbeat_ms: number}}}} Choice
 * @type {Record<string, Choice>}
 */
export const TRANSPORTS = {
  auto: { label: "automatic", options: {} },
  websocket: { label: "WebSocket v1 (JSON)", options: { transports: ["websocket"], encoding: "v1" } },
  "websocket-v2": { label: "WebSocket v2 (MessagePack)", options: { transports: ["websocket"], encoding: "v2" } },
  sse: { label: "tunnel (server-sent events)", options: { transports: ["tunnel"] } },
  longpoll: { label: "tunnel (long polling)", options: { transports: ["longpoll"] } },
  // The pages show other users' events, so they poll at an interval.
  poll: { label: "poll", options: { transports: ["poll"], poll: { heartbeat_ms: 1000 } } },
};

/** The transport named in the address; "auto" if it names none. */
export function transportFromAddress() {
  const name = new URLSearchParams(location.search).get("transport") ?? "auto";
  return Object.hasOwn(TRANSPORTS, name) ? name : "auto";
}

/**
 * Fills the select `#transport`; a choice reloads the page with that transport.
 * @param {any} tt
 */
export function showTransportChoice(tt) {
  const select = byId("transport");
  const current = transportFromAddress();
  select.append(...Object.entries(TRANSPORTS).map(([name, { label }]) => element("option", { value: name, selected: name === current }, label)));
  select.addEventListener("change", () => location.assign(link(location.href, { transport: select.value === "auto" ? null : select.value })));
  const show = () => (byId("transport-in-use").textContent = tt.transport ? `in use: ${tt.transport}` : "");
  tt.on("transport", show);
  show();
}
