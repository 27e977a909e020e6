/**
 * The address of the server, as it may be given and as it is used.
 * @module
 */

/**
 * The WebSocket address that `url` means: http(s) becomes ws(s), no path
 * becomes `/ws`, and what is missing is taken from `base`.
 * @param {string | URL | undefined} url
 * @param {string} [base]
 * @returns {string}
 */
export function socketUrl(url, base) {
  const location = globalThis.location;
  const target = new URL(url ?? "/ws", base ?? location?.href);
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new TypeError(`not an address of a turntable server: ${target.href} (ws, wss, http and https are)`);
  }
  if (target.pathname === "/") target.pathname = "/ws";
  // A WebSocket refuses an address with a fragment.
  target.hash = "";
  return target.href;
}
