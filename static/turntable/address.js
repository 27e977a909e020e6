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
  const target = parsed(url, base ?? globalThis.location?.href);
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new TypeError(`unsupported URL scheme: ${target.href} (supported: ws, wss, http, https)`);
  }
  // Browsers send no request to such an address, but WebSockets.
  if (target.username || target.password) throw new TypeError("the server's address must not have a user and a password");
  if (target.pathname.endsWith("/")) target.pathname += "ws";
  // WebSocket constructors reject a URL with a fragment.
  target.hash = "";
  return target.href;
}

/**
 * @param {string | URL | undefined} url
 * @param {string | undefined} base
 * @returns {URL}
 */
function parsed(url, base) {
  const text = String(url ?? "/ws");
  const example = "an address such as http://127.0.0.1:8080 or ws://127.0.0.1:8080/ws";
  // `localhost:8080` parses, with `localhost:` as its scheme.
  if (/^[^/?#:]+:\d+(?:[/?#]|$)/.test(text)) throw new TypeError(`http:// or ws:// is missing: ${text} (expected ${example})`);
  try {
    return new URL(text, base);
  } catch {
    throw new TypeError(url === undefined ? `the server's address is missing: outside of a page connect needs ${example}` : `not a URL: ${text} (expected ${example})`);
  }
}
