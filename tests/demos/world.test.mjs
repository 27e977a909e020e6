// The rules of Strike: movement, shots judged in the past, rounds. Every client
// computes the same world from the same order of actions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { angleTo, blocked, freeDistance, HEIGHT, slide, SPAWNS, WALLS, WIDTH } from "../../static/strike/arena.js";
import {
  COOLDOWN_MS, HEALTH, PAUSE_MS, PLAYERS_MAX, RESPAWN_MS, SHIELD_MS, SPEED, VIEW_DELAY_MS, World,
} from "../../static/strike/world.js";

const RED = "1:1";
const BLUE = "1:2";
const T0 = 1_700_000_000_000;

function act(world, timestamp, from, data, team) {
  return world.apply({ timestamp, from, data, ...(team ? { team } : {}) });
}

function types(events) {
  return events.map((event) => event.type);
}

/** Moves a player to a point within the speed limit; returns the time of arrival. */
function walk(world, time, id, x, y) {
  for (;;) {
    const here = world.positionAt(id, time);
    const distance = Math.hypot(x - here.x, y - here.y);
    if (distance < 1) return time;
    const step = Math.min(1, 12 / distance);
    time += 60;
    act(world, time, id, { move: { x: here.x + (x - here.x) * step, y: here.y + (y - here.y) * step, vx: 0, vy: 0, angle: 0 } });
  }
}

/** Two players on the open lane at the top, facing each other, without shields. */
function duel(goal = 10) {
  const world = new World(goal);
  act(world, T0, RED, { enter: {} }, "red");
  act(world, T0, BLUE, { enter: {} }, "blue");
  const there = Math.max(walk(world, T0, RED, 70, 50), walk(world, T0, BLUE, 890, 50));
  return { world, time: Math.max(there, T0 + SHIELD_MS) + 1000 };
}

function shoot(world, time, from, target, angle = from === RED ? 0 : 2048) {
  const { x, y } = world.positionAt(from, time);
  return [...act(world, time, from, { fire: { x, y, angle } }), ...act(world, time, from, { strike_one: target })];
}

test("the map is symmetric, and no spawn point is in a wall", () => {
  for (const [x, y, width, height] of WALLS) {
    const twin = [WIDTH - x - width, HEIGHT - y - height, width, height];
    assert.ok(WALLS.some((wall) => wall.join() === twin.join()), `no twin for ${[x, y, width, height]}`);
  }
  for (const [x, y] of Object.values(SPAWNS).flat()) assert.equal(blocked(x, y), false);
});

test("sliding never enters a wall, for any step size", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  let { x, y } = { x: 70, y: 300 };
  for (let step = 0; step < 3000; step += 1) {
    ({ x, y } = slide(x, y, (random() - 0.5) * 200, (random() - 0.5) * 200));
    assert.equal(blocked(x, y), false, `${x},${y}`);
  }
});

test("a shot ends at a wall or at the edge of the map", () => {
  assert.equal(Math.round(freeDistance(70, 300, 0, 900)), 160);
  for (let angle = 0; angle < 4096; angle += 37) {
    const reach = freeDistance(70, 300, angle, 2000);
    assert.ok(reach > 0 && reach < 1200, `${angle}: ${reach}`);
  }
  assert.equal(angleTo(0, 0, 10, 0), 0);
  assert.equal(angleTo(0, 0, 0, 10), 1024);
});

test("players without a team join the smaller one, and the arena is limited to eight players", () => {
  const world = new World();
  for (let n = 0; n < PLAYERS_MAX + 2; n += 1) act(world, T0, `1:${n}`, { enter: {} });
  const sides = [...world.players.values()].map((player) => player.team);
  assert.equal(sides.length, PLAYERS_MAX);
  assert.equal(sides.filter((side) => side === "red").length, PLAYERS_MAX / 2);
});

