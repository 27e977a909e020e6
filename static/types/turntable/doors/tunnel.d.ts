/**
 * The tunnel: a stream of server-sent events down, requests up (Sender). By
 * EventSource where there is one, else by reading a response as it comes.
 *
 * An EventSource comes back by itself to the address it was given, which would
 * open a second tunnel (or resume from a place long past), so it is closed at
 * its first error: coming back is the library's matter. It also hides why it
 * was refused; then the same request is made once by fetch, which tells.
 * @module
 */
import type { Door } from "./door.js";
/** @type {Door} */
export declare const tunnel: Door;
