/**
 * Messages as the entries of polls. An entry that answers names no command, so those without an answer are known by
 * their ids: for all connections of a client, as an answer may come over a later one.
 * @module
 */
import type { Outgoing } from "./transport.js";
export declare class PollCodec {
    #private;
    /**
     * @param {Outgoing} message which is sent from now on
     * @returns {string} its entry
     */
    encode({ text, entry }: Outgoing): string;
    /**
     * @param {any} entry
     * @returns {any} its message; undefined if it is none
     */
    decode(entry: any): any;
}
