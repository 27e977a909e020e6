/**
 * Entries, what the poll carries both ways: calls `{"f", "args", "id"?}`, their
 * answers `{"id", "r"}` and refusals `{"id", "error"}`. A command or message of
 * the protocol is a call of `$av:NAME`.
 * @module
 */

const CORE = "$av:";
/** What answers a command, where that is no `reply`. @type {Readonly<Record<string, string>>} */
const ANSWERS = { idme: "welcome", authenticate: "welcome", joingame: "joined", joinchannel: "joined", time: "time" };
/** Names that the poll door has for messages of the protocol. @type {Readonly<Record<string, string>>} */
const SAME = { set: "attributes" };

/**
 * The entry that a message travels as.
 * @param {any} message
 * @returns {any}
 */
export function entryOf({ command, data, id, error }) {
  if (command === "reply" && id !== undefined) return error ? { id, error } : { id, r: data };
  if (command === "call" && typeof data?.f === "string") return { f: data.f, args: data.args, id };
  return { f: CORE + command, args: data, id };
}

/**
 * The message that an entry holds.
 * @param {any} entry
 * @param {(id: any) => string | undefined} asked the command that was sent with this id
 * @returns {any} undefined where it holds none
 */
export function messageOf(entry, asked) {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { f, args, id, r, error } = entry;
  if (typeof f === "string") {
    const about = id === undefined ? {} : { id };
    if (!f.startsWith(CORE)) return { command: "call", data: { f, args }, ...about };
    const name = f.slice(CORE.length);
    return { command: SAME[name] ?? name, data: args, ...about };
  }
  const command = asked(id);
  if (error !== undefined) return { command: "error", data: { ...(command && { command }), ...error }, id };
  if (id === undefined) return undefined;
  return { command: ANSWERS[command ?? ""] ?? "reply", data: r, id };
}
