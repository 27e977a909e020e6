/**
 * The rules of Four. No screen, no socket. Every action contains the complete
 * state, so that a new member or a reloaded page has it at once. A client
 * changes its own state only by valid actions, in the room's order.
 *
 * Actions' data (docs/demos.md): `{"sit": seat}`, `{"stand": true}`,
 * `{"move": column}`, `{"new_round": number}`, each with `"state"`; and
 * `{"result": result}`, which changes nothing.
 */

export const COLUMNS = 7;
export const ROWS = 6;
const LENGTH = 4;
const EMPTY = ".";

/**
 * @typedef {object} State
 * @property {string} board  42 characters, row by row from the top: ".", "0", "1"
 * @property {0|1} turn  the seat to move
 * @property {(string|null)[]} seats
 * @property {0|1|"draw"|null} winner
 * @property {number[]} line  the cells that won
 * @property {number|null} last  the cell of the last move
 * @property {number} round
 * @property {number[]} wins  per seat
 */

/** @returns {State} */
export function create() {
  return {
    board: EMPTY.repeat(COLUMNS * ROWS),
    turn: 0, seats: [null, null], winner: null, line: [], last: null, round: 1, wins: [0, 0],
  };
}

/**
 * The state after an action; null if the action is invalid.
 * @param {State} state
 * @param {{from: string, data: any}} action
 * @param {(id: string) => boolean} [present]  whether a user is a member of the room
 * @returns {State|null}
 */
export function apply(state, { from, data }, present = () => true) {
  if (typeof data !== "object" || data === null) return null;
  if (data.sit !== undefined) return sit(state, from, data.sit, present);
  if (data.stand === true) return stand(state, from);
  if (data.move !== undefined) return move(state, from, data.move);
  if (data.new_round !== undefined) return newRound(state, from, data.new_round);
  return null;
}

/** A seat is free if it has no holder, or if its holder has left the room. */
function sit(state, from, seat, present) {
  if ((seat !== 0 && seat !== 1) || state.seats.includes(from)) return null;
  const holder = state.seats[seat];
  if (holder !== null && present(holder)) return null;
  const seats = [...state.seats];
  seats[seat] = from;
  return { ...state, seats };
}

function stand(state, from) {
  if (!state.seats.includes(from)) return null;
  return { ...state, seats: state.seats.map((holder) => (holder === from ? null : holder)) };
}

function move(state, from, column) {
  if (state.winner !== null || state.seats[state.turn] !== from || state.seats.includes(null)) return null;
  const cell = landing(state.board, column);
  if (cell === null) return null;
  const board = state.board.slice(0, cell) + state.turn + state.board.slice(cell + 1);
  const line = winningLine(board, cell);
  const next = { ...state, board, last: cell, line };
  if (line.length > 0) {
    const wins = [...state.wins];
    wins[state.turn] += 1;
    return { ...next, winner: state.turn, wins };
  }
  if (!board.includes(EMPTY)) return { ...next, winner: "draw" };
  return { ...next, turn: state.turn === 0 ? 1 : 0 };
}

/** A player starts the next round after the end of the previous one. The number prevents duplicates. */
function newRound(state, from, number) {
  if (state.winner === null || !state.seats.includes(from) || number !== state.round + 1) return null;
  return { ...create(), seats: state.seats, wins: state.wins, round: number, turn: number % 2 === 1 ? 0 : 1 };
}

/**
 * The cell in which a disc lands; null for a full or unknown column.
 * @param {string} board
 * @param {unknown} column
 */
export function landing(board, column) {
  if (!Number.isInteger(column) || column < 0 || column >= COLUMNS) return null;
  for (let row = ROWS - 1; row >= 0; row -= 1) {
    const cell = row * COLUMNS + column;
    if (board[cell] === EMPTY) return cell;
  }
  return null;
}

/**
 * All cells of the lines of at least four discs through a cell; empty if there are none.
 * @param {string} board
 * @param {number} cell
 */
export function winningLine(board, cell) {
  const disc = board[cell];
  const found = new Set();
  for (const [stepX, stepY] of [[1, 0], [0, 1], [1, 1], [1, -1]]) {
    const cells = [cell];
    for (const sign of [1, -1]) {
      let column = (cell % COLUMNS) + stepX * sign;
      let row = Math.floor(cell / COLUMNS) + stepY * sign;
      while (column >= 0 && column < COLUMNS && row >= 0 && row < ROWS && board[row * COLUMNS + column] === disc) {
        cells.push(row * COLUMNS + column);
        column += stepX * sign;
        row += stepY * sign;
      }
    }
    if (cells.length >= LENGTH) for (const each of cells) found.add(each);
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * Whether received data is a valid state of this game.
 * @param {any} state
 * @returns {state is State}
 */
export function isState(state) {
  return typeof state === "object" && state !== null
    && typeof state.board === "string" && /^[.01]{42}$/.test(state.board)
    && (state.turn === 0 || state.turn === 1)
    && Array.isArray(state.seats) && state.seats.length === 2
    && state.seats.every((seat) => seat === null || typeof seat === "string")
    && [null, 0, 1, "draw"].includes(state.winner)
    && Array.isArray(state.line) && state.line.every((cell) => Number.isInteger(cell))
    && (state.last === null || Number.isInteger(state.last))
    && Number.isInteger(state.round) && state.round >= 1
    && Array.isArray(state.wins) && state.wins.length === 2 && state.wins.every((count) => Number.isInteger(count));
}
