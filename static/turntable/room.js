/**
 * A game room as seen by one member, and the set of joined rooms.
 * @module
 */

import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";

/** @import { Clock } from "./clock.js" */
/** @import { DesiredState } from "./desired_state.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} JoinOptions
 * @property {string} [team] the requested team
 * @property {string[]} [invite] users to invite
 * @property {string} [game] the game's name in the server's configuration;
 *   used when the room is created
 */

/**
 * @typedef {object} Member
 * @property {string | undefined} team
 * @property {"joined" | "away"} state `away`: disconnected, its seat is reserved
 */

/**
 * @typedef {object} Action
 * @property {number} timestamp Unix ms of the server's clock, corrected by the server
 * @property {string} from
 * @property {any} data
 * @property {string} [team]
 */

/**
 * @typedef {object} RoomEvents
 * @property {Action} action one action; all members receive the same order
 * @property {Action[]} actions the actions of one message
 * @property {{changes: Record<string, "joined" | "left" | "away" | "back">}} members
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
 * @property {DesiredState} desired
 * @property {Clock} clock
 * @property {() => string} user
 * @property {(error: TurntableError) => void} report
 */

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  #context;
  #rooms;
  /** @type {string | undefined} */
  #team;
  /** @type {string | undefined} */
  #self;
  /** @type {any} */
  #state;
  /** @type {string | undefined} */
  #game;
  /** @type {Map<string, Member>} */
  #members = new Map();

  /** The room's id. @readonly @type {string} */
  channel;
  /** @internal whether this client is a member */
  active = false;
  /** @internal whether members and state belong to a lost session */
  stale = false;

  /**
   * @internal
   * @param {Rooms} rooms
   * @param {RoomContext} context
   * @param {string} channel
   */
  constructor(rooms, context, channel) {
    super();
    this.#rooms = rooms;
    this.#context = context;
    this.channel = channel;
  }

  /** This user's id in the room. */
  get self() {
    return this.#self ?? this.#context.user();
  }

  /** This user's team, if the game has teams. */
  get team() {
    return this.#team;
  }

  /** The game's name, as passed to `join`. */
  get game() {
    return this.#game;
  }

  /** The members by user id. @returns {ReadonlyMap<string, Member>} */
  get members() {
    return this.#members;
  }

  /** The stored state for late joiners; `undefined` if the game stores none. @returns {any} */
  get state() {
    return this.#state;
  }

  /**
   * Sends an action. An array is sent as several actions, which are accepted or
   * refused together. All members receive accepted actions by `action`, the
   * sender included, with the server's time. While offline, actions are queued;
   * with `queue: false` they are dropped.
   * @param {any | any[]} data
   * @param {{timestamp?: number, queue?: boolean}} [options] timestamp: in ms of
   *   `clock.local()`; default: now
   * @returns {boolean} whether the actions were sent or queued; if the queue is full,
   *   `refused` is emitted
   */
  act(data, { timestamp, queue = true } = {}) {
    const list = Array.isArray(data) ? data : [data];
    const { session, clock } = this.#context;
    if (list.length === 0) return true;
    if (!queue && !session.online) return false;
    const stamp = clock.wire(timestamp ?? clock.local());
    const team = this.#team;
    const actions = list.map((one) => ({ timestamp: stamp, from: this.self, data: one ?? null, ...(team !== undefined && { team }) }));
    const refused = (/** @type {TurntableError} */ error) => {
      this.emit("refused", { error, data: list });
      this.#context.report(error);
    };
    try {
      session.send("game", { channel: this.channel, actions }, refused);
      return true;
    } catch (error) {
      // A full queue must not end a game's loop with an exception.
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
    await this.#context.session.request("joingame", { ...this.#joinData(), invite: ids });
  }

  /**
   * Leaves the room and gives up the seat.
   * @returns {Promise<void>}
   */
  async leave() {
    this.active = false;
    this.#rooms.delete(this);
    await this.#context.desired.remove(`room/${this.channel}`, "leavegame", { channel: this.channel });
  }

  /**
   * @internal
   * @param {JoinOptions} options
   * @returns {Promise<this>}
   */
  async join({ team, invite, game }) {
    this.#team = team ?? this.#team;
    this.#game = game ?? this.#game;
    const data = (/** @type {boolean} */ again) => ({ ...this.#joinData(), invite: again ? undefined : invite });
    const refused = (/** @type {TurntableError} */ error) => this.ended("refused", error);
    try {
      await this.#context.desired.set(`room/${this.channel}`, "joingame", data, refused);
    } catch (error) {
      if (!this.active) this.#rooms.delete(this);
      throw error;
    }
    return this;
  }

  /**
   * @internal
   * @param {any} data of a `joined`
   */
  joined(data) {
    const again = this.stale;
    this.active = true;
    this.stale = false;
    this.#self = data.self ?? this.#self;
    this.#team = data.team ?? undefined;
    this.#state = data.state;
    this.#members.clear();
    for (const [id, member] of Object.entries(data.members ?? {})) {
      this.#members.set(id, { team: member?.team ?? undefined, state: member?.state ?? "joined" });
    }
    if (again) this.emit("joined", { room: this });
  }

  /**
   * @internal
   * @param {Record<string, any>} changes of a `memberchange`
   */
  changed(changes) {
    for (const [id, change] of Object.entries(changes)) {
      const team = this.#members.get(id)?.team;
      if (change === "left") this.#members.delete(id);
      else this.#members.set(id, { team, state: change === "away" ? "away" : "joined" });
    }
    this.emit("members", { changes });
    if (this.active && changes[this.self] === "left") this.ended("removed");
  }

  /**
   * @internal
   * @param {Action[]} actions
   */
  acted(actions) {
    for (const { from, team } of actions) {
      // `memberchange` does not contain a new member's team; its actions do.
      const member = this.#members.get(from);
      if (member && team !== undefined) member.team = team;
    }
    this.emit("actions", actions);
    for (const action of actions) this.emit("action", action);
  }

  /**
   * @internal
   * @param {"removed" | "refused" | "closed"} reason
   * @param {TurntableError} [error]
   */
  ended(reason, error) {
    this.active = false;
    this.#rooms.delete(this);
    this.#context.desired.discard(`room/${this.channel}`);
    this.emit("left", error ? { reason, error } : { reason });
  }

  #joinData() {
    return { channel: this.channel, self: this.#context.user(), team: this.#team, game: this.#game };
  }
}

/** Rooms that are joined or being joined. */
export class Rooms {
  #context;
  /** @type {Map<string, Room>} */
  #rooms = new Map();

  /** @param {RoomContext} context */
  constructor(context) {
    this.#context = context;
  }

  /**
   * @param {string} channel
   * @returns {Room | undefined}
   */
  get(channel) {
    const room = this.#rooms.get(normalizeId(channel));
    return room?.active ? room : undefined;
  }

  /**
   * @param {string} channel
   * @param {JoinOptions} options
   * @returns {Promise<Room>}
   */
  join(channel, options) {
    const key = normalizeId(channel);
    const room = this.#rooms.get(key) ?? new Room(this, this.#context, key);
    this.#rooms.set(key, room);
    return room.join(options);
  }

  /** Whether the user is in a room. */
  get joined() {
    for (const room of this.#rooms.values()) if (room.active) return true;
    return false;
  }

  /** @param {Room} room */
  delete(room) {
    if (this.#rooms.get(room.channel) === room) this.#rooms.delete(room.channel);
  }

  /**
   * @param {string} command
   * @param {any} data
   */
  message(command, data) {
    const room = this.#rooms.get(normalizeId(String(data?.channel)));
    if (command === "joined") {
      room?.joined(data);
      const mine = (/** @type {{command: string, data: any}} */ request) =>
        request.command === "joingame" && normalizeId(request.data.channel) === normalizeId(data.channel);
      // The answer may have no id.
      this.#context.session.resolveFirst(mine, data);
    } else if (command === "memberchange") {
      if (room?.active) room.changed(data.members ?? {});
    } else if (command === "game") {
      if (room?.active) room.acted(data.actions ?? []);
    } else if (command === "invitereply") {
      room?.emit("invitereply", { user: data.user, accepted: data.accepted });
    }
  }

  /** A new session has started: members and state of the rooms are outdated. */
  reset() {
    for (const room of this.#rooms.values()) if (room.active) room.stale = true;
  }

  close() {
    for (const room of [...this.#rooms.values()]) {
      if (room.active) room.ended("closed");
    }
    this.#rooms.clear();
  }
}

/**
 * The id without a leading slash, as the server normalizes it.
 * @param {string} channel
 */
export function normalizeId(channel) {
  return channel.startsWith("/") ? channel.slice(1) : channel;
}
