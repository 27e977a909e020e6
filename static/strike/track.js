/**
 * The positions of a player: samples of the last second, by the server's clock.
 * Drawing uses positions slightly in the past, and a shot is judged by the
 * positions that its shooter saw. A sample is `[t, x, y, vx, vy, angle, jump]`;
 * `jump` is 1 after a spawn, to which nothing is interpolated.
 */

import { blocked, TURN } from "./arena.js";

/** Length of the track, ms. */
export const DEPTH_MS = 1000;
/** Maximum distance of two samples for interpolation, ms. */
const GAP_MS = 250;
/** Maximum time of extrapolation by the last speed, ms. */
const COAST_MS = 150;

/**
 * Adds a sample and removes old ones. One sample older than DEPTH_MS remains,
 * because it has the position at that time.
 * @param {number[][]} track
 * @param {number[]} sample
 */
export function push(track, sample) {
  track.push(sample);
  const oldest = sample[0] - DEPTH_MS;
  let drop = 0;
  while (drop + 1 < track.length && track[drop + 1][0] <= oldest) drop += 1;
  track.splice(0, drop);
}

/**
 * The position and angle at a time.
 * @param {number[][]} track  never empty
 * @param {number} time  server ms
 */
export function at(track, time) {
  let index = track.length - 1;
  while (index > 0 && track[index][0] > time) index -= 1;
  const [t, x, y, vx, vy, angle] = track[index];
  const next = track[index + 1];
  if (next && next[6] !== 1 && next[0] > t && next[0] - t <= GAP_MS && time >= t) {
    const part = (time - t) / (next[0] - t);
    return {
      x: x + (next[1] - x) * part,
      y: y + (next[2] - y) * part,
      angle: turnTo(angle, next[5], part),
    };
  }
  const seconds = Math.max(0, Math.min(time - t, COAST_MS)) / 1000;
  const coasted = { x: x + vx * seconds, y: y + vy * seconds, angle };
  return blocked(coasted.x, coasted.y) ? { x, y, angle } : coasted;
}

/** Interpolates between two angles along the shorter arc. */
function turnTo(from, to, part) {
  let difference = (to - from) % TURN;
  if (difference > TURN / 2) difference -= TURN;
  if (difference < -TURN / 2) difference += TURN;
  return from + difference * part;
}
