/**
 * The end of a session that polls: what is pending, the goodbye behind it, in numbered requests that are repeated
 * until they are answered.
 * @module
 */

import { KEEPALIVE_MAX, outlives, pageLeaves, untilAnswered } from "../goodbye.js";
import { BATCH_MAX, halve, isFinal, requestBytes, takeBatch } from "./transport.js";

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
  let count_max = BATCH_MAX;
  /** @type {(one: PollRequest) => Promise<void>} */
  const finish = async (one) => {
    if (await finishOne(one, environment, post)) return;
    // Fewer may be accepted, also of what follows. Those behind one that is too large alone may go together again.
    const halved = halve(one.messages, messages);
    count_max = halved ? one.messages.length : BATCH_MAX;
    if (halved) await finish(request(one.messages));
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
 * @returns {Promise<boolean>} false if it is too large
 */
async function finishOne(request, environment, post) {
  let fits = true;
  await untilAnswered(environment, async (signal) => {
    const response = await post(request, { keepalive: outlives(request.body), signal });
    fits = response.status !== 413;
    return !fits || isFinal(response);
  });
  return fits;
}
