/**
 * A client of one game of Strike: synchronizes the world with the room's order,
 * moves the own player at once (a refused move is corrected when it is
 * received), and sends moves, shots and hit claims. No DOM.
 */

import { RoomSync } from "../demo/room-sync.js";
import { angleTo, blocked, freeDistance, hitDistance, slide } from "./arena.js";
import { COOLDOWN_MS, RANGE, SPEED, VIEW_DELAY_MS, World } from "./world.js";

/** Interval between sent moves, ms (about 17 per second). */
const SEND_MS = 58;
/** Interval between the moves of a player at rest, ms. */
const KEEPALIVE_MS = 2000;
/** Keyboard and stick aim snaps to an enemy within this angle, 4096ths of a turn. */
const ASSIST = 170;

/** @typedef {{dx: number, dy: number, aim: number|null, fire: boolean}} Input */

export class Match {
  /**
   * @param {object} options
   * @param {any} options.room  a joined room of the client
   * @param {{now(): number}} options.clock  the server's clock
   * @param {number} options.goal  of a world that this client creates
   * @param {(event: any) => void} options.onEvent
   * @param {() => void} options.onSynced
   */
  constructor({ room, clock, goal, onEvent, onSynced }) {
    this.room = room;
    this.clock = clock;
    this.self = room.self;
    this.onEvent = onEvent;
    this.world = room.state ? World.restore(room.state) : new World(goal);
    this.me = { x: 0, y: 0, vx: 0, vy: 0, angle: 0 };
    this.living = false;
    this.sent = { x: 0, y: 0, vx: 0, vy: 0, angle: 0, at: 0 };
    this.fired_at = 0;
    this.sync = new RoomSync({
      self: this.self,
      act: (data) => room.act(data),
      apply: (action) => this.apply(action),
      snapshot: () => this.world.snapshot(),
      restore: (state) => {
        this.world = World.restore(state);
        this.dropAbsent();
        this.settle();
      },
      others: () => [...room.members].filter(([id, { state }]) => id !== this.self && state !== "away").map(([id]) => id),
      onSynced: () => {
        this.enter();
        onSynced();
      },
    });
    this.subscriptions = [
      room.on("action", (action) => this.sync.receive(action)),
      room.on("members", ({ changes }) => this.membersChanged(changes)),
      room.on("joined", () => this.sync.begin()),
    ];
    this.dropAbsent();
    this.sync.begin();
  }

  /** Stops the match. It does not leave the room. */
  close() {
    this.sync.stop();
    for (const unsubscribe of this.subscriptions) unsubscribe();
  }

  /** Sends moves and shots. They are useless when late, so they are not queued while offline. */
  play(data) {
    this.room.act(data, { queue: false });
  }

  enter() {
    if (!this.world.players.has(this.self)) this.room.act({ enter: {} });
  }

  /** Removes players that are no longer members of the room. */
  dropAbsent() {
    for (const id of this.world.players.keys()) {
      if (id !== this.self && !this.room.members.has(id)) this.world.remove(id);
    }
  }

  membersChanged(changes) {
    for (const [id, change] of Object.entries(changes)) {
      if (change === "left" && this.world.remove(id)) this.onEvent({ type: "left", id, time: this.clock.now() });
    }
  }

  apply(action) {
    for (const event of this.world.apply(action)) {
      const mine = event.id === this.self && ["entered", "refused", "killed"].includes(event.type);
      if (mine || event.type === "round") this.settle();
      this.onEvent(event);
      // Stored by the server for members that join when no other is connected.
      if (event.type === "killed" && event.by === this.self) this.play({ keep: true, state: this.world.snapshot() });
    }
  }

  /** Moves the own player to its position in the world. */
  settle() {
    const track = this.world.players.get(this.self)?.track;
    if (!track) return;
    const [, x, y, , , angle] = track[track.length - 1];
    Object.assign(this.me, { x, y, vx: 0, vy: 0, angle });
  }

  /** The own player in the world; null before it has entered. */
  get player() {
    return this.world.players.get(this.self) ?? null;
  }

  /**
   * Advances by one frame.
   * @param {number} seconds  since the last frame
   * @param {Input} input
   */
  step(seconds, input) {
    const player = this.player;
    if (!player || !this.sync.synced) return;
    const now = this.clock.now();
    const living = this.world.alive(player, now) && now >= player.respawn_at;
    if (living && !this.living) this.settle();
    this.living = living;
    if (living) {
      this.walk(seconds, input);
      if (input.fire && now - this.fired_at >= COOLDOWN_MS && !this.world.round.winner) this.shoot(now, input);
    }
    this.report(now);
  }

  walk(seconds, { dx, dy, aim }) {
    const length = Math.sqrt(dx * dx + dy * dy);
    const speed = length > 1 ? SPEED / length : SPEED;
    this.me.vx = length > 0.12 ? dx * speed : 0;
    this.me.vy = length > 0.12 ? dy * speed : 0;
    const position = slide(this.me.x, this.me.y, this.me.vx * seconds, this.me.vy * seconds);
    if (aim !== null) this.me.angle = aim;
    else if (length > 0.12) this.me.angle = angleTo(0, 0, dx, dy);
    Object.assign(this.me, position);
  }

  rounded() {
    const { x, y, vx, vy, angle } = this.me;
    return { x: Math.round(x), y: Math.round(y), vx: Math.round(vx), vy: Math.round(vy), angle };
  }

  report(now) {
    const move = this.rounded();
    const { sent } = this;
    const { winner, until } = this.world.round;
    // The first action after the pause starts the next round, so send one soon.
    const due = winner && now >= until ? 200 : KEEPALIVE_MS;
    const changed = move.x !== sent.x || move.y !== sent.y || move.angle !== sent.angle;
    const turned = move.vx !== sent.vx || move.vy !== sent.vy;
    const since = now - sent.at;
    if (since < due && !(this.living && (changed || turned) && since >= (turned ? SEND_MS / 2 : SEND_MS))) return;
    this.sent = { ...move, at: now };
    this.play({ move });
  }

  shoot(now, { aim }) {
    if (aim === null) this.me.angle = this.assisted(now);
    const move = this.rounded();
    const fire = { x: move.x, y: move.y, angle: move.angle };
    const target = this.world.aim(this.self, fire, now);
    this.fired_at = now;
    this.sent = { ...move, at: now };
    this.play([{ move }, { fire }, ...(target ? [{ strike_one: target }] : [])]);
    this.onEvent({ type: "fired", time: now, id: this.self, own: true, ...fire, reach: this.reach(fire, target, now) });
  }

  reach(fire, target, now) {
    const free = freeDistance(fire.x, fire.y, fire.angle, RANGE);
    const seen = target ? this.world.positionAt(target, now - VIEW_DELAY_MS) : null;
    return (seen && hitDistance(fire, seen, 10, RANGE)) ?? free;
  }

  /** The angle to the enemy nearest to the line of fire, if one is within ASSIST. */
  assisted(now) {
    let best = this.me.angle;
    let smallest = ASSIST;
    for (const other of this.world.players.values()) {
      if (other.team === this.player.team || !this.world.vulnerable(other, now)) continue;
      const { x, y } = this.world.positionAt(other.id, now - VIEW_DELAY_MS);
      const angle = angleTo(this.me.x, this.me.y, x, y);
      const apart = Math.abs(((angle - this.me.angle + 6144) % 4096) - 2048);
      if (apart >= smallest || blocked(this.me.x, this.me.y, 11)) continue;
      smallest = apart;
      best = angle;
    }
    return best;
  }
}
