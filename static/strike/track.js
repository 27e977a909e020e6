/**
 * Where a player has been: samples on the server's clock, one second deep.
 * Drawing reads it a little in the past; a shot is judged by what its shooter
 * could see then. A sample is `[t, x, y, vx, vy, angle, jump]`; `jump` is 1
 * where the player was put there (nothing is interpolated into it).
 */

import { blocked, TURN } from "./arena.js";

/** How much is kept, ms. */
export const DEPTH_MS = 1000;
/** Samples further apart than this are not joined by a line, ms. */
const GAP_MS = 250;
/** How long a player goes on by its last speed when nothing is heard, ms. */
const COAST_MS = 150;

/**
 * Adds a sample and forgets what is too old; one sample older than the depth
 * stays, because it says where the player was then.
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

/** Between two angles, the short way round. */
function turnTo(from, to, part) {
  let difference = (to - from) % TURN;
  if (difference > TURN / 2) difference -= TURN;
  if (difference < -TURN / 2) difference += TURN;
  return from + difference * part;
}
