/**
 * One browser at a table of Four: keeps the state in step with the room's
 * order, takes a free seat, and sends moves with the state they lead to.
 * No DOM.
 */

import { RoomSync } from "../demo/room-sync.js";
import { apply, create, isState } from "./board.js";

export class Table {
  /**
   * @param {object} options
   * @param {any} options.room  a joined room of the client
   * @param {(state: import("./board.js").State, by: {from: string, data: any}|null) => void} options.changed
   * @param {() => void} options.refused  an own move came too late or was not valid
   */
  constructor({ room, changed, refused }) {
    this.room = room;
    this.self = room.self;
    this.changed = changed;
    this.refused = refused;
    this.state = isState(room.state) ? room.state : create();
    /** Whether an own action is on its way; the next waits for it. */
    this.busy = false;
    this.sync = new RoomSync({
      self: this.self,
      adoptSeeds: false,
      act: (data) => room.act(data),
      apply: (action) => this.take(action),
      snapshot: () => this.state,
      restore: (state) => this.become(isState(state) ? state : create(), null),
      others: () => [...room.members].filter(([id, { state }]) => id !== this.self && state !== "away").map(([id]) => id),
      onSynced: () => this.sitDown(),
    });
    this.subscriptions = [
      room.on("action", (action) => this.sync.take(action)),
      room.on("joined", () => {
        this.busy = false;
        this.sync.begin();
      }),
      room.on("refused", () => (this.busy = false)),
    ];
    this.sync.begin();
  }

  close() {
    this.sync.stop();
    for (const unsubscribe of this.subscriptions) unsubscribe();
  }

  present(id) {
    return this.room.members.has(id);
  }

  become(state, by) {
    this.state = state;
    this.changed(state, by);
  }

  take(action) {
    if (action.data.keep === true) return; // A state for the server to keep: we have our own.
    if (action.from === this.self) this.busy = false;
    const next = apply(this.state, action, (id) => this.present(id));
    if (next) {
      this.become(next, action);
      return;
    }
    if (action.from === this.self && action.data.sit !== undefined) this.sitDown();
    else if (action.from === this.self) this.refused();
    // The server keeps the state of the last action, valid or not: set it right.
    if (action.data.state !== undefined && this.isFirst()) this.room.act({ keep: true, state: this.state });
  }

  /** Whether, of all that could set something right, it is this client's turn. */
  isFirst() {
    const ids = [...this.room.members].filter(([, { state }]) => state !== "away").map(([id]) => id);
    return ids.sort()[0] === this.self;
  }

  /** Sends an action that is valid as far as we know; says whether it was. */
  act(data) {
    if (!this.sync.synced || this.busy) return false;
    const state = apply(this.state, { from: this.self, data }, (id) => this.present(id));
    if (!state) return false;
    // Not queued: what is valid now may not be when the connection is back.
    this.busy = this.room.act({ ...data, state }, { queue: false });
    return this.busy;
  }

  sitDown() {
    const free = this.state.seats.indexOf(null);
    if (this.seat === null && free !== -1) this.act({ sit: free });
    this.changed(this.state, null);
  }

  /** The own seat, or null for who watches. */
  get seat() {
    const seat = this.state.seats.indexOf(this.self);
    return seat === -1 ? null : seat;
  }

  get myTurn() {
    return this.sync.synced && this.state.winner === null && this.seat === this.state.turn && !this.state.seats.includes(null);
  }
}
