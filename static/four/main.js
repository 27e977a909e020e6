/** The page of Four: joins a room, shows the board, and sends moves. */

import { byId, element } from "../demo/dom.js";
import { inviteFromAddress, openJoinForm, roomFromAddress, setRoomInAddress } from "../demo/join-form.js";
import { notice, openPage } from "../demo/page.js";
import { RoomPanel } from "../demo/room-panel.js";
import { COLUMNS, landing, ROWS } from "./board.js";
import { Table } from "./table.js";

const SIDES = ["Red", "Yellow"];

/** @type {Table|null} */
let table = null;
let room = null;
let roomName = null;

const { tt, user, lobby, own, people } = await openPage({
  page: "four",
  root: "../",
  describe: () => ({ room: roomName, players: room?.members.size ?? 0 }),
  lobbyChanged: () => joinForm.showRooms(),
});
const joinForm = openJoinForm({ page: "four", people, rooms: () => lobby.rooms(), enter });
const panel = new RoomPanel({ tt, people, describe: describeMember });
const columns = buildBoard();

async function enter(name) {
  try {
    room = await tt.join(`four/${name}`, { game: "four", ...inviteFromAddress() });
  } catch (error) {
    notice(error.message, "bad");
    joinForm.show();
    return;
  }
  roomName = name;
  people.watch("invites", inviteFromAddress().invite ?? []);
  setRoomInAddress(name, { invite: null });
  joinForm.hide();
  byId("play").hidden = false;
  byId("room-label").textContent = name;
  table = new Table({ room, changed: show, refused: () => notice("The move is no longer valid.") });
  panel.enter(room, { room: name });
  room.on("members", () => {
    show(table.state, null);
    lobby.announce();
  });
  room.on("left", ({ reason } = {}) => {
    notice(`The room has ended${reason ? `: ${reason}` : "."}`, "bad");
    leave();
  });
  show(table.state, null);
  lobby.announce();
}

function leave() {
  table?.close();
  table = null;
  room = null;
  roomName = null;
  byId("play").hidden = true;
  setRoomInAddress(null);
  joinForm.show();
  own.play(null);
  lobby.announce();
}

byId("leave").addEventListener("click", () => {
  // An intentional leave frees the seat for others.
  table?.act({ stand: true });
  room?.leave().catch(() => {});
  leave();
});
byId("stand").addEventListener("click", () => table?.act({ stand: true }));
byId("new-round").addEventListener("click", () => table?.act({ new_round: table.state.round + 1 }));

function buildBoard() {
  const board = byId("board");
  const built = Array.from({ length: COLUMNS }, (_, column) => {
    const cells = Array.from({ length: ROWS }, (_, row) => element("span.cell", { "data-cell": row * COLUMNS + column }));
    const button = element("button.column", {
      type: "button",
      "data-testid": `column-${column}`,
      on: { click: () => drop(column) },
    }, ...cells);
    board.append(button);
    return { button, cells };
  });
  board.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const at = built.findIndex(({ button }) => button === document.activeElement);
    built[(at + step + COLUMNS) % COLUMNS].button.focus();
    event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !/^[1-7]$/.test(event.key)) return;
    drop(Number(event.key) - 1);
  });
  return built;
}

function drop(column) {
  if (table?.myTurn) table.act({ move: column });
}

function show(state, by) {
  if (!table) return;
  showCells(state, by?.data?.move !== undefined);
  for (const seat of [0, 1]) showSeat(state, seat);
  byId("round").textContent = `Round ${state.round}`;
  byId("wins").textContent = `${state.wins[0]} : ${state.wins[1]}`;
  byId("status").textContent = statusText(state);
  byId("new-round").hidden = state.winner === null || table.seat === null;
  byId("stand").hidden = table.seat === null || state.winner !== null;
  panel.show();
  own.play("four", table.seat === null ? null : state.wins[table.seat]);
}

