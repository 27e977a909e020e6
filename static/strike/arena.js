/**
 * The map of Strike, and the geometry of movement and shots. Lengths are map
 * units, angles are 4096ths of a turn. Decisions use only operations with
 * bit-identical results in every browser (no sin, cos or hypot), because all
 * clients must reach the same decisions.
 */

export const WIDTH = 960;
export const HEIGHT = 600;
/** Radius of a player. */
export const RADIUS = 14;
/** Steps of a full turn. */
export const TURN = 4096;

/** Walls as [x, y, width, height]; the map is symmetric about its centre. */
export const WALLS = [
  [456, 110, 48, 130],
  [456, 360, 48, 130],
  [230, 190, 28, 220],
  [702, 190, 28, 220],
  [340, 92, 70, 28],
  [550, 480, 70, 28],
  [340, 480, 70, 28],
  [550, 92, 70, 28],
  [346, 286, 28, 28],
  [586, 286, 28, 28],
];

/** Spawn points per team. */
export const SPAWNS = {
  red: [[70, 300], [70, 120], [70, 480], [150, 300]],
  blue: [[890, 300], [890, 480], [890, 120], [810, 300]],
};

export const TEAMS = ["red", "blue"];

/**
 * Unit vectors in steps of 1/65536. The rounding removes differences between the
 * sine functions of browsers.
 */
const DIRECTIONS = Array.from({ length: TURN }, (_, step) => [
  Math.round(Math.cos((step * 2 * Math.PI) / TURN) * 65536) / 65536,
  Math.round(Math.sin((step * 2 * Math.PI) / TURN) * 65536) / 65536,
]);

/**
 * @param {number} angle  4096ths of a turn, 0 to the right, clockwise
 * @returns {readonly number[]} unit vector
 */
export function direction(angle) {
  return DIRECTIONS[((Math.round(angle) % TURN) + TURN) % TURN];
}

/** The angle from one point to another. */
export function angleTo(fromX, fromY, toX, toY) {
  const turns = Math.atan2(toY - fromY, toX - fromX) / (2 * Math.PI);
  return ((Math.round(turns * TURN) % TURN) + TURN) % TURN;
}

/** Whether a circle at this point overlaps a wall or the edge of the map. */
export function blocked(x, y, radius = RADIUS) {
  if (x < radius || y < radius || x > WIDTH - radius || y > HEIGHT - radius) return true;
  return WALLS.some(([left, top, width, height]) => {
    const nearX = Math.max(left, Math.min(x, left + width));
    const nearY = Math.max(top, Math.min(y, top + height));
    return (x - nearX) * (x - nearX) + (y - nearY) * (y - nearY) < radius * radius;
  });
}

/**
 * Moves a player, sliding along walls. Each axis is moved separately, in steps
 * shorter than the radius, so that no wall is skipped.
 */
export function slide(x, y, deltaX, deltaY) {
  const steps = Math.max(1, Math.ceil(Math.max(Math.abs(deltaX), Math.abs(deltaY)) / 8));
  for (let step = 0; step < steps; step += 1) {
    if (!blocked(x + deltaX / steps, y)) x += deltaX / steps;
    if (!blocked(x, y + deltaY / steps)) y += deltaY / steps;
  }
  return { x, y };
}

/** The distance of a shot to the first wall or edge of the map, at most `range`. */
export function freeDistance(x, y, angle, range) {
  const [dx, dy] = direction(angle);
  let distance = range;
  if (dx > 0) distance = Math.min(distance, (WIDTH - x) / dx);
  if (dx < 0) distance = Math.min(distance, -x / dx);
  if (dy > 0) distance = Math.min(distance, (HEIGHT - y) / dy);
  if (dy < 0) distance = Math.min(distance, -y / dy);
  for (const wall of WALLS) distance = Math.min(distance, wallDistance(x, y, dx, dy, wall));
  return Math.max(0, distance);
}

/** Slab test of a ray against one wall; Infinity if it misses. */
function wallDistance(x, y, dx, dy, [left, top, width, height]) {
  let near = 0;
  let far = Infinity;
  for (const [start, step, low, high] of [[x, dx, left, left + width], [y, dy, top, top + height]]) {
    if (step === 0) {
      if (start < low || start > high) return Infinity;
      continue;
    }
    const first = (low - start) / step;
    const second = (high - start) / step;
    near = Math.max(near, Math.min(first, second));
    far = Math.min(far, Math.max(first, second));
  }
  return near <= far ? near : Infinity;
}

/**
 * The distance at which a shot hits a player; null if it misses.
 * @param {{x: number, y: number, angle: number}} shot
 * @param {{x: number, y: number}} target
 * @param {number} slack  added to the target's radius
 * @param {number} range
 */
export function hitDistance(shot, target, slack, range) {
  const [dx, dy] = direction(shot.angle);
  const alongX = target.x - shot.x;
  const alongY = target.y - shot.y;
  const along = alongX * dx + alongY * dy;
  if (along < 0) return null;
  const aside = Math.abs(alongX * dy - alongY * dx);
  if (aside > RADIUS + slack) return null;
  const distance = Math.max(0, along - RADIUS);
  return distance <= freeDistance(shot.x, shot.y, shot.angle, range) ? distance : null;
}
