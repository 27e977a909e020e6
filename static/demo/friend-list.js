/**
 * The user's list of friends, stored in this browser per user id. The server
 * has no friend list; it receives subscriptions only.
 */

import { isUser, read, write } from "./identity.js";

/** Maximum length of the list; the server has a separate limit. */
export const FRIENDS_MAX = 100;

/** @param {string} user */
function key(user) {
  return `turntable.friends.${user}`;
}

/**
 * @param {string} user
 * @returns {string[]}
 */
export function loadFriends(user) {
  try {
    const stored = JSON.parse(read(key(user)) ?? "[]");
    if (!Array.isArray(stored)) return [];
    return [...new Set(stored.filter((id) => isUser(id) && id !== user))].slice(0, FRIENDS_MAX);
  } catch {
    return [];
  }
}

/**
 * Adds a friend and returns the new list. Throws a TypeError whose message is
 * displayed.
 * @param {string} user
 * @param {string} friend
 */
export function addFriend(user, friend) {
  const friends = loadFriends(user);
  if (!isUser(friend)) throw new TypeError("An id is realm:name, for example guest:kT3v.");
  if (friend === user) throw new TypeError("That is your own id.");
  if (friends.includes(friend)) throw new TypeError(`${friend} is already on your list.`);
  if (friends.length >= FRIENDS_MAX) throw new TypeError(`The list is full (${FRIENDS_MAX} friends at most).`);
  const next = [...friends, friend];
  write(key(user), JSON.stringify(next));
  return next;
}

/**
 * Removes a friend and returns the new list.
 * @param {string} user
 * @param {string} friend
 */
export function removeFriend(user, friend) {
  const next = loadFriends(user).filter((id) => id !== friend);
  write(key(user), JSON.stringify(next));
  return next;
}

/**
 * The list of a user goes on under another id.
 * @param {string} from
 * @param {string} to
 */
export function moveFriends(from, to) {
  const both = [...new Set([...loadFriends(to), ...loadFriends(from)])].filter((id) => id !== to);
  write(key(to), JSON.stringify(both.slice(0, FRIENDS_MAX)));
}