function showCells(state, moved) {
  columns.forEach(({ button, cells }, column) => {
    cells.forEach((cell, row) => {
      const index = row * COLUMNS + column;
      const side = state.board[index];
      cell.dataset.line = String(state.line.includes(index));
      cell.dataset.last = String(state.last === index);
      if ((cell.firstElementChild?.dataset.side ?? ".") === side) return;
      if (side === ".") {
        cell.replaceChildren();
        return;
      }
      const disc = element(moved ? "span.disc.falls" : "span.disc", { "data-side": side });
      disc.style.setProperty("--drop", String(row + 1));
      cell.replaceChildren(disc);
    });
    const free = landing(state.board, column);
    // Not `disabled`: the focus must stay on the board during the opponent's turn.
    button.setAttribute("aria-disabled", String(!table.myTurn || free === null));
    const left = free === null ? 0 : Math.floor(free / COLUMNS) + 1;
    button.setAttribute("aria-label", `Column ${column + 1}, ${columnText(state, column)}${left} free`);
  });
}

/** The discs of a column from the bottom, for screen readers. */
function columnText(state, column) {
  const discs = Array.from({ length: ROWS }, (_, row) => state.board[(ROWS - 1 - row) * COLUMNS + column]);
  return discs.filter((side) => side !== ".").map((side) => `${SIDES[side].toLowerCase()}, `).join("");
}

function showSeat(state, seat) {
  const holder = state.seats[seat];
  const present = holder !== null && table.isMember(holder);
  const away = present && room.members.get(holder)?.state === "away";
  const note = holder === user ? "you" : away ? "reconnecting" : present ? SIDES[seat] : "has left";
  const place = byId(`seat-${seat}`);
  place.dataset.turn = String(state.winner === null && state.turn === seat);
  place.dataset.user = holder ?? "";
  const free = table.seat === null && !present;
  place.replaceChildren(
    element("span.disc", { "data-side": seat, role: "img", "aria-label": SIDES[seat] }),
    ...(present ? [people.avatar(holder)] : []),
    holder === null && !free
      ? element("div.who.muted.small", {}, "free seat")
      : element("div.who", {},
        holder && people.label(holder, ".strong"),
        holder && element("span.small.muted", {}, note),
        free && element("button.compact", {
          type: "button",
          "data-testid": `sit-${seat}`,
          on: { click: () => table?.act({ sit: seat }) },
        }, "Take seat")));
}

function statusText(state) {
  if (tt.state === "unsteady") return "The server does not answer. Waiting…";
  if (tt.state !== "online") return "Connection lost. Reconnecting…";
  if (!table.sync.synced) return "Synchronizing with the other members…";
  if (state.winner === "draw") return "Draw: the board is full.";
  if (state.winner !== null) return state.seats[state.winner] === user ? "You have won!" : `${people.name(state.seats[state.winner] ?? SIDES[state.winner])} wins.`;
  if (state.seats.includes(null)) return "Waiting for a second player. Share the link or open a second window.";
  if (table.myTurn) return "Your turn";
  const mover = people.name(state.seats[state.turn]);
  return table.seat === null ? `You are watching. ${mover} moves next.` : `It is the turn of ${mover}.`;
}

function describeMember(id) {
  const seat = table?.state.seats.indexOf(id) ?? -1;
  const score = people.score(id);
  return [
    element("span.small.muted", {}, seat === -1 ? "watching" : SIDES[seat]),
    seat !== -1 && score !== null && element("span.number.small", { "data-testid": `score-${id}`, title: "rounds won" }, score),
  ].filter(Boolean);
}

tt.on("state", () => table && show(table.state, null));
people.onChange(() => {
  if (!table) return;
  for (const seat of [0, 1]) showSeat(table.state, seat);
  byId("status").textContent = statusText(table.state);
});

if (roomFromAddress()) {
  joinForm.hide();
  tt.ready.then(() => enter(roomFromAddress()), () => joinForm.show());
}

/** Read-only state of the page, for tests. */
Object.defineProperty(window, "__demo", {
  value: Object.freeze({
    state: () => tt.state,
    user: () => user,
    room: () => roomName,
    synced: () => table?.sync.synced ?? false,
    members: () => (room ? Object.fromEntries([...room.members].map(([id, member]) => [id, { ...member }])) : {}),
    game: () => (table ? structuredClone(table.state) : null),
    board: () => table?.state.board ?? null,
    seat: () => table?.seat ?? null,
    myTurn: () => table?.myTurn ?? false,
    score: () => [...(table?.state.wins ?? [0, 0])],
  }),
});
