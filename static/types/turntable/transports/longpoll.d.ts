/**
 * Long polling: a tunnel for networks that buffer streams. The server answers
 * each request when it has messages; the next request asks for later ones.
 * Messages are sent as in the tunnel.
 * @module
 */
import type { Transport } from "./transport.js";
/** @type {Transport} */
export declare const longpoll: Transport;
