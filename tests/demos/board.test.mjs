// The rules of Four: falling discs, lines, turns, seats and rounds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, COLUMNS, create, isState, landing, winningLine } from "../../static/four/board.js";

const ANN = "1:1";
const BEN = "1:2";

function seated() {
  const first = apply(create(), { from: ANN, data: { sit: 0 } });
  return apply(first, { from: BEN, data: { sit: 1 } });
}

function play(state, columns) {
  for (const column of columns) {
    const next = apply(state, { from: state.seats[state.turn], data: { move: column } });
    assert.ok(next, `column ${column} was refused`);
    state = next;
  }
  return state;
}

test("a disc lands on the discs of its column, and a full column refuses another", () => {
  const state = play(seated(), [3, 3, 3, 3, 3, 3]);
  assert.equal(landing(state.board, 3), null);
  assert.equal(apply(state, { from: state.seats[state.turn], data: { move: 3 } }), null);
  assert.equal(state.board[5 * COLUMNS + 3], "0");
  assert.equal(state.board[4 * COLUMNS + 3], "1");
});

test("columns that do not exist are refused", () => {
  for (const column of [-1, 7, 1.5, "3", null, NaN, {}]) {
    assert.equal(apply(seated(), { from: ANN, data: { move: column } }), null);
  }
});

test("only the player whose turn it is may move, and only if both seats are taken", () => {
  const state = seated();
  assert.equal(apply(state, { from: BEN, data: { move: 0 } }), null);
  assert.equal(apply(state, { from: "1:9", data: { move: 0 } }), null);
  const alone = apply(create(), { from: ANN, data: { sit: 0 } });
  assert.equal(apply(alone, { from: ANN, data: { move: 0 } }), null);
});

for (const [name, columns] of [
  ["in a row", [0, 0, 1, 1, 2, 2, 3]],
  ["in a column", [0, 1, 0, 1, 0, 1, 0]],
  ["on a rising diagonal", [0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3]],
  ["on a falling diagonal", [6, 5, 5, 4, 4, 3, 4, 3, 3, 0, 3]],
]) {
  test(`four ${name} win, are marked, and end the round`, () => {
    const state = play(seated(), columns);
    assert.equal(state.winner, 0);
    assert.equal(state.line.length, 4);
    assert.deepEqual(state.wins, [1, 0]);
    assert.equal(apply(state, { from: BEN, data: { move: 6 } }), null);
  });
}

test("a line of five is marked completely, and a line does not wrap around the edge", () => {
  const board = ".".repeat(35) + "00000..";
  assert.deepEqual(winningLine(board, 37), [35, 36, 37, 38, 39]);
  const wrapped = ".".repeat(28) + ".....00" + "00.....";
  assert.deepEqual(winningLine(wrapped, 34), []);
});

test("a full board without a line is a draw", () => {
  const order = [0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 2, 3, 2, 3, 2, 3, 3, 2, 3, 2, 3, 2, 4, 5, 4, 5, 4, 5, 5, 4, 5, 4, 5, 4, 6, 6, 6, 6, 6, 6];
  const state = play(seated(), order);
  assert.equal(state.winner, "draw");
  assert.deepEqual(state.wins, [0, 0]);
});

test("a new round keeps seats and wins, swaps the first player, and starts once", () => {
  const over = play(seated(), [0, 0, 1, 1, 2, 2, 3]);
  assert.equal(apply(seated(), { from: ANN, data: { new_round: 2 } }), null, "not before the end");
  assert.equal(apply(over, { from: "1:9", data: { new_round: 2 } }), null, "not by a spectator");
  const next = apply(over, { from: BEN, data: { new_round: 2 } });
  assert.deepEqual([next.round, next.turn, next.seats, next.wins], [2, 1, [ANN, BEN], [1, 0]]);
  assert.equal(apply(next, { from: ANN, data: { new_round: 2 } }), null, "not twice");
});

test("a seat belongs to its user until the user gives it up or has left the room", () => {
  const state = seated();
  assert.equal(apply(state, { from: "1:9", data: { sit: 0 } }), null);
  assert.equal(apply(state, { from: ANN, data: { sit: 1 } }), null);
  assert.deepEqual(apply(state, { from: "1:9", data: { sit: 0 } }, (id) => id !== ANN).seats, ["1:9", BEN]);
  assert.deepEqual(apply(state, { from: ANN, data: { stand: true } }).seats, [null, BEN]);
  assert.equal(apply(state, { from: "1:9", data: { stand: true } }), null);
  assert.equal(apply(state, { from: "1:9", data: { sit: 2 } }), null);
});

test("invalid actions are refused", () => {
  for (const data of [null, 1, "move", {}, { chat: "hi" }]) assert.equal(apply(seated(), { from: ANN, data }), null);
});

test("a state is valid after JSON encoding, and other values are not", () => {
  const state = play(seated(), [3, 2, 3]);
  assert.ok(isState(JSON.parse(JSON.stringify(state))));
  for (const other of [null, {}, { ...state, board: "x" }, { ...state, turn: 2 }, { ...state, seats: [1, 2] }, { ...state, wins: [] }]) {
    assert.equal(isState(other), false);
  }
});
