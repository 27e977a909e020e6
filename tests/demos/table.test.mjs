// A game of Four between clients of one room: what they send, and what they report.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Table } from "../../static/four/table.js";

/** Clients of a room with one order of actions. */
class FakeRoom {
  order = [];
  members = new Map();
  clients = new Map();

  join(id) {
    this.members.set(id, { state: "joined" });
    const client = { listeners: new Map(), refusals: 0 };
    const { order, members } = this;
    const room = {
      self: id,
      members,
      state: undefined,
      act(data) {
        order.push({ timestamp: 0, from: id, data });
        return true;
      },
      on(event, listener) {
        client.listeners.set(event, listener);
        return () => client.listeners.delete(event);
      },
    };
    this.clients.set(id, client);
    client.table = new Table({ room, changed() {}, refused: () => (client.refusals += 1) });
    return client;
  }

  /** Delivers actions until none is left, answers to new members included; returns them. */
  deliver() {
    const delivered = [];
    while (this.order.length > 0) {
      const action = this.order.shift();
      delivered.push(action);
      for (const { listeners } of this.clients.values()) listeners.get("action")(action);
    }
    return delivered;
  }
}

test("both players report a round that ends, spectators do not, and nobody is refused", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const room = new FakeRoom();
  const ids = ["1:1", "1:2", "1:3"];
  const clients = ids.map((id) => {
    const client = room.join(id);
    room.deliver();
    context.mock.timers.tick(1000);
    room.deliver();
    return client;
  });
  const [red, yellow, watcher] = clients.map(({ table }) => table);
  assert.deepEqual([red.seat, yellow.seat, watcher.seat], [0, 1, null]);
  let delivered = [];
  for (const [table, column] of [[red, 0], [yellow, 1], [red, 0], [yellow, 1], [red, 0], [yellow, 1], [red, 0]]) {
    assert.equal(table.act({ move: column }), true);
    delivered = room.deliver();
  }
  const reports = delivered.filter(({ data }) => data.result !== undefined);
  const result = { round: 1, players: ["1:1", "1:2"], winner: "1:1" };
  assert.deepEqual(reports, ["1:1", "1:2"].map((from) => ({ timestamp: 0, from, data: { result } })));
  assert.deepEqual(clients.map(({ refusals }) => refusals), [0, 0, 0]);
  assert.equal(yellow.act({ new_round: 2 }), true);
  room.deliver();
  assert.deepEqual(clients.map(({ table }) => table.state.round), [2, 2, 2]);
  for (const { table } of clients) table.close();
});
