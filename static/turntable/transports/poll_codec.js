/**
 * Messages as the entries of polls. An entry that answers names no command, so those without an answer are known by
 * their ids: for all connections of a client, as an answer may come over a later one.
 * @module
 */

import { parse, stringify } from "../binary.js";
import { entryOf, messageOf } from "./entry.js";

/** @import { Outgoing } from "./transport.js" */

/** A command that counts and has no effect. */
const BLANK = stringify(entryOf({ command: "unsubscribe", data: [] }));
/** Commands that are answered even if they have no id; here they get one. */
const ANSWERED = new Set(["idme", "time"]);

export class PollCodec {
  /** Commands without an answer, by id. @type {Map<any, string>} */
  #commands = new Map();

  /**
   * @param {Outgoing} message which is sent from now on
   * @returns {string} its entry
   */
  encode({ text, entry }) {
    if (entry) entry.sent = true;
    if (entry?.blank) return BLANK;
    const message = parse(text);
    if (message.id === undefined && ANSWERED.has(message.command)) message.id = message.command;
    // Accepted actions are not answered.
    if (message.id !== undefined && message.command !== "game") this.#commands.set(message.id, message.command);
    return stringify(entryOf(message));
  }

  /**
   * @param {any} entry
   * @returns {any} its message; undefined if it is none
   */
  decode(entry) {
    return messageOf(entry, (id) => {
      const command = this.#commands.get(id);
      this.#commands.delete(id);
      return command;
    });
  }
}
