/**
 * Poll entries, in both directions: calls `{"f", "args", "id"?}`, results
 * `{"id", "r"}` and errors `{"id", "error"}`. A protocol message is a call of
 * `$av:NAME`.
 * @module
 */
/**
 * The name of the message that answers a command.
 * @param {string | undefined} command
 * @returns {string}
 */
export declare function answerTo(command: string | undefined): string;
/**
 * Encodes a message as an entry.
 * @param {any} message
 * @returns {any}
 */
export declare function entryOf({ command, data, id, error }: any): any;
/**
 * Decodes the message of an entry.
 * @param {any} entry
 * @param {(id: any) => string | undefined} commandOf the command that was sent with this id
 * @returns {any} undefined if the entry is not a message
 */
export declare function messageOf(entry: any, commandOf: (id: any) => string | undefined): any;
