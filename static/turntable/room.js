/**
 * A game room as one holder has it: each successful `join` has an object of its
 * own. They share the seat and what is known of the room (`RoomState`).
 * @module
 */

import { opaque } from "./binary.js";
import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import { checkUsers } from "./id.js";
import { checkTime } from "./options.js";

/** @import { Clock } from "./clock.js" */
/** @import { Member, RoomState } from "./room_state.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} JoinOptions
 * @property {string} [team] the requested team
 * @property {string[]} [invite] users to invite
 * @property {string} [game] the game's name in the server's configuration;
 *   used when the room is created
 * @property {AbortSignal} [signal] leaves for this holder when it is aborted, also before the answer
 */

/**
 * @typedef {object} Action
 * @property {number} timestamp Unix ms of the server's clock, corrected by the server
 * @property {string} from
 * @property {any} data
 * @property {string} [team]
 */

/**
 * @typedef {object} ActOptions
 * @property {number} [timestamp] in ms of `clock.local()`; default: now
 * @property {boolean} [queue] false: dropped if it cannot be sent at once
 * @property {number} [expires_ms] from 0: dropped if it is still queued after this time, or has to be repeated
 * @property {string} [merge] while it is queued, or if it has to be repeated, a later action of the
 *   room with the same key replaces it, without `refused`
 */

/**
 * @typedef {object} RoomEvents
 * @property {Action} action one action; all members receive the same order
 * @property {Action[]} actions the actions of one message
 * @property {{changes: Record<string, "joined" | "left" | "away" | "back">, reason?: string}} members
 *   with a reason where an operator sent members away
 * @property {{room: Room}} joined joined again after a reconnection; members and state are new
 * @property {{reason: "removed" | "refused" | "closed", error?: TurntableError}} left
 *   without `leave()`: removed (the room ended, or a kick), refused when joining
 *   again, or the client was closed
 * @property {{user: string, accepted: boolean}} invitereply an invited user's answer
 * @property {{error: TurntableError, data: any[]}} refused actions that were not delivered to
 *   any member
 */

/**
 * @typedef {object} RoomContext parts of the client that a room uses
 * @property {Session} session
 * @property {Clock} clock
 * @property {() => string} user
 * @property {(error: TurntableError, heard: boolean) => void} report heard: whether a listener of the room has it
 */

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  #context;
  #state;
  #release;
  #holds = true;

  /**
   * @internal
   * @param {RoomContext} context
   * @param {RoomState} state
   * @param {(room: Room) => Promise<void>} release ends this holder's hold
   */
  constructor(context, state, release) {
    super(context.session.gate);
    this.#context = context;
    this.#state = state;
    this.#release = release;
  }

  /** The room's id. */
  get channel() {
    return this.#state.channel;
  }

  /** This user's id in the room. */
  get self() {
    return this.#state.self ?? this.#context.user();
  }

  /** This user's team, if the game has teams. */
  get team() {
    return this.#state.team;
  }

  /** The game's name, as passed to `join`. */
  get game() {
    return this.#state.game;
  }

  /** The members by user id. @returns {ReadonlyMap<string, Member>} */
  get members() {
    return this.#state.members;
  }

  /** The stored state for late joiners; `undefined` if the game stores none. @returns {any} */
  get state() {
    return this.#state.stored;
  }

  /** @internal whether this holder is in the room */
  get active() {
    return this.#holds && this.#state.active;
  }

  /**
   * Sends an action. An array is sent as several actions, which are accepted or
   * refused together. All members receive accepted actions by `action`, the
   * sender included, with the server's time. While offline, actions are queued;
   * with `queue: false` they are dropped.
   * @param {any | any[]} data
   * @param {ActOptions} [options]
   * @returns {boolean} whether the actions were sent or queued; what is dropped later is
   *   emitted as `refused`. False for an empty array, of which nothing is sent, while `close()` drops
   *   what is queued, and for an object that holds the room no more, which the client's `error` reports
   */
  act(data, { timestamp, queue = true, expires_ms, merge } = {}) {
    if (expires_ms !== undefined) checkTime("expires_ms", expires_ms, true);
    const list = Array.isArray(data) ? data : [data];
    const { session, clock } = this.#context;
    // A listener of `refused` may try again while the client ends: that would be dropped, and not reported.
    if (list.length === 0 || session.ending) return false;
    const refused = (/** @type {TurntableError} */ error) => {
      this.emit("refused", { error, data: list });
      this.#context.report(error, this.hasListeners("refused"));
    };
    if (!this.#holds) {
      refused(new TurntableError("not_member", `this object has left ${this.channel}`, { command: "game" }));
      return false;
    }
    if (!queue && !session.immediate("game", { actions: list })) return false;
    const stamp = clock.wire(timestamp ?? clock.local());
    const { team } = this.#state;
    const max = session.limits.actions_max;
    if (max && list.length > max) {
      refused(new TurntableError("too_many", `${list.length} actions in one message; the server's limit is ${max}`, { command: "game", details: { max } }));
      return false;
    }
    const options = { expires_ms, ...(merge !== undefined && { merge: `${this.channel} ${merge}` }) };
    try {
      const actions = list.map((one) => ({ timestamp: stamp, from: this.self, data: opaque(one, "game"), ...(team !== undefined && { team }) }));
      session.send("game", { channel: this.channel, actions }, refused, options);
      return true;
    } catch (error) {
      // A full queue, or an action that is too large, must not end a game's loop with an exception.
      if (!(error instanceof TurntableError)) throw error;
      refused(error);
      return false;
    }
  }

  /**
   * Invites users. Their answers are emitted as `invitereply`.
   * @param {string[]} ids
   * @returns {Promise<void>}
   */
  async invite(ids) {
    checkUsers(ids);
    // A `joingame` of a room that was left would join it again.
    if (!this.active) throw new TurntableError("not_member", "this client is not in the room", { command: "joingame" });
    await this.#context.session.request("joingame", { ...this.#state.joinData({}, this.#context.user()), invite: ids });
  }

  /**
   * Ends this holder's hold, once. The last holder gives up the seat. From then on
   * this object emits nothing.
   * @returns {Promise<void>}
   */
  async leave() {
    await this.#release(this);
  }

  /** @internal this holder has left */
  retire() {
    this.#holds = false;
    this.mute();
  }

  /**
   * @internal the room is over for this client
   * @param {"removed" | "refused" | "closed"} reason
   * @param {TurntableError} [error]
   */
  ended(reason, error) {
    this.emit("left", error ? { reason, error } : { reason });
    this.retire();
  }
}
