/**
 * The rules of Strike. No screen, no socket. A world is the result of the room's
 * actions in the room's order. Every client runs the same code on the same
 * actions and corrected timestamps, so all agree on each hit, score and round
 * without a referee.
 *
 * Actions' data (docs/demos.md): `{"enter": {}}`, `{"move": {x,y,vx,vy,angle}}`,
 * `{"fire": {x,y,angle}}`, `{"strike_one": "1:1234"}`, `{"exit": true}`.
 * `strike_one` is the shooter's claim that its last shot hit. It counts only if
 * the target was at that position, by the server's clock, when the shooter saw it.
 */

import { blocked, freeDistance, hitDistance, SPAWNS, TEAMS, TURN } from "./arena.js";
import { at, push } from "./track.js";

/** Map units per second. */
export const SPEED = 210;
/** Delay with which other players are drawn and shots are judged, ms. */
export const VIEW_DELAY_MS = 100;
export const COOLDOWN_MS = 400;
export const RANGE = 900;
export const HEALTH = 3;
export const RESPAWN_MS = 2000;
/** Time after a spawn during which a player cannot be hit, ms. */
export const SHIELD_MS = 1200;
export const PAUSE_MS = 5000;
export const PLAYERS_MAX = 8;
export const GOAL_DEFAULT = 10;

/** Tolerance of the cooldown, because timestamps are estimates, ms. */
const COOLDOWN_SLACK_MS = 100;
/** Maximum time between a shot and its claim, ms. */
const CLAIM_MS = 100;
/** Tolerance between the position seen by the shooter and that of the samples. */
const CLAIM_SLACK = 10;
/** Tolerance between the start of a shot and the shooter's position. */
const MUZZLE_SLACK = 48;
/** Maximum distance allowed at once, for a burst of moves after a short stall. */
const STRIDE_MAX = 140;

/**
 * @typedef {{timestamp: number, from: string, data: any, team?: string}} Action
 * @typedef {{t: number, x: number, y: number, angle: number, used: boolean}} Shot
 * @typedef {object} Player
 * @property {string} id
 * @property {"red"|"blue"} team
 * @property {number} seat  order of entry in its team; selects the spawn point
 * @property {number} health
 * @property {number} score
 * @property {number} deaths
 * @property {number} killed_at  server ms of the last death, 0 for none
 * @property {number} respawn_at  server ms from which it is alive
 * @property {number} stride  distance that it may move now
 * @property {number} stride_at
 * @property {Shot|null} shot  the last shot
 * @property {number[][]} track
 * @typedef {{type: string, time: number, [key: string]: any}} Event
 */

export class World {
  constructor(goal = GOAL_DEFAULT) {
    this.goal = validGoal(goal);
    this.round = { number: 1, winner: /** @type {string|null} */ (null), until: 0 };
    this.score = { red: 0, blue: 0 };
    this.wins = { red: 0, blue: 0 };
    /** @type {Map<string, Player>} */
    this.players = new Map();
  }

  /**
   * Applies the next action of the room's order.
   * @param {Action} action
   * @returns {Event[]} the resulting events, for display
   */
  apply(action) {
    const { timestamp: time, from, data } = action;
    if (typeof data !== "object" || data === null || !Number.isFinite(time)) return [];
    const events = this.nextRound(time);
    if (data.enter !== undefined) this.enter(time, from, action.team, events);
    if (data.exit === true) this.remove(from);
    const player = this.players.get(from);
    if (!player) return events;
    if (data.move !== undefined) this.move(time, player, data.move, events);
    if (data.fire !== undefined) this.fire(time, player, data.fire, events);
    if (data.strike_one !== undefined) this.strike(time, player, data.strike_one, events);
    return events;
  }

  /** A member has left the room. */
  remove(id) {
    return this.players.delete(id);
  }

  enter(time, id, team, events) {
    if (this.players.has(id) || this.players.size >= PLAYERS_MAX) return;
    const side = TEAMS.includes(team) ? team : this.smallerTeam();
    const seat = [...this.players.values()].filter((player) => player.team === side).length;
    const player = {
      id, team: side, seat, health: HEALTH, score: 0, deaths: 0, killed_at: 0, respawn_at: time,
      stride: STRIDE_MAX, stride_at: time, shot: null, track: [],
    };
    this.players.set(id, player);
    this.place(time, player);
    events.push({ type: "entered", time, id, team: side });
  }

  smallerTeam() {
    const sides = [...this.players.values()].map((player) => player.team);
    const red = sides.filter((side) => side === "red").length;
    return red <= sides.length - red ? "red" : "blue";
  }

  /** Moves a player to its next spawn point, from `time` on. */
  place(time, player) {
    const places = SPAWNS[player.team];
    const [x, y] = places[(player.seat + player.deaths) % places.length];
    player.track = player.track.filter((sample) => sample[0] <= time);
    push(player.track, [time, x, y, 0, 0, player.team === "red" ? 0 : TURN / 2, 1]);
    player.stride = STRIDE_MAX;
    player.stride_at = time;
  }

  move(time, player, move, events) {
    const last = player.track[player.track.length - 1];
    if (time < last[0] || !this.alive(player, time)) return;
    const numbers = [move?.x, move?.y, move?.vx, move?.vy, move?.angle];
    if (!numbers.every((number) => Number.isFinite(number))) return;
    const [x, y, vx, vy, angle] = numbers.map(Math.round);
    const gained = (Math.max(0, time - player.stride_at) * SPEED * 1.25) / 1000;
    const stride = Math.min(STRIDE_MAX, player.stride + gained);
    const distance = Math.sqrt((x - last[1]) * (x - last[1]) + (y - last[2]) * (y - last[2]));
    if (distance > stride || blocked(x, y, 11)) {
      events.push({ type: "refused", time, id: player.id, x: last[1], y: last[2] });
      return;
    }
    player.stride = stride - distance;
    player.stride_at = Math.max(time, player.stride_at);
    const bound = (speed) => Math.max(-SPEED, Math.min(SPEED, speed));
    push(player.track, [time, x, y, bound(vx), bound(vy), ((angle % TURN) + TURN) % TURN, 0]);
  }

