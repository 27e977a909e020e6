/**
 * Validates the options of `connect` and fills in the defaults.
 * @module
 */

import { checkQuery, socketUrl } from "./address.js";
import { environment } from "./environment.js";
import { GuestToken, guestStorage } from "./guest_token.js";
import { wrongUser } from "./id.js";
import { streamSlots } from "./stream_slots.js";
import { TRANSPORTS, createTransports, platformOf } from "./transports/registry.js";

/** @import { Environment } from "./environment.js" */
/** @import { ConnectOptions } from "./events.js" */
/** @import { SessionStoreOptions } from "./session_store.js" */
/** @import { StreamSlots } from "./stream_slots.js" */
/** @import { Transport } from "./transports/transport.js" */

/**
 * @typedef {object} SessionOptions
 * @property {string} url
 * @property {Transport[]} transports in order of preference
 * @property {{WebSocket: any, EventSource: any, fetch: any}} platform
 * @property {StreamSlots | undefined} streams
 * @property {boolean} renew whether a new session begins when another connection has taken over the last one
 * @property {{min_ms: number, max_ms: number} | false} reconnect
 * @property {number} timeout_ms
 * @property {number} queue_max
 * @property {string | undefined} user
 * @property {object | (() => any) | undefined} credentials
 * @property {object | undefined} attributes
 * @property {GuestToken | undefined} guest
 * @property {Environment} environment
 */

/** Interval of empty requests with the transport `poll`, over which the server cannot send by itself. */
const POLL_HEARTBEAT_MS = 4000;

/** The names of `ConnectOptions`. */
const NAMES = [
  "user", "credentials", "guest", "guest_storage", "attributes", "transports", "encoding", "persist", "poll", "WebSocket",
  "EventSource", "fetch", "storage", "locks", "reconnect", "queue_max", "timeout_ms", "clock_interval_ms", "environment",
];

/**
 * An interval of polls: throws a TypeError if it is none.
 * @param {unknown} ms
 */
export function checkInterval(ms) {
  if (typeof ms !== "number" || !(ms >= 0)) throw new TypeError(`the interval of polls must be a number of ms from 0 (0: none), not ${String(ms)}`);
}

/**
 * A time of an option: throws a TypeError if it is none.
 * @param {string} name
 * @param {unknown} ms
 * @param {boolean} [zero] whether it may be 0
 */
export function checkTime(name, ms, zero = false) {
  if (typeof ms === "number" && (ms > 0 || (zero && ms === 0))) return;
  throw new TypeError(`${name} must be a number of ms ${zero ? "from 0" : "above 0"}, not ${String(ms)}`);
}

/**
 * A name that no option has is ignored, as another version may know it; a typo should be seen.
 * @param {ConnectOptions} options
 */
function warnOfUnknown(options) {
  const unknown = Object.keys(options).filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) console.warn(`turntable: connect ignores unknown options: ${unknown.join(", ")} (known: ${NAMES.join(", ")})`);
}

/**
 * @param {string} url
 * @param {ConnectOptions} options
 * @returns {GuestToken | undefined} undefined if the user is no guest
 */
function guestToken(url, { guest, guest_storage: storage = guestStorage() }) {
  if (guest === undefined || guest === false) return undefined;
  return new GuestToken({ url, name: guest === true ? "" : guest, storage });
}

/**
 * The arguments of `connect(url, options)` and `connect(options)`.
 * @param {string | URL | ConnectOptions | undefined} first
 * @param {ConnectOptions | undefined} options
 * @returns {[url: string | URL | undefined, options: ConnectOptions]}
 */
export function addressed(first, options) {
  const is_url = first === undefined || typeof first === "string" || first instanceof URL;
  return is_url ? [first, options ?? {}] : [undefined, options ?? first];
}

/**
 * Throws a TypeError if an option is invalid.
 * @param {string | URL | undefined} address
 * @param {ConnectOptions} options
 * @returns {{session: SessionOptions, store: SessionStoreOptions | undefined, clock_interval_ms: number}}
 */
export function resolveOptions(address, options) {
  const { user, reconnect = {}, persist = false, guest = false } = options;
  if (guest !== false && (user !== undefined || options.credentials !== undefined)) {
    throw new TypeError("a guest gets its user and its credentials from the server: leave out user and credentials");
  }
  if (user !== undefined && user !== null && typeof user !== "string") throw new TypeError(`user must be a string, not ${typeof user}`);
  const wrong = wrongUser(user);
  if (wrong) throw wrong;
  for (const name of /** @type {const} */ (["timeout_ms", "clock_interval_ms"])) if (options[name] !== undefined) checkTime(name, options[name]);
  if (options.poll?.heartbeat_ms !== undefined) checkInterval(options.poll.heartbeat_ms);
  warnOfUnknown(options);
  const env = environment(options.environment);
  const url = socketUrl(address);
  checkQuery(url);
  const platform = platformOf(options);
  const transports = createTransports({
    names: options.transports ?? TRANSPORTS,
    encoding: options.encoding ?? "v1",
    // An earlier page of the session may have numbered its requests already.
    poll: { heartbeat_ms: options.poll?.heartbeat_ms ?? POLL_HEARTBEAT_MS, number: persist === false ? 0 : Math.floor(env.unix()) },
    platform,
  });
  const name = `${persist === true ? "" : persist} ${user ?? (guest === false ? "" : `guest ${guest}`)}`;
  return {
    session: {
      url,
      transports,
      platform,
      streams: streamSlots({
        url,
        environment: env,
        locks: options.locks ?? globalThis.navigator?.locks,
        // Other platforms have no limit of connections that pages share.
        BroadcastChannel: globalThis.document && globalThis.BroadcastChannel,
      }),
      renew: persist !== false,
      reconnect: reconnect && { min_ms: reconnect.min_ms ?? 250, max_ms: reconnect.max_ms ?? 10000 },
      timeout_ms: options.timeout_ms ?? 10000,
      queue_max: options.queue_max ?? 1000,
      user,
      credentials: options.credentials,
      attributes: options.attributes,
      guest: guestToken(url, options),
      environment: env,
    },
    store: persist === false ? undefined : { name, url, environment: env, storage: options.storage, locks: options.locks },
    clock_interval_ms: options.clock_interval_ms ?? 15000,
  };
}
