/**
 * The server's address.
 * @module
 */

/**
 * Normalizes an address to a WebSocket URL: http(s) becomes ws(s), an empty path
 * becomes `/ws`, and a relative URL is resolved against `base`. Throws a
 * TypeError for other schemes.
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
    throw new TypeError(`unsupported URL scheme: ${target.href} (supported: ws, wss, http, https)`);
  }
  if (target.pathname === "/") target.pathname = "/ws";
  // WebSocket constructors reject a URL with a fragment.
  target.hash = "";
  return target.href;
}
