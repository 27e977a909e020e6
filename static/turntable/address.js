/**
 * The server's address.
 * @module
 */

/** Query names that the transports use themselves. */
const RESERVED = ["after", "attempt", "batch", "callback", "credentials", "d", "format", "id", "n", "new", "received", "session", "user"];

/**
 * Throws a TypeError if the query has a name of the protocol: it would be mistaken
 * for the library's own, by some transports only.
 * @param {string} url
 */
export function checkQuery(url) {
  const names = [...new URL(url).searchParams.keys()].filter((name) => RESERVED.includes(name));
  if (names.length === 0) return;
  throw new TypeError(`the query of the server's address has ${names.join(", ")}; the protocol uses these names: ${RESERVED.join(", ")}`);
}

/**
 * Normalizes an address to a WebSocket URL: http(s) becomes ws(s), `ws` is
 * appended to a path that ends with a slash, and a relative URL is resolved
 * against `base`. Path prefix and query remain. Throws a TypeError for other
 * schemes.
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
  if (target.pathname.endsWith("/")) target.pathname += "ws";
  // WebSocket constructors reject a URL with a fragment.
  target.hash = "";
  return target.href;
}
