/**
 * What a door is to the rest of the library: the doors differ in how a message
 * travels, and in nothing else. The canonical form of a message that goes out
 * is its JSON text; what comes in is given on as the message it holds.
 *
 * A connection lives once: it is opened, becomes `writable`, and is over with
 * `closed`, which comes at most once and not after `close`. What it tells while
 * it is being opened may come before `open` has returned.
 * @module
 */

/** @import { Environment } from "../environment.js" */

/**
 * @typedef {object} Door
 * @property {string} name a name of DOORS
 * @property {boolean} live whether the server can speak at any time by it
 * @property {(to: Target, hooks: ConnectionHooks) => Connection} connection a new one
 * @property {(ms: number) => void} [heartbeat] asks at intervals, where a door must ask
 */

/**
 * @typedef {object} Target
 * @property {string} url the WebSocket address of the server; other doors lie beside it
 * @property {Environment} environment
 * @property {any} WebSocket
 * @property {any} EventSource
 * @property {any} fetch
 */

/**
 * @typedef {object} Connection
 * @property {() => void} open
 * @property {boolean} writable whether what is sent now can get out
 * @property {boolean} idle whether nothing is on its way out
 * @property {(text: string) => void} send a message as JSON
 * @property {(text: string) => void} raw sends a text as it is, whatever it is
 * @property {(code: number, reason: string) => void} close sends what waits, and ends
 */

/**
 * @typedef {object} ConnectionHooks
 * @property {() => {session: string, received: number} | undefined} resume the session to go on with
 * @property {() => void} heard there was a sign of life
 * @property {(message: any) => void} message undefined: what came is not a message
 * @property {() => void} resumed the door itself has resumed the session; no welcome will come
 * @property {() => void} expired the session is gone, and the door begins a new one
 * @property {(texts: string[], error: {code: string, message: string, details?: any}) => void} refused
 *   messages that the door did not take
 * @property {(code: number, reason: string, gone?: boolean) => void} closed a close code, and
 *   whether this door cannot work here at all
 * @property {(direction: "in" | "out", kind: Kind, what: string | (() => string), bytes?: number) => void} traffic
 *   what travelled, as text; bytes where that is not the size of the text
 */

/** @typedef {"frame" | "datagram" | "entry"} Kind */

/** What a browser reports where no close frame came. */
export const LOST = 1006;
export const EXPIRED = 4004;
export const RATE_LIMITED = 4007;
/** Characters of the messages that one request carries, but for a single longer one. */
export const BATCH_MAX = 32768;

/**
 * The address of another door, which lies beside that of the WebSocket.
 * @param {string} url
 * @param {string} name
 * @param {Record<string, string | number | undefined>} [query]
 * @returns {string}
 */
export function beside(url, name, query = {}) {
  const base = new URL(url);
  base.protocol = base.protocol === "wss:" ? "https:" : "http:";
  const target = new URL(name, base);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) target.searchParams.set(key, String(value));
  }
  return target.href;
}

/**
 * The error that the body of a refused request tells of.
 * @param {any} response
 * @returns {Promise<{code: string, message: string, details?: any}>}
 */
export async function refusal(response) {
  const told = await response.json().catch(() => undefined);
  const error = told?.error;
  if (typeof error?.code === "string") return { message: "", ...error };
  return { code: "unavailable", message: `the server answered ${response.status}` };
}

/**
 * The close code that the status of a refused request amounts to.
 * @param {number} status
 * @returns {number}
 */
export function codeOf(status) {
  if (status === 410) return EXPIRED;
  return status === 429 ? RATE_LIMITED : LOST;
}

/**
 * What travelled, with its size.
 * @param {string | (() => string)} what
 * @param {number | undefined} bytes where that is not the size of the text
 */
export function travelled(what, bytes) {
  const text = typeof what === "string" ? what : what();
  return { text, bytes: bytes ?? new TextEncoder().encode(text).length };
}

/**
 * Takes as many texts from the front of `queue` as fit into one request.
 * @param {string[]} queue
 * @returns {string[]}
 */
export function batch(queue) {
  let count = 0;
  for (let size = 0; count < queue.length; count += 1) {
    size += queue[count]?.length ?? 0;
    if (count > 0 && size > BATCH_MAX) break;
  }
  return queue.splice(0, count);
}
