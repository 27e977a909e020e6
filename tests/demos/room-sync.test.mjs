// A newcomer gets exactly the members' state, whatever happens while it asks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ATTEMPTS, PATIENCE_MS, RoomSync, TURN_MS } from "../../static/demo/room-sync.js";

/** A room with one order and a clock of its own; each member adds numbers up. */
class FakeRoom {
  constructor() {
    this.members = new Map();
    this.order = [];
    this.timers = [];
    this.now = 0;
  }

  join(id, kept = [], options = {}) {
    const member = { id, log: [...kept], heard: true };
    member.sync = new RoomSync({
      self: id,
      act: (data) => this.order.push({ timestamp: 0, from: id, data }),
      apply: (action) => member.log.push(action.data.add),
      snapshot: () => [...member.log],
      restore: (state) => (member.log = [...state]),
      others: () => [...this.members.keys()].filter((other) => other !== id),
      later: (run, ms) => {
        const timer = { run, at: this.now + ms };
        this.timers.push(timer);
        return timer;
      },
      cancel: (timer) => (this.timers = this.timers.filter((each) => each !== timer)),
      ...options,
    });
    this.members.set(id, member);
    member.sync.begin();
    return member;
  }

  add(id, number) {
    this.order.push({ timestamp: 0, from: id, data: { add: number } });
  }

  deliver() {
    while (this.order.length > 0) {
      const action = this.order.shift();
      for (const member of this.members.values()) if (member.heard) member.sync.take(action);
    }
  }

  pass(ms) {
    const end = this.now + ms;
    for (;;) {
      this.deliver();
      const [next] = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.now = next.at;
      this.timers = this.timers.filter((timer) => timer !== next);
      next.run();
    }
    this.now = end;
  }
}

test("who is alone begins, with what the server kept", () => {
  const room = new FakeRoom();
  const first = room.join("a", [1, 2]);
  assert.equal(first.sync.synced, false);
  room.deliver();
  assert.equal(first.sync.synced, true);
  assert.deepEqual(first.log, [1, 2]);
});

test("a newcomer has all that came before, while and after it asked, once", () => {
  const room = new FakeRoom();
  const first = room.join("a");
  room.deliver();
  room.add("a", 1);
  room.deliver();
  room.add("a", 2);
  const second = room.join("b", [99]);
  room.add("a", 3);
  room.deliver();
  room.add("a", 4);
  room.pass(TURN_MS);
  room.add("b", 5);
  room.deliver();
  assert.deepEqual(first.log, [1, 2, 3, 4, 5]);
  assert.deepEqual(second.log, first.log);
});

test("one member answers; the next does when the first is silent", () => {
  const room = new FakeRoom();
  const first = room.join("a");
  room.deliver();
  const second = room.join("b");
  room.pass(TURN_MS);
  assert.ok(second.sync.synced);
  const answers = [];
  room.join("c", [], {});
  const spy = room.order.push.bind(room.order);
  room.order.push = (action) => {
    if (action.data.answer !== undefined) answers.push(action.from);
    return spy(action);
  };
  room.pass(3 * TURN_MS);
  assert.deepEqual(answers, ["a"]);
  first.heard = false;
  const fourth = room.join("d");
  room.pass(3 * TURN_MS);
  assert.ok(fourth.sync.synced);
  assert.deepEqual(answers.slice(1), ["b"]);
});

test("when nobody answers, the newcomer's state becomes everybody's", () => {
  const room = new FakeRoom();
  const silent = room.join("a");
  room.deliver();
  silent.heard = false;
  const second = room.join("b", [7]);
  room.pass(PATIENCE_MS * ATTEMPTS);
  assert.ok(second.sync.synced);
  assert.deepEqual(second.log, [7]);
});

test("all who lost the room at once come to one state again", () => {
  const room = new FakeRoom();
  const first = room.join("a");
  room.deliver();
  const second = room.join("b");
  room.pass(TURN_MS);
  room.add("a", 1);
  room.deliver();
  second.log.push(50); // what only one of them saw before the server went away
  first.sync.begin();
  second.sync.begin();
  room.pass(PATIENCE_MS * ATTEMPTS + TURN_MS);
  room.add("b", 2);
  room.deliver();
  assert.ok(first.sync.synced && second.sync.synced);
  assert.deepEqual(first.log, second.log);
  assert.equal(first.log.at(-1), 2);
});

test("a member in step keeps its state against a seed where the game says so", () => {
  const room = new FakeRoom();
  const first = room.join("a", [], { adoptSeeds: false });
  room.deliver();
  room.add("a", 1);
  room.order.push({ timestamp: 0, from: "z", data: { seed: true, state: [666] } });
  room.deliver();
  assert.deepEqual(first.log, [1]);
});
