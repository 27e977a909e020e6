// A new member gets exactly the state of the other members.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ATTEMPTS, ANSWER_TIMEOUT_MS, RoomSync, ANSWER_INTERVAL_MS } from "../../static/demo/room-sync.js";

/** A room with one order of actions and a manual clock. The state is a list of numbers. */
class FakeRoom {
  constructor() {
    this.members = new Map();
    this.order = [];
    this.timers = [];
    this.now = 0;
  }

  join(id, stored = [], options = {}) {
    const member = { id, log: [...stored], receives: true };
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
      for (const member of this.members.values()) if (member.receives) member.sync.receive(action);
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

test("a single member starts with the state stored by the server", () => {
  const room = new FakeRoom();
  const first = room.join("a", [1, 2]);
  assert.equal(first.sync.synced, false);
  room.deliver();
  assert.equal(first.sync.synced, true);
  assert.deepEqual(first.log, [1, 2]);
});

test("a new member has all actions before, during and after its request, once", () => {
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
  room.pass(ANSWER_INTERVAL_MS);
  room.add("b", 5);
  room.deliver();
  assert.deepEqual(first.log, [1, 2, 3, 4, 5]);
  assert.deepEqual(second.log, first.log);
});

test("one member answers; if it is silent the next one does", () => {
  const room = new FakeRoom();
  const first = room.join("a");
  room.deliver();
  const second = room.join("b");
  room.pass(ANSWER_INTERVAL_MS);
  assert.ok(second.sync.synced);
  const answers = [];
  room.join("c", [], {});
  const spy = room.order.push.bind(room.order);
  room.order.push = (action) => {
    if (action.data.answer !== undefined) answers.push(action.from);
    return spy(action);
  };
  room.pass(3 * ANSWER_INTERVAL_MS);
  assert.deepEqual(answers, ["a"]);
  first.receives = false;
  const fourth = room.join("d");
  room.pass(3 * ANSWER_INTERVAL_MS);
  assert.ok(fourth.sync.synced);
  assert.deepEqual(answers.slice(1), ["b"]);
});

test("if no member answers, the new member's state becomes the state of all", () => {
  const room = new FakeRoom();
  const silent = room.join("a");
  room.deliver();
  silent.receives = false;
  const second = room.join("b", [7]);
  room.pass(ANSWER_TIMEOUT_MS * ATTEMPTS);
  assert.ok(second.sync.synced);
  assert.deepEqual(second.log, [7]);
});

test("members that lost the room at the same time converge to one state", () => {
  const room = new FakeRoom();
  const first = room.join("a");
  room.deliver();
  const second = room.join("b");
  room.pass(ANSWER_INTERVAL_MS);
  room.add("a", 1);
  room.deliver();
  second.log.push(50); // an action that only one of them received before the loss
  first.sync.begin();
  second.sync.begin();
  room.pass(ANSWER_TIMEOUT_MS * ATTEMPTS + ANSWER_INTERVAL_MS);
  room.add("b", 2);
  room.deliver();
  assert.ok(first.sync.synced && second.sync.synced);
  assert.deepEqual(first.log, second.log);
  assert.equal(first.log.at(-1), 2);
});

test("with adoptSeeds: false a synchronized member ignores a seed", () => {
  const room = new FakeRoom();
  const first = room.join("a", [], { adoptSeeds: false });
  room.deliver();
  room.add("a", 1);
  room.order.push({ timestamp: 0, from: "z", data: { seed: true, state: [666] } });
  room.deliver();
  assert.deepEqual(first.log, [1]);
});
