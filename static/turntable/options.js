/**
 * What a program passes to `connect`, and what its parts are told: every gap
 * filled, every address whole.
 * @module
 */

import { socketUrl } from "./address.js";
import { DOORS, doorsOf, platformOf } from "./doors/choice.js";
import { environment } from "./environment.js";

/** @import { Door } from "./doors/door.js" */
/** @import { Environment } from "./environment.js" */
/** @import { ConnectOptions } from "./events.js" */
/** @import { MemoryOptions } from "./memory.js" */

/**
 * @typedef {object} SessionOptions
 * @property {string} url
 * @property {Door[]} doors best first
 * @property {{WebSocket: any, EventSource: any, fetch: any}} platform
 * @property {boolean} renew
 * @property {{min_ms: number, max_ms: number} | false} reconnect
 * @property {number} timeout_ms
 * @property {number} queue_max
 * @property {string | undefined} user
 * @property {object | (() => any) | undefined} credentials
 * @property {object | undefined} attributes
 * @property {Environment} environment
 */

/**
 * Throws a TypeError where something cannot be.
 * @param {string | URL | undefined} given the address
 * @param {ConnectOptions} options
 * @returns {{session: SessionOptions, memory: MemoryOptions | undefined, clock_interval_ms: number}}
 */
export function settle(given, options) {
  const { user, reconnect = {}, keep = false } = options;
  const env = environment(options.environment);
  const url = socketUrl(given);
  const platform = platformOf(options);
  const doors = doorsOf({
    names: options.doors ?? DOORS,
    wire: options.wire ?? "v1",
    // The requests of a session that is older than the page have numbers already.
    poll: { ...options.poll, number: keep === false ? 0 : Math.floor(env.unix()) },
    platform,
  });
  const name = `${keep === true ? "" : keep} ${user ?? ""}`;
  return {
    session: {
      url,
      doors,
      platform,
      renew: keep !== false,
      reconnect: reconnect && { min_ms: reconnect.min_ms ?? 250, max_ms: reconnect.max_ms ?? 10000 },
      timeout_ms: options.timeout_ms ?? 10000,
      queue_max: options.queue_max ?? 1000,
      user,
      credentials: options.credentials,
      attributes: options.attributes,
      environment: env,
    },
    memory: keep === false ? undefined : { name, url, environment: env, ...options.memory },
    clock_interval_ms: options.clock_interval_ms ?? 10000,
  };
}
