/**
 * The lobby: every open demo page announces itself on one channel, so that the
 * home page can show users and open games. Nothing is stored; an entry expires
 * if its page sends no further announcement.
 */

export const CHANNEL = "demo/lobby";
const ANNOUNCE_MS = 15_000;
const EXPIRE_MS = 40_000;
/** Maximum random delay of the answer to a new page, which spreads the answers. */
const ANSWER_MAX_MS = 1_200;
const PAGES_MAX = 500;

/** @typedef {{user: string, page: string, room: string|null, players: number, seen: number}} Person */
/** @typedef {{page: string, room: string, players: number, users: string[]}} Room */

/** The key of a page. A user id contains no space, so keys are unique. */
function pageKey(user, data) {
  return typeof data.tab === "string" ? `${user} ${data.tab.slice(0, 16)}` : user;
}

/** The state derived from the channel's messages. Pure: `now` is an argument. */
export class LobbyView {
  constructor() {
    /** @type {Map<string, Person>} by page, because a user may have several */
    this.entries = new Map();
  }

  /**
   * Applies a message of the channel.
   * @returns {boolean} whether the page is new
   */
  apply(user, data, now) {
    if (typeof data !== "object" || data === null) return false;
    const key = pageKey(user, data);
    if (data.gone === true) {
      this.entries.delete(key);
      return false;
    }
    const isNew = !this.entries.has(key);
    if (typeof data.page !== "string" || (isNew && this.entries.size >= PAGES_MAX)) return false;
    const room = typeof data.room === "string" ? data.room.slice(0, 64) : null;
    const players = Number.isInteger(data.players) ? data.players : 0;
    this.entries.set(key, { user, page: data.page.slice(0, 20), room, players, seen: now });
    return isNew;
  }

  /** @returns {Person[]} the last announcement of each page */
  pages(now) {
    for (const [key, { seen }] of this.entries) if (now - seen > EXPIRE_MS) this.entries.delete(key);
    return [...this.entries.values()];
  }

  /** @returns {Person[]} each user once; of several pages the one with a room */
  people(now) {
    const people = new Map();
    for (const page of this.pages(now)) if (!people.get(page.user)?.room) people.set(page.user, page);
    return [...people.values()].sort((a, b) => (a.user < b.user ? -1 : 1));
  }

  /** @returns {Room[]} open rooms of the games, each once, with the users who have announced it. */
  rooms(now) {
    const rooms = new Map();
    for (const { user, page, room, players } of this.pages(now)) {
      if (!room) continue;
      const key = `${page}/${room}`;
      const entry = rooms.get(key) ?? { page, room, players: 0, users: [] };
      entry.players = Math.max(entry.players, players);
      if (!entry.users.includes(user)) entry.users.push(user);
      rooms.set(key, entry);
    }
    return [...rooms.values()].sort((a, b) => b.players - a.players);
  }
}

export class Lobby {
  /**
   * @param {any} tt  the client
   * @param {() => ({page: string, room?: string|null, players?: number}|null)} describe  this page's
   *   announcement; null while its user is invisible
   * @param {() => void} changed
   */
  constructor(tt, describe, changed = () => {}) {
    this.view = new LobbyView();
    this.describe = describe;
    this.changed = changed;
    this.channel = null;
    this.tab = Math.random().toString(36).slice(2, 14);
    this.announced_at = 0;
    /** Whether others may list this page. */
    this.is_listed = false;
    this.answer = null;
    this.start(tt);
  }

  async start(tt) {
    try {
      this.channel = await tt.channel(CHANNEL);
    } catch {
      return; // The server has no channels; the pages work without a lobby.
    }
    this.channel.on("message", ({ from, data }) => this.receive(from, data));
    this.channel.on("joined", () => this.announce());
    this.announce();
    setInterval(() => {
      if (Date.now() - this.announced_at >= ANNOUNCE_MS / 2) this.announce();
      this.changed();
    }, ANNOUNCE_MS);
    addEventListener("pagehide", () => this.withdraw());
    addEventListener("pageshow", (event) => event.persisted && this.announce());
  }

  receive(from, data) {
    // Ignore messages without a sender.
    if (typeof from !== "string") return;
    const isNew = this.view.apply(from, data, Date.now());
    if (isNew && data.tab !== this.tab && this.answer === null) {
      this.answer = setTimeout(() => {
        this.answer = null;
        this.announce();
      }, Math.random() * ANSWER_MAX_MS);
    }
    this.changed();
  }

  /** Publishes the announcement of this page; call it after a change. */
  announce() {
    this.announced_at = Date.now();
    const description = this.describe();
    if (description === null) return this.withdraw();
    this.is_listed = true;
    this.publish(description);
  }

  /** Takes this page off the lists of others. An invisible user's page sends nothing else. */
  withdraw() {
    if (this.is_listed) this.publish({ gone: true });
    this.is_listed = false;
  }

  publish(data) {
    this.channel?.publish({ ...data, tab: this.tab }).catch(() => {});
  }

  people() {
    return this.view.people(Date.now());
  }

  rooms() {
    return this.view.rooms(Date.now());
  }
}
