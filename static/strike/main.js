/** The page of Strike: joins a room, runs the match, and shows its events. */

import { byId, element } from "../demo/dom.js";
import { inviteFromAddress, openJoinForm, roomFromAddress, setRoomInAddress } from "../demo/join-form.js";
import { notice, openPage } from "../demo/page.js";
import { RoomPanel } from "../demo/room-panel.js";
import { Controls } from "./controls.js";
import { Match } from "./match.js";
import { Scene } from "./scene.js";
import { validGoal } from "./world.js";

const parameters = new URLSearchParams(location.search);
const TEAM_NAMES = { red: "Red", blue: "Blue" };

/** @type {Match|null} */
let match = null;
let room = null;
let roomName = null;

const { tt, user, lobby, own, people } = await openPage({
  page: "strike",
  root: "../",
  describe: () => ({ room: roomName, players: room?.members.size ?? 0 }),
  lobbyChanged: () => joinForm.showRooms(),
});
const joinForm = openJoinForm({ page: "strike", people, rooms: () => lobby.rooms(), enter: (name) => enter(name, chosenTeam()) });
const panel = new RoomPanel({ tt, people, describe: describeMember });
const scene = new Scene(byId("arena"), (id) => people.name(id));
const controls = new Controls({
  canvas: byId("arena"),
  stick: byId("stick"),
  trigger: byId("trigger"),
  toMap: (x, y) => scene.toMap(x, y),
});

function chosenTeam() {
  const chosen = document.querySelector("input[name=team]:checked");
  return chosen instanceof HTMLInputElement && chosen.value ? chosen.value : null;
}

function goalForNewRoom() {
  return validGoal(parameters.get("goal") ?? byId("goal").value);
}

async function enter(name, team) {
  try {
    room = await tt.join(`strike/${name}`, { game: "strike", ...(team ? { team } : {}), ...inviteFromAddress() });
  } catch (error) {
    notice(error.message, "bad");
    joinForm.show();
    return;
  }
  roomName = name;
  people.watch("invites", inviteFromAddress().invite ?? []);
  setRoomInAddress(name, { team, invite: null });
  joinForm.hide();
  byId("play").hidden = false;
  byId("room-label").textContent = name;
  byId("feed").replaceChildren();
  scene.resize();
  match = new Match({ room, clock: tt.clock, goal: goalForNewRoom(), onEvent: showEvent, onSynced: showScore });
  controls.enabled = true;
  own.play("strike");
  panel.enter(room, { room: name, team: null, goal: null });
  room.on("members", () => {
    panel.show();
    lobby.announce();
  });
  room.on("left", ({ reason } = {}) => {
    notice(`The room has ended${reason ? `: ${reason}` : "."}`, "bad");
    leave();
  });
  lobby.announce();
  byId("arena").focus({ preventScroll: true });
  if (innerHeight <= 700) byId("score").scrollIntoView({ block: "start" });
}

/** Shows the join form after the room was left or has ended. */
function leave() {
  match?.close();
  match = null;
  room = null;
  roomName = null;
  controls.enabled = false;
  controls.release();
  byId("play").hidden = true;
  setRoomInAddress(null, { team: null });
  joinForm.show();
  own.play(null);
  lobby.announce();
}

byId("leave").addEventListener("click", () => {
  room?.leave().catch(() => {});
  leave();
});

function describeMember(id) {
  const player = match?.world.players.get(id);
  if (!player) return [element("span.small.muted", {}, "watching")];
  return [
    element("span.team", { "data-team": player.team }, TEAM_NAMES[player.team]),
    element("span.number", {
      "aria-label": `${player.score} points, ${player.deaths} deaths`,
      title: "points / deaths",
      "data-testid": `score-${id}`,
    }, `${player.score} / ${player.deaths}`),
  ];
}

