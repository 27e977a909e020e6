/**
 * The user id `realm:name` of this browser, stored in localStorage. `?user=`
 * overrides it for one tab, so that one browser can run two players; links
 * created here keep the override.
 */

const KEY = "turntable.user";
const USER = /^[A-Za-z0-9_-]{1,32}:[^\s\p{Cc}]+$/u;

/**
 * Whether a user id is well formed (docs/protocol.md, ids).
 * @param {unknown} id
 * @returns {id is string}
 */
export function isUser(id) {
  if (typeof id !== "string" || !USER.test(id)) return false;
  return new TextEncoder().encode(id.slice(id.indexOf(":") + 1)).length <= 128;
}

/** A random id of the demo realm; five digits are easy to dictate. */
export function randomUser() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return `1:${10000 + (number % 90000)}`;
}

/** The user id in the address of this tab; null if there is no valid one. */
export function userFromAddress() {
  const user = new URLSearchParams(location.search).get("user");
  return isUser(user) ? user : null;
}

/** The id to connect with; the first visit creates and stores one. */
export function currentUser() {
  const given = userFromAddress();
  if (given) return given;
  const stored = read(KEY);
  if (isUser(stored)) return stored;
  const user = randomUser();
  write(KEY, user);
  return user;
}

/**
 * Stores a new id for this browser. Throws a TypeError if it is malformed.
 * @param {string} user
 */
export function storeUser(user) {
  if (!isUser(user)) throw new TypeError("a user id is realm:name, for example 1:12345");
  write(KEY, user);
}

/**
 * A URL relative to this page. It keeps `?user=` and `?transport=` of this page
 * unless the parameters set them.
 * @param {string} path
 * @param {Record<string, string|null|undefined>} [parameters]  null removes one
 */
export function link(path, parameters = {}) {
  const url = new URL(path, location.href);
  const user = userFromAddress();
  if (user) url.searchParams.set("user", user);
  const transport = new URLSearchParams(location.search).get("transport");
  if (transport) url.searchParams.set("transport", transport);
  for (const [key, value] of Object.entries(parameters)) {
    if (value === null || value === undefined) url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  return url.href;
}

/**
 * Reads from localStorage. If the browser denies access (private window,
 * policy), the result is null and nothing is stored.
 * @param {string} key
 */
export function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
export function write(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Access is denied; the value is used until the page is closed.
  }
}
