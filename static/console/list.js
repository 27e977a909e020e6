/**
 * Methods that list, page by page and in the order of names: entries that begin with a
 * text are found without the others.
 */

/** Users of one lookup. */
const LOOKUP = 50;

/**
 * The entries of a method that lists, in their order, which begin with a text.
 * @param {import("./api.js").Api} api
 * @param {string} method
 * @param {string} field
 * @param {string} start
 * @param {number} limit
 * @returns {Promise<{list: string[], next?: string}>}
 */
export async function startingWith(api, method, field, start, limit) {
  const answer = await api.call(method, { limit, ...(start === "" ? {} : { after: before(start) }) });
  const all = /** @type {string[]} */ (Array.isArray(answer[field]) ? answer[field] : Object.keys(answer[field]));
  const list = all.filter((entry) => entry.startsWith(start));
  return { list, next: list.length === all.length ? answer.next : undefined };
}

/** What sorts directly before a text: `after` of a call whose page begins with it. @param {string} text */
export function before(text) {
  const characters = [...text];
  return characters.slice(0, -1).join("") + previous(characters.at(-1) ?? "");
}

/** @param {string} character */
function previous(character) {
  const code = character.codePointAt(0) ?? 0;
  if (code === 0) return "";
  // Surrogates are no characters.
  return `${String.fromCodePoint(code === 0xe000 ? 0xd7ff : code - 1)}\u{10ffff}`;
}

/**
 * The users whose id begins with a text. A text without a realm is one of the default
 * realm, `1`, or the beginning of a realm.
 * @param {import("./api.js").Api} api
 * @param {string} text
 * @param {number} limit
 * @returns {Promise<{users: string[], next?: string}>}
 */
export async function begin(api, text, limit) {
  if (text === "") return api.call("user/listAll", { limit });
  const starts = text.includes(":") ? [text] : [text, `1:${text}`];
  const lists = await Promise.all(starts.map((start) => startingWith(api, "user/listAll", "users", start, limit)));
  const all = [...new Set(lists.flatMap(({ list }) => list))].sort();
  return { users: all.slice(0, limit), next: lists.find(({ next }) => next)?.next };
}

/**
 * What a lookup shows of users, in parts of what one lookup may have.
 * @param {import("./api.js").Api} api
 * @param {string[]} ids
 * @returns {Promise<Record<string, any>>}
 */
export async function presenceOf(api, ids) {
  const parts = [];
  for (let at = 0; at < ids.length; at += LOOKUP) parts.push(ids.slice(at, at + LOOKUP));
  const found = await Promise.all(parts.map((userIds) => api.call("user/getPresence", { userIds })));
  return Object.assign({}, ...found);
}
