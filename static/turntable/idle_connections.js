/**
 * The connections that a browser keeps for later requests. After a network was silent
 * they may all be dead, and each request that gets one waits for its deadline in vain.
 * A few requests at once get one each; those that are not answered are ended, which
 * closes their connections.
 * @module
 */

import { endpointUrl } from "./transports/transport.js";

/** @import { Environment } from "./environment.js" */

/** Browsers open as many to one host over HTTP/1.1. */
const CONNECTIONS = 6;
/** A connection that brings no answer within this time is dead, or of no use now. */
const ANSWER_MS = 1000;

/**
 * Closes those that are dead.
 * @param {{url: string, environment: Environment, fetch: any}} target
 * @returns {Promise<void>} resolves when each has answered or is closed
 */
export async function closeDeadConnections({ url, environment, fetch }) {
  const abort = new AbortController();
  const timer = environment.setTimeout(() => abort.abort(), ANSWER_MS);
  // An empty list of datagrams: the server answers it and does nothing. The mode of the streams, whose
  // connections others do not share.
  const options = { cache: "no-store", signal: abort.signal };
  const request = async () => {
    const response = await fetch(endpointUrl(url, "tunnel/send", { d: "[]" }), options);
    // Unread, it keeps its connection.
    await response.text();
  };
  await Promise.allSettled(Array.from({ length: CONNECTIONS }, request));
  environment.clearTimeout(timer);
}
