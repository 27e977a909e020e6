/**
 * The tunnel: server-sent events for received messages, requests for sent ones
 * (Sender). The stream is read by EventSource if available, by fetch otherwise.
 *
 * An EventSource reconnects by itself to its original URL. That would open a
 * second tunnel or resume at an outdated position, so the EventSource is closed
 * at its first error and the library reconnects. An EventSource does not expose
 * the status of a refused request; the request is then repeated once by fetch.
 * @module
 */
import type { Transport } from "./transport.js";
/** @type {Transport} */
export declare const tunnel: Transport;
