/**
 * The lobby: every open demo page says on one channel where it is, so that the
 * front page can show who is here and which games can be joined. Nothing is
 * stored; who is not heard of for a while is gone.
 */

export const CHANNEL = "demo/lobby";
const BEAT_MS = 15_000;
const GONE_MS = 40_000;
/** A newcomer is answered within this time, each at its own moment. */
const ANSWER_MS = 1_200;
const PAGES_MAX = 500;

/** @typedef {{user: string, page: string, room: string|null, players: number, seen: number}} Person */

/** A page of a user; a blank is in no user id. */
function pageKey(user, data) {
  return typeof data.tab === "string" ? `${user} ${data.tab.slice(0, 16)}` : user;
}

/** What is known from the channel; pure, `now` is passed in. */
export class LobbyView {
  constructor() {
    /** @type {Map<string, Person>} by page, for a user may have several open */
    this.known = new Map();
  }

  /**
   * Takes a message of the channel.
   * @returns {boolean} whether the page was not known before
   */
  take(user, data, now) {
    if (typeof data !== "object" || data === null) return false;
    const key = pageKey(user, data);
    if (data.gone === true) {
      this.known.delete(key);
      return false;
    }
    const fresh = !this.known.has(key);
    if (typeof data.page !== "string" || (fresh && this.known.size >= PAGES_MAX)) return false;
    const room = typeof data.room === "string" ? data.room.slice(0, 64) : null;
    const players = Number.isInteger(data.players) ? data.players : 0;
    this.known.set(key, { user, page: data.page.slice(0, 20), room, players, seen: now });
    return fresh;
  }

  /** @returns {Person[]} what every page said last */
  pages(now) {
    for (const [key, { seen }] of this.known) if (now - seen > GONE_MS) this.known.delete(key);
    return [...this.known.values()];
  }

  /** @returns {Person[]} each user once; where one has several pages, that with a room */
  people(now) {
    const people = new Map();
    for (const page of this.pages(now)) if (!people.get(page.user)?.room) people.set(page.user, page);
    return [...people.values()].sort((a, b) => (a.user < b.user ? -1 : 1));
  }

  /** Open rooms of the games, each once. */
  rooms(now) {
    const rooms = new Map();
    for (const { page, room, players } of this.pages(now)) {
      if (!room) continue;
      const key = `${page}/${room}`;
      const entry = rooms.get(key) ?? { page, room, players: 0 };
      entry.players = Math.max(entry.players, players);
      rooms.set(key, entry);
    }
    return [...rooms.values()].sort((a, b) => b.players - a.players);
  }
}

export class Lobby {
  /**
   * @param {any} tt  the client
   * @param {() => {page: string, room?: string|null, players?: number}} describe  where this page is
   * @param {() => void} changed
   */
  constructor(tt, describe, changed = () => {}) {
    this.view = new LobbyView();
    this.describe = describe;
    this.changed = changed;
    this.channel = null;
    this.tab = Math.random().toString(36).slice(2, 14);
    this.said = 0;
    this.answer = null;
    this.start(tt);
  }

  async start(tt) {
    try {
      this.channel = await tt.channel(CHANNEL);
    } catch {
      return; // A server without channels has no lobby; the pages do without it.
    }
    this.channel.on("message", ({ from, data }) => this.heard(from, data));
    this.channel.on("joined", () => this.say());
    this.say();
    setInterval(() => {
      if (Date.now() - this.said >= BEAT_MS / 2) this.say();
      this.changed();
    }, BEAT_MS);
    addEventListener("pagehide", () => this.publish({ gone: true }));
    addEventListener("pageshow", (event) => event.persisted && this.say());
  }

  heard(from, data) {
    // A door may bring what was said without who said it.
    if (typeof from !== "string") return;
    const fresh = this.view.take(from, data, Date.now());
    if (fresh && data.tab !== this.tab && this.answer === null) {
      this.answer = setTimeout(() => {
        this.answer = null;
        this.say();
      }, Math.random() * ANSWER_MS);
    }
    this.changed();
  }

  /** Says where this page is; call it when that changes. */
  say() {
    this.said = Date.now();
    this.publish(this.describe());
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