  fire(time, player, fire, events) {
    if (this.round.winner || !this.alive(player, time)) return;
    if (player.shot && time - player.shot.t < COOLDOWN_MS - COOLDOWN_SLACK_MS) return;
    const numbers = [fire?.x, fire?.y, fire?.angle];
    if (!numbers.every((number) => Number.isFinite(number))) return;
    const [x, y, angle] = numbers.map(Math.round);
    const position = at(player.track, time);
    const apart = (x - position.x) * (x - position.x) + (y - position.y) * (y - position.y);
    if (apart > MUZZLE_SLACK * MUZZLE_SLACK || blocked(x, y, 11)) return;
    player.shot = { t: time, x, y, angle, used: false };
    events.push({ type: "fired", time, id: player.id, x, y, angle, reach: freeDistance(x, y, angle, RANGE) });
  }

  strike(time, player, targetId, events) {
    const shot = player.shot;
    const target = this.players.get(targetId);
    if (this.round.winner || !shot || shot.used || time - shot.t > CLAIM_MS) return;
    if (!target || target.team === player.team || !this.vulnerable(target, shot.t)) return;
    const seen = at(target.track, shot.t - VIEW_DELAY_MS);
    if (hitDistance(shot, seen, CLAIM_SLACK, RANGE) === null) return;
    shot.used = true;
    target.health = this.healthAt(target, shot.t) - 1;
    events.push({ type: "hit", time, id: targetId, by: player.id, x: seen.x, y: seen.y, health: target.health });
    if (target.health === 0) this.kill(shot.t, time, player, target, events);
  }

  kill(shotTime, time, player, target, events) {
    target.deaths += 1;
    target.killed_at = shotTime;
    target.respawn_at = Math.max(time, target.track[target.track.length - 1][0]) + RESPAWN_MS;
    this.place(target.respawn_at, target);
    player.score += 1;
    this.score[player.team] += 1;
    events.push({ type: "killed", time, id: target.id, by: player.id });
    if (this.score[player.team] < this.goal) return;
    this.round.winner = player.team;
    this.round.until = time + PAUSE_MS;
    this.wins[player.team] += 1;
    events.push({ type: "won", time, team: player.team, number: this.round.number });
  }

  /** The first action after the pause starts the next round. */
  nextRound(time) {
    if (!this.round.winner || time < this.round.until) return [];
    this.round = { number: this.round.number + 1, winner: null, until: 0 };
    this.score = { red: 0, blue: 0 };
    for (const player of this.players.values()) {
      Object.assign(player, { health: HEALTH, score: 0, deaths: 0, killed_at: 0, respawn_at: time, shot: null });
      this.place(time, player);
    }
    return [{ type: "round", time, number: this.round.number }];
  }

  /** Whether a player is alive at a time. A shot before its shooter's death counts even if it arrives later. */
  alive(player, time) {
    return time >= player.respawn_at || (player.killed_at > 0 && time < player.killed_at);
  }

  /** Whether a player can be hit: it has spawned, and its shield has ended. */
  vulnerable(player, time) {
    return time >= player.respawn_at + SHIELD_MS;
  }

  healthAt(player, time) {
    return player.health === 0 && time >= player.respawn_at ? HEALTH : player.health;
  }

  /** The position of a player at a time of the server's clock. */
  positionAt(id, time) {
    const player = this.players.get(id);
    return player ? at(player.track, time) : null;
  }

  /**
   * The player that a shot would hit, as its shooter sees the others now.
   * @param {string} shooterId
   * @param {{x: number, y: number, angle: number}} shot
   * @param {number} time  server ms of the shot
   * @returns {string|null}
   */
  aim(shooterId, shot, time) {
    const shooter = this.players.get(shooterId);
    if (!shooter) return null;
    let nearest = Infinity;
    let found = null;
    for (const target of this.players.values()) {
      if (target.team === shooter.team || !this.vulnerable(target, time)) continue;
      const distance = hitDistance(shot, at(target.track, time - VIEW_DELAY_MS), 2, RANGE);
      if (distance === null || distance >= nearest) continue;
      nearest = distance;
      found = target.id;
    }
    return found;
  }

  /** The whole world as plain data. */
  snapshot() {
    const { goal, round, score, wins } = this;
    return structuredClone({ goal, round, score, wins, players: [...this.players.values()] });
  }

  /**
   * Creates a world from a snapshot; an invalid snapshot gives a new world.
   * @param {any} state
   */
  static restore(state) {
    const world = new World(state?.goal);
    if (!Array.isArray(state?.players) || !state.round || !state.score || !state.wins) return world;
    const copy = structuredClone(state);
    Object.assign(world, { round: copy.round, score: copy.score, wins: copy.wins });
    for (const player of copy.players) {
      if (!TEAMS.includes(player?.team) || !isTrack(player.track)) continue;
      world.players.set(player.id, player);
    }
    return world;
  }
}

function isTrack(track) {
  const isSample = (sample) => Array.isArray(sample) && sample.length === 7 && sample.every(Number.isFinite);
  return Array.isArray(track) && track.length > 0 && track.every(isSample);
}

/** The points that win a round, from a link or a form. */
export function validGoal(goal) {
  const number = Math.round(Number(goal));
  return number >= 1 && number <= 50 ? number : GOAL_DEFAULT;
}
