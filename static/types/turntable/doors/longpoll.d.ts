/**
 * The long poll: a tunnel for networks that hold streams back. Each request
 * waits until there is something to tell, and is answered once; the next one
 * asks for what comes after. What goes up goes as in the tunnel.
 * @module
 */
import type { Door } from "./door.js";
/** @type {Door} */
export declare const longpoll: Door;
