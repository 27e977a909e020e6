/**
 * A client of one game of Four: synchronizes the state with the room's order,
 * takes a free seat, and sends moves with the resulting state. No DOM.
 */

import { RoomSync } from "../demo/room-sync.js";
import { apply, create, isState } from "./board.js";

export class Table {
  /**
   * @param {object} options
   * @param {any} options.room  a joined room of the client
   * @param {(state: import("./board.js").State, by: {from: string, data: any}|null) => void} options.changed
   * @param {() => void} options.refused  an own action was invalid when it was received
   */
  constructor({ room, changed, refused }) {
    this.room = room;
    this.self = room.self;
    this.changed = changed;
    this.refused = refused;
    this.state = isState(room.state) ? room.state : create();
    /** Whether an own action is in flight; another is not sent until it is received. */
    this.busy = false;
    this.sync = new RoomSync({
      self: this.self,
      adoptSeeds: false,
      act: (data) => room.act(data),
      apply: (action) => this.apply(action),
      snapshot: () => this.state,
      restore: (state) => this.setState(isState(state) ? state : create(), null),
      others: () => [...room.members].filter(([id, { state }]) => id !== this.self && state !== "away").map(([id]) => id),
      onSynced: () => this.sitDown(),
    });
    this.subscriptions = [
      room.on("action", (action) => this.sync.receive(action)),
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

  isMember(id) {
    return this.room.members.has(id);
  }

  setState(state, by) {
    this.state = state;
    this.changed(state, by);
  }

  apply(action) {
    if (action.data.keep === true) return; // Only for the server's stored state.
    if (action.data.result !== undefined && action.data.state === undefined) return; // Only for a backend.
    if (action.from === this.self) this.busy = false;
    const next = apply(this.state, action, (id) => this.isMember(id));
    if (next) {
      const ended = this.state.winner === null && next.winner !== null;
      this.setState(next, action);
      if (ended) this.report();
      return;
    }
    if (action.from === this.self && action.data.sit !== undefined) this.sitDown();
    else if (action.from === this.self) this.refused();
    // The server has stored the state of an invalid action: replace it.
    if (action.data.state !== undefined && this.isFirst()) this.room.act({ keep: true, state: this.state });
  }

  /** Whether this client is the connected member with the lowest id. Only that one corrects the stored state. */
  isFirst() {
    const ids = [...this.room.members].filter(([, { state }]) => state !== "away").map(([id]) => id);
    return ids.sort()[0] === this.self;
  }

  /** Sends an action if it is valid in the current state; returns whether it was sent. */
  act(data) {
    if (!this.sync.synced || this.busy) return false;
    const state = apply(this.state, { from: this.self, data }, (id) => this.isMember(id));
    if (!state) return false;
    // Not queued: the action may be invalid after a reconnection.
    this.busy = this.room.act({ ...data, state }, { queue: false });
    return this.busy;
  }

  /** Both players report the round that ended: a backend counts it if they agree (docs/webhooks.md). */
  report() {
    if (this.seat === null) return;
    const { round, seats, winner } = this.state;
    this.room.act({ result: { round, players: seats, winner: winner === "draw" ? null : seats[winner] } });
  }

  sitDown() {
    const free = this.state.seats.indexOf(null);
    if (this.seat === null && free !== -1) this.act({ sit: free });
    this.changed(this.state, null);
  }

  /** The own seat; null for a spectator. */
  get seat() {
    const seat = this.state.seats.indexOf(this.self);
    return seat === -1 ? null : seat;
  }

  get myTurn() {
    return this.sync.synced && this.state.winner === null && this.seat === this.state.turn && !this.state.seats.includes(null);
  }
}
