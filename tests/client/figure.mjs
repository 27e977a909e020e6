// The figures of the client's goals (docs/client.md): each is checked, and `cargo xtask test`
// lists them in its report. TURNTABLE_GOALS=full measures at full sizes, which takes about an hour.

/** Whether the goals are measured at full sizes. */
export const full = process.env.TURNTABLE_GOALS === "full";

/**
 * Reports a figure that the test has checked.
 * @param {import("node:test").TestContext} t
 * @param {string} situation
 * @param {string} seen
 * @param {string} goal
 */
export function figure(t, situation, seen, goal) {
  t.diagnostic(`figure: ${situation}: ${seen} (goal: ${goal})`);
}

/** @param {number} ms */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
