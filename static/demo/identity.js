/**
 * Who the user of this tab is. By default a guest: the server makes up the id, and only this
 * browser comes back as it, with a token that the client library keeps. `?player=NAME`
 * is another guest of this browser, so that one browser can run two players. `?user=ID` claims
 * an id, which needs a server that asks for no proof: for development, as anyone can claim it.
 * Links created here keep both.
 */

const PLAYER_KEY = "turntable.player";
const USER_KEY = "turntable.user";
const USER = /^[A-Za-z0-9_-]{1,32}:[^\s\p{Cc}]+$/u;
const PLAYER = /^[\w-]{1,32}$/;

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

/** What this tab's address names as its user, if that is no id; else null. */
export function wrongUserFromAddress() {
  const user = new URLSearchParams(location.search).get("user");
  return user === null || isUser(user) ? null : user;
}

/** A name for another guest of this browser. */
export function randomPlayer() {
  const [number] = crypto.getRandomValues(new Uint32Array(1));
  return number.toString(36);
}

/** The guest of this tab among those of this browser; null for the browser's first. */
function player() {
  const name = new URLSearchParams(location.search).get("player") ?? read(PLAYER_KEY);
  return name !== null && PLAYER.test(name) ? name : null;
}

/**
 * The options of `connect` that say who the user is.
 * @returns {{user: string} | {guest: string | true}}
 */
export function identity() {
  const user = userFromAddress();
  return user ? { user } : { guest: player() ?? true };
}

/** This browser begins as a guest that it was not before. */
export function becomeAnother() {
  write(PLAYER_KEY, randomPlayer());
}

/** The id that the Playground claims; the first visit creates and stores one. */
export function claimedUser() {
  const given = userFromAddress();
  if (given) return given;
  const stored = read(USER_KEY);
  if (isUser(stored)) return stored;
  const user = randomUser();
  write(USER_KEY, user);
  return user;
}

/**
 * A URL relative to this page. It keeps `?user=`, `?player=` and `?transport=` of this
 * page unless the parameters set them.
 * @param {string} path
 * @param {Record<string, string|null|undefined>} [parameters]  null removes one
 */
export function link(path, parameters = {}) {
  const url = new URL(path, location.href);
  const user = userFromAddress();
  if (user) url.searchParams.set("user", user);
  for (const name of ["player", "transport"]) {
    const value = new URLSearchParams(location.search).get(name);
    if (value) url.searchParams.set(name, value);
  }
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
