/**
 * A game room as seen by one member, and the set of joined rooms.
 * @module
 */

import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import { Holding } from "./holding.js";

/** @import { Clock } from "./clock.js" */
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
 * @typedef {object} ActOptions
 * @property {number} [timestamp] in ms of `clock.local()`; default: now
 * @property {boolean} [queue] false: dropped if it cannot be sent at once
 * @property {number} [expires_ms] dropped if it is still queued after this time
 * @property {string} [merge] while it is queued, a later action of the room with the same key
 *   replaces it, without `refused`
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
 * @property {Clock} clock
 * @property {() => string} user
 * @property {(error: TurntableError) => void} report
 */

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  #context;
  #holding;
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
   * @param {Holding} holding
   * @param {RoomContext} context
   * @param {string} channel
   */
  constructor(holding, context, channel) {
    super(context.session.gate);
    this.#holding = holding;
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
   * @param {ActOptions} [options]
   * @returns {boolean} whether the actions were sent or queued; what is dropped later is
   *   emitted as `refused`
   */
  act(data, { timestamp, queue = true, expires_ms, merge } = {}) {
    const list = Array.isArray(data) ? data : [data];
    const { session, clock } = this.#context;
    if (list.length === 0) return true;
    if (!queue && !session.immediate("game", { actions: list })) return false;
    const stamp = clock.wire(timestamp ?? clock.local());
    const team = this.#team;
    const actions = list.map((one) => ({ timestamp: stamp, from: this.self, data: one ?? null, ...(team !== undefined && { team }) }));
    const refused = (/** @type {TurntableError} */ error) => {
      this.emit("refused", { error, data: list });
      this.#context.report(error);
    };
    const max = session.limits.actions_max;
    if (max && list.length > max) {
      refused(new TurntableError("too_many", `${list.length} actions in one message; the server's limit is ${max}`, { command: "game", details: { max } }));
      return false;
    }
    const options = { expires_ms, ...(merge !== undefined && { merge: `${this.channel} ${merge}` }) };
    try {
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
    // A `joingame` of a room that was left would join it again.
    if (!this.active) throw new TurntableError("not_member", "this client is not in the room", { command: "joingame" });
    await this.#context.session.request("joingame", { ...this.joinData({}), invite: ids });
  }

  /**
   * One holder less: each successful `join` is one, and the last one gives up the
   * seat. From then on this object emits nothing.
   * @returns {Promise<void>}
   */
  async leave() {
    if (this.active) await this.#holding.release();
  }

  /** @internal the last holder has left */
  retire() {
    this.active = false;
    this.mute();
  }

  /**
   * @internal
   * @param {JoinOptions} options
   * @returns {Record<string, any>} the data of `joingame`
   */
  joinData({ team, game }) {
    return { channel: this.channel, self: this.#context.user(), team: team ?? this.#team, game: game ?? this.#game };
  }

  /**
   * @internal
   * @param {JoinOptions} options of a join that succeeded
   * @returns {this}
   */
  acquired({ game }) {
    this.#game = game ?? this.#game;
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
    if (this.active && Object.hasOwn(changes, this.self) && changes[this.self] === "left") this.ended("removed");
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
    if (!this.active) return;
    this.active = false;
    if (reason !== "closed") this.#holding.ended();
    this.emit("left", error ? { reason, error } : { reason });
    this.mute();
  }
}

/** @typedef {{holding: Holding, room: Room}} Seat */

/** Rooms that are joined or being joined. */
export class Rooms {
  #context;
  /** @type {Map<string, Seat>} */
  #seats = new Map();

  /** @param {RoomContext} context */
  constructor(context) {
    this.#context = context;
  }

  /**
   * @param {string} channel
   * @returns {Room | undefined}
   */
  get(channel) {
    const seat = this.#seats.get(normalizeId(channel));
    return seat?.holding.held && seat.room.active ? seat.room : undefined;
  }

  /**
   * @param {string} channel
   * @param {JoinOptions} options
   * @returns {Promise<Room>} rejects with the outcome of this join, whatever other joins of the
   *   room get
   */
  join(channel, options) {
    const key = normalizeId(channel);
    return (this.#seats.get(key) ?? this.#add(key)).holding.acquire(options);
  }

  /** Whether the user is in a room. */
  get playing() {
    for (const seat of this.#seats.values()) if (seat.room.active) return true;
    return false;
  }

  /**
   * @param {string} key
   * @returns {Seat}
   */
  #add(key) {
    const holding = new Holding(this.#context.session, {
      join: "joingame",
      leave: "leavegame",
      place: { channel: key },
      data: (options, again) => ({ ...seat.room.joinData(options), invite: again ? undefined : options.invite }),
      acquired: (options) => seat.room.acquired(options),
      released: () => this.#renew(seat),
      unused: () => {
        if (this.#seats.get(key) === seat) this.#seats.delete(key);
      },
      refused: (error) => {
        seat.room.ended("refused", error);
        this.#renew(seat);
      },
    });
    const seat = { holding, room: new Room(holding, this.#context, key) };
    this.#seats.set(key, seat);
    return seat;
  }

  /**
   * The room object ends with its last holder; a later join gets a new one.
   * @param {Seat} seat
   */
  #renew(seat) {
    seat.room.retire();
    seat.room = new Room(seat.holding, this.#context, seat.room.channel);
  }

  /**
   * @param {any} data
   * @param {any} id of the request, whose caller has its answer already
   */
  joined(data, id) {
    const channel = normalizeId(String(data?.channel));
    this.#seats.get(channel)?.room.joined(data);
    if (id !== undefined) return;
    this.#context.session.resolveFirst((request) => request.command === "joingame" && normalizeId(request.data.channel) === channel, data);
  }

  /**
   * @param {string} command
   * @param {any} data
   */
  message(command, data) {
    const seat = this.#seats.get(normalizeId(String(data?.channel)));
    const room = seat?.room;
    if (command === "memberchange") {
      if (room?.active) room.changed(data.members ?? {});
      if (seat && !seat.holding.held && !room?.active) this.#renew(seat);
    } else if (command === "game") {
      if (room?.active) room.acted(data.actions ?? []);
    } else if (command === "invitereply") {
      room?.emit("invitereply", { user: data.user, accepted: data.accepted });
    }
  }

  /** A new session has started: members and state of the rooms are outdated. */
  reset() {
    for (const { room } of this.#seats.values()) if (room.active) room.stale = true;
  }

  /** @param {boolean} resumed */
  restore(resumed) {
    for (const { holding } of [...this.#seats.values()]) holding.restore(resumed);
  }

  /** @param {TurntableError} error */
  close(error) {
    const seats = [...this.#seats.values()];
    this.#seats.clear();
    for (const { holding, room } of seats) {
      holding.close(error);
      room.ended("closed");
    }
  }
}

/**
 * The id without a leading slash, as the server normalizes it.
 * @param {string} channel
 */
export function normalizeId(channel) {
  return channel.startsWith("/") ? channel.slice(1) : channel;
}
