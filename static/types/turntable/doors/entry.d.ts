/**
 * Entries, what the poll carries both ways: calls `{"f", "args", "id"?}`, their
 * answers `{"id", "r"}` and refusals `{"id", "error"}`. A command or message of
 * the protocol is a call of `$av:NAME`.
 * @module
 */
/**
 * The entry that a message travels as.
 * @param {any} message
 * @returns {any}
 */
export declare function entryOf({ command, data, id, error }: any): any;
/**
 * The message that an entry holds.
 * @param {any} entry
 * @param {(id: any) => string | undefined} asked the command that was sent with this id
 * @returns {any} undefined where it holds none
 */
export declare function messageOf(entry: any, asked: (id: any) => string | undefined): any;
