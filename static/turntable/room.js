/**
 * A game room as one of its members sees it, and the set of rooms joined.
 * @module
 */

import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";

/** @import { Clock } from "./clock.js" */
/** @import { Kept } from "./kept.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} JoinOptions
 * @property {string} [team] the team wished for
 * @property {string[]} [invite] users to invite
 * @property {string} [game] the game's name in the server's configuration;
 *   counts when the room is created
 */

/**
 * @typedef {object} Member
 * @property {string | undefined} team
 * @property {"joined" | "away"} state `away`: dropped, its seat is kept
 */

/**
 * @typedef {object} Action
 * @property {number} timestamp Unix ms of the server, corrected by it
 * @property {string} from
 * @property {any} data
 * @property {string} [team]
 */

/**
 * @typedef {object} RoomEvents
 * @property {Action} action one at a time, in the order all members see
 * @property {Action[]} actions the same, as they came together
 * @property {{changes: Record<string, "joined" | "left" | "away" | "back">}} members
 * @property {{room: Room}} joined again, after a reconnection: members and state are new
 * @property {{reason: "removed" | "refused" | "closed", error?: TurntableError}} left
 *   not by `leave()`: removed (the room ended, or a kick), refused on
 *   coming back, or the client was closed
 * @property {{user: string, accepted: boolean}} invitereply an invited user's answer
 * @property {{error: TurntableError, data: any[]}} refused what `act` was given, and why
 *   nobody saw it
 */

/**
 * @typedef {object} RoomContext what a room needs of its client
 * @property {Session} session
 * @property {Kept} kept
 * @property {Clock} clock
 * @property {() => string} user
 * @property {(error: TurntableError) => void} fault
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
  /** @internal whether the server has let us in, and not out */
  inside = false;
  /** @internal whether what we know is of a session that is gone */
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

  /** One's own id in the room. */
  get self() {
    return this.#self ?? this.#context.user();
  }

  /** One's own team, where the game has teams. */
  get team() {
    return this.#team;
  }

  /** The game's name, as given to `join`. */
  get game() {
    return this.#game;
  }

  /** @returns {ReadonlyMap<string, Member>} */
  get members() {
    return this.#members;
  }

  /** What the game keeps for those who join late; `undefined` where it keeps nothing. @returns {any} */
  get state() {
    return this.#state;
  }

  /**
   * Acts. An array is several actions, sent together and refused together. They
   * come back in `action`, to the actor like to everybody, with the server's
   * time. Offline they are queued; with `queue: false` they are dropped.
   * @param {any | any[]} data
   * @param {{timestamp?: number, queue?: boolean}} [options] timestamp: on
   *   `clock.local()`; now, if it is not given
   * @returns {boolean} whether it was sent or queued; where not, `refused` tells why
   */
  act(data, { timestamp, queue = true } = {}) {
    const list = Array.isArray(data) ? data : [data];
    const { session, clock } = this.#context;
    if (list.length === 0) return true;
    if (!queue && !session.online) return false;
    const stamp = timestamp ?? clock.local();
    const team = this.#team;
    const actions = list.map((one) => ({ timestamp: stamp, from: this.self, data: one ?? null, ...(team !== undefined && { team }) }));
    const refused = (/** @type {TurntableError} */ error) => {
      this.emit("refused", { error, data: list });
      this.#context.fault(error);
    };
    try {
      session.post("game", { channel: this.channel, actions }, refused);
      return true;
    } catch (error) {
      // A game's loop must not end over a full queue.
      if (!(error instanceof TurntableError)) throw error;
      refused(error);
      return false;
    }
  }

  /**
   * Invites users. Their answers come as `invitereply`.
   * @param {string[]} ids
   * @returns {Promise<void>}
   */
  async invite(ids) {
    await this.#context.session.ask("joingame", { ...this.#wish(), invite: ids });
  }

  /**
   * Leaves, giving the seat up.
   * @returns {Promise<void>}
   */
  async leave() {
    this.inside = false;
    this.#rooms.delete(this);
    await this.#context.kept.drop(`room/${this.channel}`, "leavegame", { channel: this.channel });
  }

  /**
   * @internal
   * @param {JoinOptions} options
   * @returns {Promise<this>}
   */
  async enter({ team, invite, game }) {
    this.#team = team ?? this.#team;
    this.#game = game ?? this.#game;
    const data = (/** @type {boolean} */ again) => ({ ...this.#wish(), invite: again ? undefined : invite });
    const refused = (/** @type {TurntableError} */ error) => this.ended("refused", error);
    try {
      await this.#context.kept.want(`room/${this.channel}`, "joingame", data, refused);
    } catch (error) {
      if (!this.inside) this.#rooms.delete(this);
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
    this.inside = true;
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
    if (this.inside && changes[this.self] === "left") this.ended("removed");
  }

  /**
   * @internal
   * @param {Action[]} actions
   */
  acted(actions) {
    for (const { from, team } of actions) {
      // `memberchange` does not tell a newcomer's team; its actions do.
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
    this.inside = false;
    this.#rooms.delete(this);
    this.#context.kept.forget(`room/${this.channel}`);
    this.emit("left", error ? { reason, error } : { reason });
  }

  #wish() {
    return { channel: this.channel, self: this.#context.user(), team: this.#team, game: this.#game };
  }
}

/** The rooms that are joined or being joined. */
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
    const room = this.#rooms.get(plain(channel));
    return room?.inside ? room : undefined;
  }

  /**
   * @param {string} channel
   * @param {JoinOptions} options
   * @returns {Promise<Room>}
   */
  join(channel, options) {
    const key = plain(channel);
    const room = this.#rooms.get(key) ?? new Room(this, this.#context, key);
    this.#rooms.set(key, room);
    return room.enter(options);
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
    const room = this.#rooms.get(plain(String(data?.channel)));
    if (command === "joined") {
      room?.joined(data);
      const mine = (/** @type {{command: string, data: any}} */ request) =>
        request.command === "joingame" && plain(request.data.channel) === plain(data.channel);
      // The answer may come without the id of the command.
      this.#context.session.settle(mine, data);
    } else if (command === "memberchange") {
      if (room?.inside) room.changed(data.members ?? {});
    } else if (command === "game") {
      if (room?.inside) room.acted(data.actions ?? []);
    } else if (command === "invitereply") {
      room?.emit("invitereply", { user: data.user, accepted: data.accepted });
    }
  }

  /** The session is a new one: what was known of the rooms is old. */
  reset() {
    for (const room of this.#rooms.values()) if (room.inside) room.stale = true;
  }

  end() {
    for (const room of [...this.#rooms.values()]) {
      if (room.inside) room.ended("closed");
    }
    this.#rooms.clear();
  }
}

/**
 * An id without the leading slash that the server would drop.
 * @param {string} channel
 */
export function plain(channel) {
  return channel.startsWith("/") ? channel.slice(1) : channel;
}
