/**
 * Poll entries, in both directions: calls `{"f", "args", "id"?}`, results
 * `{"id", "r"}` and errors `{"id", "error"}`. A protocol message is a call of
 * `$av:NAME`.
 * @module
 */

const PREFIX = "$av:";
/** Tells a provider that the answer to a call is no longer awaited; a call in every encoding. */
const CANCEL = "$av:cancel";
/** Answers to commands that are not answered by `reply`. @type {ReadonlyMap<string | undefined, string>} */
const ANSWERS = new Map([["idme", "welcome"], ["authenticate", "welcome"], ["joingame", "joined"], ["joinchannel", "joined"], ["time", "time"]]);
/** Entries whose name differs from the message's command. @type {ReadonlyMap<string, string>} */
const ALIASES = new Map([["set", "attributes"], ["setService", "service"]]);

/**
 * The name of the message that answers a command.
 * @param {string | undefined} command
 * @returns {string}
 */
export function answerTo(command) {
  return ANSWERS.get(command) ?? "reply";
}

/**
 * Encodes a message as an entry.
 * @param {any} message
 * @returns {any}
 */
export function entryOf({ command, data, id, error }) {
  if (command === "reply" && id !== undefined) return error ? { id, error } : { id, r: data };
  if (command === "call" && typeof data?.f === "string") return { f: data.f, args: data.args, ...(data.user !== undefined && { user: data.user }), id };
  return { f: PREFIX + command, args: data, id };
}

/**
 * Decodes the message of an entry.
 * @param {any} entry
 * @param {(id: any) => string | undefined} commandOf the command that was sent with this id
 * @returns {any} undefined if the entry is not a message
 */
export function messageOf(entry, commandOf) {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { f, args, user, id, r, error } = entry;
  if (typeof f === "string") {
    const with_id = id === undefined ? {} : { id };
    if (!f.startsWith(PREFIX) || f === CANCEL) return { command: "call", data: { f, args, ...(user !== undefined && { user }) }, ...with_id };
    const name = f.slice(PREFIX.length);
    return { command: ALIASES.get(name) ?? name, data: args, ...with_id };
  }
  const command = commandOf(id);
  if (error !== undefined) return { command: "error", data: { ...(command && { command }), ...error }, id };
  if (id === undefined) return undefined;
  return { command: answerTo(command), data: r, id };
}