test("a move beyond the speed limit is refused, and the player continues from its last position", () => {
  const world = new World();
  act(world, T0, RED, { enter: {} }, "red");
  const far = act(world, T0 + 60, RED, { move: { x: 400, y: 300, vx: 0, vy: 0, angle: 0 } });
  assert.deepEqual(types(far), ["refused"]);
  assert.equal(world.positionAt(RED, T0 + 60).x, 70);
  let x = 70;
  for (let step = 1; step <= 8; step += 1) {
    x += (SPEED * 60) / 1000;
    assert.deepEqual(types(act(world, T0 + step * 60, RED, { move: { x, y: 300, vx: SPEED, vy: 0, angle: 0 } })), []);
  }
  assert.ok(world.positionAt(RED, T0 + 480).x > 160);
});

test("moves into walls and malformed actions are ignored", () => {
  const world = new World();
  act(world, T0, RED, { enter: {} }, "red");
  const before = JSON.stringify(world.snapshot().players[0].track);
  for (const move of [null, {}, { x: "1", y: 2, vx: 0, vy: 0, angle: 0 }, { x: NaN, y: 0, vx: 0, vy: 0, angle: 0 }, 7]) {
    act(world, T0 + 60, RED, { move });
  }
  act(world, T0 + 60, RED, { move: { x: 5, y: 300, vx: 0, vy: 0, angle: 0 } });
  for (const data of [null, 3, "fire", []]) act(world, T0 + 61, RED, data);
  assert.equal(JSON.stringify(world.snapshot().players[0].track), before);
});

test("three hits kill and score, and the target respawns with full health", () => {
  const { world, time } = duel();
  assert.deepEqual(types(shoot(world, time, RED, BLUE)), ["fired", "hit"]);
  shoot(world, time + COOLDOWN_MS, RED, BLUE);
  const last = time + 2 * COOLDOWN_MS;
  assert.deepEqual(types(shoot(world, last, RED, BLUE)), ["fired", "hit", "killed"]);
  assert.deepEqual(world.score, { red: 1, blue: 0 });
  const target = world.players.get(BLUE);
  assert.equal(world.alive(target, last + RESPAWN_MS - 1), false);
  assert.equal(world.alive(target, last + RESPAWN_MS), true);
  assert.equal(world.healthAt(target, last + RESPAWN_MS), HEALTH);
  const back = world.positionAt(BLUE, last + RESPAWN_MS);
  assert.ok(SPAWNS.blue.some(([x, y]) => x === back.x && y === back.y));
});

test("a claim is judged by the target's position as the shooter saw it", () => {
  const { world, time } = duel();
  // The target leaves the line of fire just before the shot; the shooter still saw it there.
  const dodge = time - VIEW_DELAY_MS / 2;
  act(world, dodge - 1, BLUE, { move: { x: 890, y: 50, vx: 0, vy: 0, angle: 0 } });
  act(world, dodge, BLUE, { move: { x: 890, y: 110, vx: 0, vy: SPEED, angle: 0 } });
  assert.equal(Math.round(world.positionAt(BLUE, dodge).y), 110);
  assert.deepEqual(types(shoot(world, time, RED, BLUE)), ["fired", "hit"]);
  assert.deepEqual(types(shoot(world, time + COOLDOWN_MS, RED, BLUE)), ["fired"], "the target has left the line of fire");
});

test("no hit through a wall, on the own team, on a shielded player, twice per shot, or within the cooldown", () => {
  const { world, time } = duel();
  act(world, time, "1:3", { enter: {} }, "red");
  assert.deepEqual(types(shoot(world, time, RED, "1:3")), ["fired"], "own team");
  act(world, time, "1:4", { enter: {} }, "blue");
  const { x, y } = world.positionAt("1:4", time);
  const red = world.positionAt(RED, time);
  const angle = angleTo(red.x, red.y, x, y);
  assert.deepEqual(types(shoot(world, time + SHIELD_MS + COOLDOWN_MS, RED, "1:4", angle)), ["fired"], "behind a wall");
  const later = time + SHIELD_MS + 2 * COOLDOWN_MS;
  assert.deepEqual(types(shoot(world, later, RED, BLUE)), ["fired", "hit"]);
  assert.deepEqual(types(act(world, later, RED, { strike_one: BLUE })), [], "twice");
  assert.deepEqual(types(shoot(world, later + 50, RED, BLUE)), [], "too early");
  const fresh = new World();
  act(fresh, T0, RED, { enter: {} }, "red");
  act(fresh, T0, BLUE, { enter: {} }, "blue");
  fresh.players.get(RED).track = [[T0, 70, 50, 0, 0, 0, 1]];
  fresh.players.get(BLUE).track = [[T0, 890, 50, 0, 0, 0, 1]];
  assert.deepEqual(types(shoot(fresh, T0 + SHIELD_MS - 1, RED, BLUE)), ["fired"], "shield");
});

