/**
 * Limits how many pages of a browser keep a request to the server open. Over
 * HTTP/1.1 browsers open six connections to one host: six pages that each read a
 * stream leave none for requests, and block the whole site. Pages of one origin
 * therefore share a few slots, as Web Locks or, on pages that have none, by
 * asking each other on a BroadcastChannel. A page without a slot polls.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/** Connections that streams may take of the six. */
const SLOTS = 3;
/** Time for other pages to answer. */
const ANSWER_MS = 100;

/**
 * @typedef {object} StreamSlots
 * @property {() => Promise<boolean>} claim whether this page may read a stream; it then has a slot
 * @property {() => void} release
 */

/**
 * @param {object} options
 * @param {string} options.url of the server
 * @param {Environment} options.environment
 * @param {any} options.locks the platform's Web Locks, if available
 * @param {any} options.BroadcastChannel
 * @returns {StreamSlots | undefined} undefined if nothing limits this page, or pages cannot know each other
 */
export function streamSlots({ url, environment, locks, BroadcastChannel }) {
  const { host } = new URL(url);
  const name = `turntable stream ${host}`;
  if (locks) return oneSlot(lockSlots(name, locks), () => isMultiplexed(host));
  if (BroadcastChannel) return oneSlot(channelSlots(name, BroadcastChannel, environment), () => isMultiplexed(host));
  return undefined;
}

/**
 * @typedef {object} Taker
 * @property {(wanted: () => boolean) => Promise<boolean>} take whether a slot was taken, and is this page's now.
 *   wanted: whether the claim was not released meanwhile
 * @property {() => void} free
 */

/**
 * A client has one slot at most: claims at once share their outcome, and a release ends the claim under way too.
 * @param {Taker} taker
 * @param {() => boolean} unlimited
 * @returns {StreamSlots}
 */
function oneSlot({ take, free }, unlimited) {
  /** @type {{outcome: Promise<boolean>} | undefined} */
  let claim;
  return {
    claim: () => {
      if (claim) return claim.outcome;
      if (unlimited()) return Promise.resolve(true);
      /** @type {{outcome: Promise<boolean>}} */
      const own = { outcome: Promise.resolve(false) };
      claim = own;
      own.outcome = take(() => claim === own).then((taken) => {
        if (!taken && claim === own) claim = undefined;
        return taken && claim === own;
      });
      return own.outcome;
    },
    release: () => {
      claim = undefined;
      free();
    },
  };
}

/**
 * Whether the page has loaded something from this host over HTTP/2 or later,
 * where one connection carries all requests.
 * @param {string} host
 */
function isMultiplexed(host) {
  const entries = globalThis.performance?.getEntriesByType?.("resource") ?? [];
  return entries.some((/** @type {any} */ { name, nextHopProtocol }) => /^h[23]/.test(nextHopProtocol ?? "") && new URL(name).host === host);
}

/**
 * @param {string} name
 * @param {any} locks
 * @returns {Taker}
 */
function lockSlots(name, locks) {
  /** @type {(() => void) | undefined} */
  let release;
  const takeOne = (/** @type {number} */ slot, /** @type {() => boolean} */ wanted) =>
    new Promise((resolve) => {
      const taken = (/** @type {any} */ lock) => {
        if (!lock || !wanted()) return resolve(false);
        return new Promise((done) => {
          release = () => done(undefined);
          resolve(true);
        });
      };
      Promise.resolve(locks.request(`${name} ${slot}`, { ifAvailable: true }, taken)).catch(() => resolve(wanted()));
    });
  return {
    take: async (wanted) => {
      for (let slot = 1; slot <= SLOTS && wanted(); slot += 1) if (await takeOne(slot, wanted)) return true;
      return false;
    },
    free: () => {
      release?.();
      release = undefined;
    },
  };
}

/**
 * @param {string} name
 * @param {any} BroadcastChannel
 * @param {Environment} environment
 * @returns {Taker}
 */
function channelSlots(name, BroadcastChannel, environment) {
  /** Open while this page has a slot, or asks for one. @type {any} */
  let channel;
  const close = () => {
    channel?.close();
    channel = undefined;
  };
  return {
    take: async (wanted) => {
      const own = environment.random();
      let holds = false;
      /** Pages that have a slot or are first. @type {Set<number>} */
      const others = new Set();
      channel = new BroadcastChannel(name);
      channel.onmessage = (/** @type {any} */ { data }) => {
        // Of pages that ask at once those with lower numbers are first.
        if (data.ask !== undefined && (holds || own < data.ask)) channel?.postMessage({ to: data.ask, page: own });
        else if (data.ask !== undefined) others.add(data.ask);
        else if (data.to === own) others.add(data.page);
      };
      channel.postMessage({ ask: own });
      await new Promise((resolve) => environment.setTimeout(() => resolve(undefined), ANSWER_MS));
      if (!wanted()) return false;
      holds = others.size < SLOTS;
      if (!holds) close();
      return holds;
    },
    free: close,
  };
}
