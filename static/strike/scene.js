/**
 * Draws a match: the arena, the own player at the current time, and the other
 * players slightly in the past, where two samples allow interpolation. Colours
 * come from the style sheet; teams differ by shape as well. On narrow screens
 * the view follows the player, and a small map shows the whole arena.
 */

import { direction, HEIGHT, RADIUS, TURN, WALLS, WIDTH } from "./arena.js";
import { HEALTH, SHIELD_MS, VIEW_DELAY_MS } from "./world.js";

const TRACER_MS = 140;
const HIT_MS = 260;
const BURST_MS = 520;
/** From this canvas width (px) on the whole map is visible; below, NARROW_UNITS of it. */
const WHOLE_FROM_PX = 620;
const NARROW_UNITS = 520;

export class Scene {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(id: string) => string} nameOf  the name of a user
   */
  constructor(canvas, nameOf) {
    this.canvas = canvas;
    this.nameOf = nameOf;
    this.context = canvas.getContext("2d");
    this.effects = [];
    this.view = { x: 0, y: 0, scale: 1, width: WIDTH, height: HEIGHT };
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", () => this.readColors());
    this.readColors();
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  readColors() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    this.colors = {
      ground: color("--ground"), grid: color("--grid"), wall: color("--wall"), edge: color("--wall-edge"),
      ink: color("--ink"), muted: color("--muted"), red: color("--red"), blue: color("--blue"),
      mark: color("--team-ink"), shot: color("--accent"),
    };
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = this.canvas.clientWidth || WIDTH;
    const height = this.canvas.clientHeight || HEIGHT;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const scale = width >= WHOLE_FROM_PX ? Math.min(width / WIDTH, height / HEIGHT) : width / NARROW_UNITS;
    this.view = { ...this.view, scale, width: width / scale, height: height / scale };
  }

  /** Converts a point of the screen to a point of the map. */
  toMap(clientX, clientY) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return { x: (clientX - left) / this.view.scale + this.view.x, y: (clientY - top) / this.view.scale + this.view.y };
  }

  /** Shows an event of the world; events of others with the same delay as their players. */
  show(event, self) {
    if (event.type === "fired" && event.id === self && !event.own) return;
    if (!["fired", "hit", "killed"].includes(event.type)) return;
    const delay = event.id === self || event.by === self ? 0 : VIEW_DELAY_MS;
    this.effects.push({ ...event, from: event.time + delay });
    if (this.effects.length > 60) this.effects.shift();
  }

  /**
   * @param {import("./match.js").Match} match
   * @param {number} now  server ms
   */
  draw(match, now) {
    const { context } = this;
    const ratio = this.canvas.width / (this.canvas.clientWidth || WIDTH);
    this.follow(match.me);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const scale = this.view.scale * ratio;
    context.setTransform(scale, 0, 0, scale, -this.view.x * scale, -this.view.y * scale);
    this.drawGround();
    for (const player of match.world.players.values()) this.drawPlayer(match, player, now);
    this.drawEffects(match, now);
    if (this.view.width < WIDTH - 1) this.drawMap(match, now, ratio);
  }

  follow({ x, y }) {
    const { width, height } = this.view;
    const clamp = (centre, span, whole) => (span >= whole ? (whole - span) / 2 : Math.max(0, Math.min(centre - span / 2, whole - span)));
    this.view.x = clamp(x, width, WIDTH);
    this.view.y = clamp(y, height, HEIGHT);
  }

  drawGround() {
    const { context, colors } = this;
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.strokeStyle = colors.grid;
    context.lineWidth = 1;
    context.beginPath();
    for (let x = 60; x < WIDTH; x += 60) context.rect(x, 0, 0, HEIGHT);
    for (let y = 60; y < HEIGHT; y += 60) context.rect(0, y, WIDTH, 0);
    context.stroke();
    for (const [team, x] of [["red", 0], ["blue", WIDTH - 6]]) {
      context.fillStyle = colors[team];
      context.fillRect(x, 0, 6, HEIGHT);
    }
    context.beginPath();
    context.arc(WIDTH / 2, HEIGHT / 2, 62, 0, 2 * Math.PI);
    context.stroke();
    for (const [x, y, width, height] of WALLS) {
      context.fillStyle = colors.edge;
      context.fillRect(x, y, width, height);
      context.fillStyle = colors.wall;
      context.fillRect(x, y, width, height - 5);
    }
  }

  drawPlayer(match, player, now) {
    const { context, colors } = this;
    const own = player.id === match.self;
    const time = own ? now : now - VIEW_DELAY_MS;
    if (time < player.respawn_at) return;
    const { x, y, angle } = own ? match.me : match.world.positionAt(player.id, time);
    context.save();
    context.translate(x, y);
    if (match.room.members.get(player.id)?.state === "away") context.globalAlpha = 0.4;
    if (time < player.respawn_at + SHIELD_MS) this.drawShield(time);
    this.drawBody(player, angle, own);
    this.drawLabel(player, time, own);
    context.restore();
    context.fillStyle = colors.ink;
  }

  drawShield(time) {
    const { context, colors } = this;
    context.strokeStyle = colors.muted;
    context.lineWidth = 2;
    context.setLineDash([6, 5]);
    context.lineDashOffset = this.calm.matches ? 0 : time / 40;
    context.beginPath();
    context.arc(0, 0, RADIUS + 7, 0, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
  }

  drawBody(player, angle, own) {
    const { context, colors } = this;
    context.save();
    context.rotate((angle * 2 * Math.PI) / TURN);
    context.fillStyle = colors.ink;
    context.fillRect(4, -3.5, RADIUS + 8, 7);
    context.restore();
    context.fillStyle = colors[player.team];
    context.beginPath();
    if (player.team === "red") context.roundRect(-RADIUS + 1, -RADIUS + 1, 2 * RADIUS - 2, 2 * RADIUS - 2, 6);
    else context.arc(0, 0, RADIUS, 0, 2 * Math.PI);
    context.fill();
    context.lineWidth = own ? 3 : 1.5;
    context.strokeStyle = own ? colors.ink : colors.wall;
    context.stroke();
    context.fillStyle = colors.mark;
    context.beginPath();
    context.arc(0, 0, 4, 0, 2 * Math.PI);
    context.fill();
  }

  drawLabel(player, time, own) {
    const { context, colors } = this;
    const health = player.health === 0 ? HEALTH : player.health;
    for (let point = 0; point < HEALTH; point += 1) {
      context.fillStyle = point < health ? colors[player.team] : colors.grid;
      context.fillRect(-15 + point * 10.5, RADIUS + 7, 9, 4);
    }
    context.fillStyle = colors.ink;
    context.font = `${own ? "700 " : ""}12px system-ui, sans-serif`;
    context.textAlign = "center";
    context.fillText(own ? "you" : this.nameOf(player.id), 0, -RADIUS - 10);
  }

  drawEffects(match, now) {
    this.effects = this.effects.filter((effect) => now - effect.from < BURST_MS);
    for (const effect of this.effects) {
      const age = now - effect.from;
      if (age < 0) continue;
      if (effect.type === "fired") this.drawTracer(effect, age);
      else this.drawImpact(match, effect, age);
    }
  }

  drawTracer({ x, y, angle, reach }, age) {
    if (age > TRACER_MS) return;
    const { context, colors } = this;
    const [dx, dy] = direction(angle);
    context.globalAlpha = 1 - age / TRACER_MS;
    context.strokeStyle = colors.shot;
    context.lineWidth = 3;
    context.beginPath();
    context.moveTo(x + dx * 24, y + dy * 24);
    context.lineTo(x + dx * Math.max(24, reach), y + dy * Math.max(24, reach));
    context.stroke();
    context.globalAlpha = 1;
  }

  drawImpact(match, effect, age) {
    const { context, colors } = this;
    const duration = effect.type === "killed" ? BURST_MS : HIT_MS;
    if (effect.x === undefined) {
      const track = match.world.players.get(effect.id)?.track ?? [];
      const before = track.filter(([t]) => t <= effect.time).at(-1) ?? track[0];
      if (!before) return;
      [, effect.x, effect.y] = before;
    }
    if (age > duration) return;
    const grown = this.calm.matches ? 0.6 : age / duration;
    context.globalAlpha = 1 - age / duration;
    context.strokeStyle = colors.shot;
    context.lineWidth = 4;
    context.beginPath();
    context.arc(effect.x, effect.y, RADIUS + grown * (effect.type === "killed" ? 44 : 12), 0, 2 * Math.PI);
    context.stroke();
    context.globalAlpha = 1;
  }

  drawMap(match, now, ratio) {
    const { context, colors } = this;
    const scale = 0.105 * ratio;
    const margin = 8 * ratio;
    context.setTransform(scale, 0, 0, scale, this.canvas.width - WIDTH * scale - margin, margin);
    context.globalAlpha = 0.85;
    context.fillStyle = colors.grid;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.fillStyle = colors.wall;
    for (const wall of WALLS) context.fillRect(...wall);
    for (const player of match.world.players.values()) {
      if (now < player.respawn_at) continue;
      const { x, y } = player.id === match.self ? match.me : match.world.positionAt(player.id, now - VIEW_DELAY_MS);
      context.fillStyle = player.id === match.self ? colors.ink : colors[player.team];
      context.fillRect(x - 26, y - 26, 52, 52);
    }
    context.globalAlpha = 1;
  }
}
