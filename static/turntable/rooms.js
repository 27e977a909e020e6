/**
 * The rooms that are joined or being joined: one seat per room, which several
 * holders share.
 * @module
 */

import { Holding } from "./holding.js";
import { normalizeId, wrongId, wrongUsers } from "./id.js";
import { Room } from "./room.js";
import { RoomState } from "./room_state.js";

/** @import { TurntableError } from "./error.js" */
/** @import { JoinOptions, RoomContext } from "./room.js" */

/** @typedef {{holding: Holding<Room>, state: RoomState}} Seat */

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
   * @returns {Room | undefined} the room of the holder that joined first
   */
  get(channel) {
    if (wrongId(channel, "joingame")) return undefined;
    const seat = this.#seats.get(normalizeId(channel));
    return seat?.state.active ? seat.holding.holders[0] : undefined;
  }

  /**
   * @param {string} channel
   * @param {JoinOptions} options
   * @returns {Promise<Room>} rejects with the outcome of this join, whatever other joins of the
   *   room get
   */
  join(channel, options) {
    const error = wrongId(channel, "joingame") ?? (options.invite === undefined ? undefined : wrongUsers(options.invite));
    if (error) return Promise.reject(error);
    const key = normalizeId(channel);
    return (this.#seats.get(key) ?? this.#add(key)).holding.acquire(options);
  }

  /** Whether the user is in a room. */
  get playing() {
    for (const { state } of this.#seats.values()) if (state.active) return true;
    return false;
  }

  /**
   * @param {string} key
   * @returns {Seat}
   */
  #add(key) {
    /** @type {Holding<Room>} */
    const holding = new Holding(this.#context.session, {
      join: "joingame",
      leave: "leavegame",
      place: { channel: key },
      data: (options, again) => ({ ...seat.state.joinData(options, this.#context.user()), invite: again ? undefined : options.invite }),
      acquired: (options) => {
        seat.state.acquired(options);
        return new Room(this.#context, seat.state, (room) => holding.release(room));
      },
      released: (room, last) => {
        room.retire();
        if (last) this.#renew(seat);
      },
      unused: () => {
        if (this.#seats.get(key) === seat) this.#seats.delete(key);
      },
      refused: (error) => this.#end(seat, "refused", error),
    });
    const seat = { holding, state: new RoomState(key) };
    this.#seats.set(key, seat);
    return seat;
  }

  /**
   * The membership is over; a later one knows nothing of it.
   * @param {Seat} seat
   */
  #renew(seat) {
    seat.state.active = false;
    seat.state = new RoomState(seat.state.channel);
  }

  /**
   * @param {Seat} seat
   * @param {"removed" | "refused"} reason
   * @param {TurntableError} [error]
   */
  #end(seat, reason, error) {
    const rooms = seat.holding.holders;
    this.#renew(seat);
    seat.holding.ended();
    for (const room of rooms) room.ended(reason, error);
  }

  /**
   * @param {any} data
   * @param {any} id of the request, whose caller has its answer already
   */
  joined(data, id) {
    const channel = normalizeId(String(data?.channel));
    const seat = this.#seats.get(channel);
    if (seat?.state.joined(data)) for (const room of seat.holding.holders) room.emit("joined", { room });
    if (id !== undefined) return;
    this.#context.session.resolveFirst((request) => request.command === "joingame" && normalizeId(request.data.channel) === channel, data);
  }

  /**
   * @param {string} command
   * @param {any} data
   */
  message(command, data) {
    const seat = this.#seats.get(normalizeId(String(data?.channel)));
    // A room that is being joined again after it was left gets nothing of before.
    if (!seat?.state.active) return;
    const { state, holding } = seat;
    if (command === "memberchange") {
      const changes = data.members ?? {};
      state.changed(changes);
      for (const room of holding.holders) room.emit("members", typeof data.reason === "string" ? { changes, reason: data.reason } : { changes });
      // A listener may have left.
      if (state.isRemoved(changes, state.self ?? this.#context.user())) this.#end(seat, "removed");
    } else if (command === "game") {
      const actions = data.actions ?? [];
      state.acted(actions);
      const self = state.self ?? this.#context.user();
      for (const { from, data: done } of actions) if (from === self) this.#context.session.seen(state.channel, done);
      for (const room of holding.holders) {
        room.emit("actions", actions);
        for (const action of actions) room.emit("action", action);
      }
    } else if (command === "invitereply") {
      for (const room of holding.holders) room.emit("invitereply", { user: data.user, accepted: data.accepted });
    }
  }

  /** A new session has started: members and state of the rooms are outdated. */
  reset() {
    for (const { state } of this.#seats.values()) if (state.active) state.stale = true;
  }

  /** @param {boolean} resumed */
  restore(resumed) {
    for (const { holding } of [...this.#seats.values()]) holding.restore(resumed);
  }

  /** @param {TurntableError} error */
  close(error) {
    const seats = [...this.#seats.values()];
    this.#seats.clear();
    for (const { holding, state } of seats) {
      const rooms = holding.holders;
      state.active = false;
      holding.close(error);
      for (const room of rooms) room.ended("closed");
    }
  }
}
