/**
 * Who this browser is: a user id `realm:name`, kept in localStorage so that a
 * reload is the same person. `?user=` overrides it for one tab, which is how
 * two players fit into one browser; links made here carry the override along.
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

/** A fresh id of the demo realm, five digits so that it can be read out aloud. */
export function randomUser() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return `1:${10000 + (number % 90000)}`;
}

/** The override of this tab, if its address has a valid one. */
export function override() {
  const user = new URLSearchParams(location.search).get("user");
  return isUser(user) ? user : null;
}

/** The id to connect with; makes and keeps one at the first visit. */
export function currentUser() {
  const own = override();
  if (own) return own;
  const stored = read(KEY);
  if (isUser(stored)) return stored;
  const user = randomUser();
  write(KEY, user);
  return user;
}

/**
 * Keeps a new id for this browser.
 * @param {string} user
 */
export function storeUser(user) {
  if (!isUser(user)) throw new TypeError("a user id is realm:name, for example 1:12345");
  write(KEY, user);
}

/**
 * An address relative to this page, with parameters; a `?user=` override and a
 * `?door=` are carried along unless the parameters name them themselves.
 * @param {string} path
 * @param {Record<string, string|null|undefined>} [parameters]  null leaves one out
 */
export function link(path, parameters = {}) {
  const url = new URL(path, location.href);
  const own = override();
  if (own) url.searchParams.set("user", own);
  const door = new URLSearchParams(location.search).get("door");
  if (door) url.searchParams.set("door", door);
  for (const [key, value] of Object.entries(parameters)) {
    if (value === null || value === undefined) url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  return url.href;
}

/**
 * localStorage can be forbidden (private windows, policies); the demos then
 * live without a memory instead of failing.
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
    // Nothing is kept; the page goes on with what it has in memory.
  }
}