function showScore() {
  if (!match) return;
  const { score, round, goal, wins } = match.world;
  byId("score-red").textContent = String(score.red);
  byId("score-blue").textContent = String(score.blue);
  byId("round").textContent = `Round ${round.number}`;
  byId("goal-text").textContent = `first to ${goal} · rounds ${wins.red}:${wins.blue}`;
  panel.show();
  own.play("strike", match.player?.score ?? null);
}

/** Shows an event of the match on the canvas and as text. */
function showEvent(event) {
  scene.show(event, user);
  if (event.type === "killed") addToFeed(event.by, "defeated", event.id);
  if (event.type === "entered") addToFeed(event.id, "entered");
  if (event.type === "left") addToFeed(event.id, "left");
  if (event.type === "won") announce(`${TEAM_NAMES[event.team]} wins round ${event.number}`);
  if (event.type === "round") announce(`Round ${event.number} starts`);
  if (!["fired", "refused"].includes(event.type)) showScore();
}

function announce(text) {
  byId("announcement").textContent = text;
}

function addToFeed(first, verb, second) {
  const name = (id) => element("b", { "data-team": match?.world.players.get(id)?.team }, id === user ? "You" : people.name(id));
  const line = element("li", {}, name(first), ` ${verb} `, second ? name(second) : null);
  const list = byId("feed");
  list.prepend(line);
  while (list.children.length > 4) list.lastElementChild.remove();
  setTimeout(() => line.remove(), 6000);
  announce(line.textContent);
}

function showOverlay(now) {
  const overlay = byId("overlay");
  const [text, team] = overlayText(now);
  overlay.hidden = text === null;
  if (text === null || overlay.textContent === text) return;
  overlay.textContent = text;
  overlay.dataset.team = team;
}

/** @returns {[string|null, string]} */
function overlayText(now) {
  const { round } = match.world;
  const seconds = (until) => Math.max(1, Math.ceil((until - now) / 1000));
  if (tt.state === "unsteady") return ["The server does not answer. Waiting…", ""];
  if (tt.state !== "online") return ["Connection lost. Reconnecting…", ""];
  if (!match.sync.synced) return ["Synchronizing with the other members…", ""];
  if (round.winner) return [`${TEAM_NAMES[round.winner]} wins! Next round in ${seconds(round.until)}`, round.winner];
  if (!match.player) return ["The arena is full. You are watching.", ""];
  if (now < match.player.respawn_at) return [`Defeated. Respawn in ${seconds(match.player.respawn_at)}`, ""];
  return [null, ""];
}

let last = performance.now();
function frame(time) {
  const seconds = Math.min(0.05, (time - last) / 1000);
  last = time;
  if (match) {
    const now = tt.clock.now();
    match.step(seconds, controls.read(match.me));
    scene.draw(match, now);
    showOverlay(now);
  }
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

if (roomFromAddress()) {
  joinForm.hide();
  const team = parameters.get("team");
  tt.ready.then(() => enter(roomFromAddress(), team === "red" || team === "blue" ? team : null), () => joinForm.show());
}

/** Read-only state of the page, for tests. */
Object.defineProperty(window, "__demo", {
  value: Object.freeze({
    state: () => tt.state,
    user: () => user,
    room: () => roomName,
    synced: () => match?.sync.synced ?? false,
    members: () => (room ? Object.fromEntries([...room.members].map(([id, member]) => [id, { ...member }])) : {}),
    world: () => match?.world.snapshot() ?? null,
    score: () => ({ ...(match?.world.score ?? { red: 0, blue: 0 }) }),
    round: () => ({ ...(match?.world.round ?? {}) }),
    me: () => (match?.player ? { ...match.me, team: match.player.team, alive: match.living, health: match.player.health } : null),
    players: () => (match ? [...match.world.players.keys()].map((id) => ({ id, ...match.world.positionAt(id, tt.clock.now() - 100) })) : []),
    now: () => tt.clock.now(),
    latency: () => tt.clock.latency,
  }),
});
