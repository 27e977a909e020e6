/**
 * The user's own profile: nickname, colour and note as public attributes, the
 * chosen status as a private one, so that all tabs and devices of the user have
 * the same. The server stores them. This browser stores a copy: a server that has
 * lost the profile gets it again.
 */

import { defaultProfile, loadProfile, ownValues, storeProfile } from "./profile.js";

/** The least time between two changes of the score, ms. */
const SCORE_MS = 500;

export class OwnProfile {
  /**
   * @param {any} tt
   * @param {string} user
   * @param {(problem: Error) => void} failed  a change that the server refused
   */
  constructor(tt, user, failed) {
    this.tt = tt;
    this.user = user;
    this.failed = failed;
    /** @type {import("./profile.js").Stored} */
    this.values = { ...defaultProfile(user), ...loadProfile(user) };
    /** What this page plays. */
    this.game = { playing: null, score: null };
    this.timer = null;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    // A server that has lost its copy must not show an invisible user. Others may be older
    // than the server's, which has its copy in force before the user is seen.
    if (this.isInvisible) this.sendStatus();
    tt.attributes.on("change", ({ changes }) => this.received(changes));
    tt.on("welcome", () => this.welcomed());
    // A new guest knows its id after its first welcome.
    if (tt.state === "online") this.welcomed();
    addEventListener("pagehide", () => {
      if (this.game.playing) tt.attributes.set({ playing: null }).catch(() => {});
    });
  }

  /** The chosen status; "online" leaves it to the server until the user has chosen it. */
  get status() {
    return this.values.status ?? "online";
  }

  get isInvisible() {
    return this.status === "invisible";
  }

  /** The public attributes. */
  get attributes() {
    return { ...this.values, ...this.game };
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.listeners.add(listener);
  }

  /**
   * Sets some values, empty ones are removed. The page shows them at once.
   * @param {import("./profile.js").Stored} changes
   * @returns {Promise<void>}
   */
  async set(changes) {
    const before = this.values;
    const next = ownValues({ ...before, ...changes });
    // Chosen again it is sent again: within a game it takes the place of `busy`.
    if (changes.status !== undefined && changes.status === this.status) this.sendStatus();
    const attributes = Object.fromEntries(Object.keys(changes).map((key) => [key, next[key] ?? null]));
    this.take({ ...defaultProfile(this.user), ...next });
    try {
      await this.tt.attributes.set(attributes);
    } catch (error) {
      this.take(before);
      throw error;
    }
  }

  /** Tells what this page plays, and the points in it. `null`: it plays nothing any more. */
  play(playing, score = null) {
    const { game } = this;
    if (game.playing === playing && game.score === score) return;
    this.game = { playing, score };
    if (game.playing !== playing) this.sendGame();
    else this.timer ??= setTimeout(() => this.sendGame(), SCORE_MS);
    this.changed();
  }

  sendGame() {
    clearTimeout(this.timer);
    this.timer = null;
    const { playing, score } = this.game;
    // The points of the last game stay.
    this.send(playing === null ? { playing } : { playing, score });
  }

  /** @param {Record<string, any>} changes */
  send(changes) {
    // Without a connection they follow with its welcome.
    if (this.tt.state === "online") this.tt.attributes.set(changes).catch(this.failed);
  }

  sendStatus() {
    this.tt.friends.status(this.status).catch(this.failed);
  }

  /** Another session of the user has changed something. */
  received(changes) {
    const known = Object.fromEntries(Object.entries(changes).filter(([key]) => ["name", "colour", "note", "status"].includes(key)));
    // A server that has lost the name has lost everything; it gets it with its welcome.
    if (Object.keys(known).length > 0 && known.name !== null) this.take({ ...defaultProfile(this.user), ...ownValues({ ...this.values, ...known }) });
    // Another tab has left its game, and this one has not.
    if (changes.playing === null && this.game.playing) this.sendGame();
  }

  /** The server's copy counts, unless it has none. */
  welcomed() {
    const all = Object.fromEntries(this.tt.attributes.all);
    const stored = ownValues(all);
    // A status that it has lost must not make an invisible user visible.
    if (stored.name && stored.colour) this.take(ownValues({ status: this.values.status, ...stored }));
    if (!stored.name || !stored.colour || (!stored.status && this.values.status)) this.send({ ...this.values, ...stored });
    if (this.game.playing) this.sendGame();
    else if (all.playing) this.stopPlaying();
  }

  /** A page that was closed may have left `playing` behind; another that is open corrects this. */
  async stopPlaying() {
    const found = await this.tt.friends.lookup([this.user]).catch(() => ({}));
    if ((found[this.user]?.devices ?? 2) <= 1 && !this.game.playing) this.send({ playing: null });
  }

  /** @param {import("./profile.js").Stored} values */
  take(values) {
    const before = this.status;
    this.values = values;
    storeProfile(this.user, values);
    if (this.status !== before) this.sendStatus();
    this.changed();
  }

  changed() {
    for (const listener of this.listeners) listener();
  }
}
