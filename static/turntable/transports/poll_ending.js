/**
 * The end of a session that polls: what is pending, the goodbye behind it, in numbered requests that are repeated
 * until they are answered.
 * @module
 */

import { KEEPALIVE_MAX, outlives, pageLeaves, untilAnswered } from "../goodbye.js";
import { BATCH_MAX, batchMaxOf, isFinal, requestBytes, responseError, shorten, takeBatch } from "./transport.js";

/** @import { Environment } from "../environment.js" */
/** @import { Outgoing } from "./transport.js" */

/**
 * @typedef {object} PollRequest
 * @property {number} number
 * @property {number} [received] of a request that takes the session over
 * @property {string} body
 * @property {Outgoing[]} messages
 */

/**
 * @typedef {object} PollEndingHooks
 * @property {(messages: Outgoing[]) => PollRequest} request numbers and encodes a request
 * @property {(request: PollRequest, options: {keepalive: boolean, signal: AbortSignal}) => Promise<any>} post
 */

/**
 * @param {PollRequest | undefined} open the request that has no answer yet
 * @param {Outgoing[]} messages the pending ones, which are removed
 * @param {Environment} environment
 * @param {PollEndingHooks} hooks
 */
export async function endByPolls(open, messages, environment, { request, post }) {
  let bound = BATCH_MAX;
  let count_max = bound;
  /** @type {(one: PollRequest) => Promise<void>} */
  const finish = async (one) => {
    const refused = await finishOne(one, environment, post);
    if (!refused) return;
    if (refused.max !== undefined) bound = refused.max;
    // Fewer may be accepted, also of what follows. Those behind one that is too large alone may go together again.
    const shorter = shorten(one.messages, messages, refused.max ?? Math.max(1, one.messages.length >> 1));
    count_max = shorter ? one.messages.length : bound;
    if (shorter) await finish(request(one.messages));
  };
  if (open) {
    const finished = finish(open);
    if (!pageLeaves()) {
      await finished;
      // It is answered, so that it counts no more where the page begins to leave only now.
      open = undefined;
    }
  }
  while (messages.length > 0) {
    const batch = takeBatch(messages, count_max);
    if (pageLeaves()) {
      // The requests of a page that is left have one limit: the goodbye is more important than the rest.
      if (messages.length > 0) batch.splice(count_max - 1);
      batch.push(...messages.splice(0).slice(-1));
      if (requestBytes([{ text: open?.body }, ...batch]) > KEEPALIVE_MAX) batch.splice(0, batch.length - 1);
    }
    const finished = finish(request(batch));
    if (!pageLeaves()) await finished;
  }
}

/**
 * Repeats a request until it is answered.
 * @param {PollRequest} request
 * @param {Environment} environment
 * @param {PollEndingHooks["post"]} post
 * @returns {Promise<{max: number | undefined} | undefined>} undefined unless it is too large; max: how many messages
 *   the server takes, if those are too many
 */
async function finishOne(request, environment, post) {
  /** @type {{max: number | undefined} | undefined} */
  let refused;
  await untilAnswered(environment, async (signal) => {
    const response = await post(request, { keepalive: outlives(request.body), signal });
    const max = response.status === 429 ? batchMaxOf(429, await responseError(response)) : undefined;
    refused = response.status === 413 || (max !== undefined && max < request.messages.length) ? { max } : undefined;
    return refused !== undefined || isFinal(response);
  });
  return refused;
}
