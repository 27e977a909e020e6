/**
 * The users whom a page shows, by their public attributes: name, colour, note,
 * score, what they play, whether they type. Who watches a user's presence gets
 * them; a page names the users that it shows, in groups, and they are watched
 * while they are in one.
 */

import { element } from "./dom.js";
import { colour, defaultColour, needsDarkText, nickname, NOTE_MAX, plainText } from "./profile.js";

/** Maximum users of a group that are watched; the others are shown by their ids. */
const GROUP_MAX = 100;
/** How long a user types after its last key, ms. Longer than TYPING_REPEAT_MS. */
const TYPING_MS = 6000;
/** Interval at which a user that types says so again, ms. */
export const TYPING_REPEAT_MS = 3000;

export class People {
  /**
   * @param {any} tt
   * @param {string} user  the own id
   * @param {() => Record<string, any>} own  the own public attributes
   */
  constructor(tt, user, own) {
    this.tt = tt;
    this.user = user;
    this.own = own;
    /** @type {Map<string, Set<string>>} watched users by group */
    this.groups = new Map();
    /** @type {Map<string, {ids: string[], controller: AbortController}[]>} subscriptions by group */
    this.subscriptions = new Map();
    /** Names, which are needed for each frame of a game. @type {Map<string, string>} */
    this.names = new Map();
    /** @type {Set<(ids: string[]) => void>} */
    this.listeners = new Set();
    tt.friends.on("profile", ({ changes }) => this.changed(Object.keys(changes)));
  }

  /**
   * Replaces the users of a group.
   * @param {string} group
   * @param {Iterable<string>} ids
   */
  watch(group, ids) {
    const before = this.groups.get(group) ?? new Set();
    const now = new Set([...ids].filter((id) => id !== this.user).slice(0, GROUP_MAX));
    this.groups.set(group, now);
    const added = [...now].filter((id) => !before.has(id));
    const removed = [...before].filter((id) => !now.has(id));
    for (const id of removed) this.names.delete(id);
    const subscriptions = [];
    for (const subscription of this.subscriptions.get(group) ?? []) {
      const ids = subscription.ids.filter((id) => now.has(id));
      if (ids.length === subscription.ids.length) {
        subscriptions.push(subscription);
        continue;
      }
      // Its own hold ends, and no other part of the page loses its own. Those who stay are
      // subscribed before: nothing is sent for them.
      if (ids.length > 0) subscriptions.push(this.subscribe(ids));
      subscription.controller.abort();
    }
    if (added.length > 0) subscriptions.push(this.subscribe(added));
    this.subscriptions.set(group, subscriptions);
  }

  /** @param {string[]} ids */
  subscribe(ids) {
    const controller = new AbortController();
    // Without a subscription they are shown by their ids.
    this.tt.friends.subscribe(ids, { signal: controller.signal }).catch(() => {});
    return { ids, controller };
  }

  /**
   * Calls a function with the ids of the users whose attributes changed.
   * @param {(ids: string[]) => void} listener
   */
  onChange(listener) {
    this.listeners.add(listener);
  }

  /** @param {string[]} ids */
  changed(ids) {
    for (const id of ids) this.names.delete(id);
    for (const listener of this.listeners) listener(ids);
  }

  /** @param {string} id */
  isWatched(id) {
    return [...this.groups.values()].some((group) => group.has(id));
  }

  /** @param {string} id */
  profile(id) {
    return id === this.user ? this.own() : this.tt.friends.profile(id);
  }

  /** The nickname; the id of a user without one. */
  name(id) {
    let name = this.names.get(id);
    if (name === undefined) {
      name = nickname(this.profile(id).name) || id;
      if (id === this.user || this.isWatched(id)) this.names.set(id, name);
    }
    return name;
  }

  colour(id) {
    return colour(this.profile(id).colour) ?? defaultColour(id);
  }

  note(id) {
    return plainText(this.profile(id).note, NOTE_MAX);
  }

  /** The folder of the game that a user plays; null for none. */
  playing(id) {
    const { playing } = this.profile(id);
    return typeof playing === "string" ? playing : null;
  }

  /** The points of a user in the game that it plays; null if there are none. */
  score(id) {
    const { score } = this.profile(id);
    return Number.isSafeInteger(score) && Math.abs(score) < 1e9 ? score : null;
  }

  /** Whether a user that is there types at this moment. */
  isTyping(id) {
    const { typing } = this.profile(id);
    const since = this.tt.clock.now() - typing;
    return typeof typing === "number" && since > -TYPING_MS && since < TYPING_MS && (this.tt.friends.get(id) ?? "offline") !== "offline";
  }

  /** The watched users that type. */
  typing() {
    const ids = new Set([...this.groups.values()].flatMap((group) => [...group]));
    return [...ids].filter((id) => this.isTyping(id));
  }

  /**
   * Two characters of the name on the user's colour.
   * @param {string} id
   */
  avatar(id) {
    const name = this.name(id);
    const words = (name === id ? id.slice(id.indexOf(":") + 1) : name).split(" ").filter(Boolean);
    const initials = words.length > 1 ? [words[0], words[1]].map((word) => [...word][0]) : [...words[0] ?? ""].slice(0, 2);
    const node = element("span.avatar", { "aria-hidden": "true" }, initials.join("").toUpperCase());
    const shade = this.colour(id);
    node.style.setProperty("--colour", shade);
    node.style.setProperty("--on-colour", needsDarkText(shade) ? "#17130f" : "#ffffff");
    return node;
  }

  /**
   * The name as text, with the id as its title: names are not unique.
   * @param {string} id
   * @param {string} [classes]
   */
  label(id, classes = "") {
    const name = this.name(id);
    return element(`span.nick${classes}`, { title: id, dir: "auto", "data-user": id }, name);
  }
}