test("two players who shoot each other at the same time both die, in either order", () => {
  const { world, time } = duel();
  for (const shot of [0, 1]) {
    shoot(world, time + shot * COOLDOWN_MS, RED, BLUE);
    shoot(world, time + shot * COOLDOWN_MS, BLUE, RED);
  }
  const last = time + 2 * COOLDOWN_MS;
  assert.ok(types(shoot(world, last + 5, RED, BLUE)).includes("killed"));
  assert.ok(types(shoot(world, last, BLUE, RED)).includes("killed"));
  assert.deepEqual(world.score, { red: 1, blue: 1 });
});

test("the first team to reach the goal wins, the pause ignores shots, and a new round starts", () => {
  const { world, time } = duel(1);
  for (const shot of [0, 1]) shoot(world, time + shot * COOLDOWN_MS, RED, BLUE);
  const won = time + 2 * COOLDOWN_MS;
  assert.deepEqual(types(shoot(world, won, RED, BLUE)), ["fired", "hit", "killed", "won"]);
  assert.equal(world.round.winner, "red");
  assert.deepEqual(types(shoot(world, won + COOLDOWN_MS, RED, BLUE)), []);
  const next = act(world, won + PAUSE_MS, RED, { move: { x: 70, y: 300, vx: 0, vy: 0, angle: 0 } });
  assert.deepEqual(types(next), ["round"]);
  assert.deepEqual([world.round.number, world.score, world.wins], [2, { red: 0, blue: 0 }, { red: 1, blue: 0 }]);
  assert.equal(world.positionAt(RED, won + PAUSE_MS).x, SPAWNS.red[0][0]);
});

test("a world restored from a snapshot develops like the original", () => {
  const { world, time } = duel(3);
  const log = [];
  let seed = 11;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let step = 0; step < 400; step += 1) {
    const id = random() < 0.5 ? RED : BLUE;
    const now = time + step * 35 + Math.round(random() * 30);
    const here = world.positionAt(id, now);
    const kind = random();
    if (kind < 0.6) {
      const moved = slide(here.x, here.y, (random() - 0.5) * 14, (random() - 0.5) * 4);
      log.push({ timestamp: now, from: id, data: { move: { ...moved, vx: 0, vy: 0, angle: step } } });
    } else {
      const other = id === RED ? BLUE : RED;
      const there = world.positionAt(other, now - VIEW_DELAY_MS);
      log.push({ timestamp: now, from: id, data: { fire: { x: here.x, y: here.y, angle: angleTo(here.x, here.y, there.x, there.y) } } });
      log.push({ timestamp: now, from: id, data: { strike_one: other } });
    }
    const part = log.slice(-2);
    if (kind < 0.6) part.shift();
    for (const action of part) world.apply(action);
  }
  assert.ok(world.score.red + world.score.blue + world.wins.red + world.wins.blue > 0, "the sequence contains kills");

  const again = duel(3).world;
  log.slice(0, 250).forEach((action) => again.apply(action));
  const late = World.restore(JSON.parse(JSON.stringify(again.snapshot())));
  log.slice(250).forEach((action) => late.apply(action));
  assert.deepEqual(late.snapshot(), world.snapshot());
  assert.ok(JSON.stringify(world.snapshot()).length < 16_000);
});

test("an invalid snapshot gives a new world", () => {
  for (const state of [null, undefined, 3, {}, { players: [null, {}] }]) {
    assert.equal(World.restore(state).players.size, 0);
  }
});

test("aim finds the nearest enemy in the line of fire, and none behind a wall", () => {
  const { world, time } = duel();
  const here = world.positionAt(RED, time);
  assert.equal(world.aim(RED, { ...here, angle: 0 }, time), BLUE);
  assert.equal(world.aim(RED, { ...here, angle: 1024 }, time), null);
  assert.equal(world.aim("1:999", { ...here, angle: 0 }, time), null);
});
