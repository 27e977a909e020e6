/**
 * Commands that were sent in this session and that the server has not confirmed.
 * Both sides count them, beginning with 1 behind the session's first `welcome`;
 * `idme`, `time`, `resume` and `bye` do not count (docs/protocol.md, Repeating commands).
 * After a reconnection exactly those behind `accepted` are sent again. No
 * timers, no network.
 * @module
 */
export type Sent = {
    text: string;
    id: number | undefined;
    /**
     * whether executing it twice does no harm
     */
    repeatable: boolean;
    number: number;
    /**
     * whether `number` is that of the server
     */
    numbered: () => boolean;
    command: string;
    data: any;
    /**
     * whether it was handed to this connection
     */
    written?: boolean;
    /**
     * local ms
     */
    written_at?: number;
    /**
     * whether a frame or request contained it, so that the server may have it
     */
    sent?: boolean;
    /**
     * it is stale: what is repeated is only its number
     */
    blank?: boolean;
    /**
     * it was removed unsent
     */
    dropped?: boolean;
    /**
     * of the text
     */
    bytes?: number;
    /**
     * what it takes of the server's rates
     */
    cost?: Map<string, number>;
    /**
     * whether the server's messages show that it took the command
     */
    seen?: boolean;
    /**
     * local ms
     */
    expires_at?: number;
    expires_ms?: number;
    /**
     * a later command with the same key replaces it
     */
    merge?: string;
    /**
     * whether a message of the server answered it, so that another answer is a repetition
     */
    answered?: boolean;
    /**
     * connections on which no answer to it was the server's
     */
    bounces?: number;
};
export declare class SentLog {
    #private;
    /** The commands without confirmation, in order. @returns {readonly Sent[]} */
    get open(): readonly Sent[];
    /**
     * What the server has not confirmed of what this connection has. It is counted as it changes: each command, each
     * answer and each timer reads it.
     * @returns {{commands: number, cost: Map<string, number>}} cost: tokens by class
     */
    get load(): {
        commands: number;
        cost: Map<string, number>;
    };
    /** The number up to which the commands were sent on this connection; those behind wait to be repeated. */
    get written(): number;
    /** The number of the last command. */
    get count(): number;
    /**
     * @param {string} command
     * @param {string} text
     * @param {number | undefined} id
     * @param {boolean} repeatable
     * @param {{data?: any, expires_at?: number, expires_ms?: number, merge?: string, bytes?: number, cost?: Map<string, number>}} [more]
     * @returns {Sent | undefined} undefined if the command does not count
     */
    add(command: string, text: string, id: number | undefined, repeatable: boolean, { data, expires_at, expires_ms, merge, bytes, cost }?: {
        data?: any;
        expires_at?: number;
        expires_ms?: number;
        merge?: string;
        bytes?: number;
        cost?: Map<string, number>;
    }): Sent | undefined;
    /** Local ms since when the oldest command waits for a sign that it has arrived. @returns {number | undefined} */
    get waiting_since(): number | undefined;
    /**
     * @param {Sent} entry of the log, which this connection has from now on
     * @param {number} [now] local ms
     */
    write(entry: Sent, now?: number): void;
    /** The next connection has none of them. */
    unwrite(): void;
    /** @param {readonly Sent[]} entries only their numbers are repeated from now on */
    blank(entries: readonly Sent[]): void;
    /** @param {number} number the server has taken the commands up to this one */
    taken(number: number): void;
    /** @param {any} id of a command that was answered; the server took it and all before it. Without one nothing is known */
    answered(id: any): void;
    /**
     * A command was refused.
     * @param {string | undefined} command
     * @param {any} id without one it is the oldest of this name, about
     */
    refused(command: string | undefined, id: any): void;
    /**
     * Own actions arrived in a broadcast, so the server took the command. It is not confirmed thereby: another
     * session of the user may have sent equal actions.
     * @param {string} channel
     * @param {any} data of an action
     */
    seen(channel: string, data: any): void;
    /**
     * @param {number} count how many commands of the session the server has taken
     * @returns {boolean} whether the numbers of the others are what they were
     */
    accepted(count: number): boolean;
    /**
     * @param {readonly (Sent | undefined)[]} entries the server refused them unread, and does not count them
     * @param {boolean} [sure] false: something else has refused them, so the server may have taken an earlier
     *   copy, and its numbers are not known until it says them
     */
    discard(entries: readonly (Sent | undefined)[], sure?: boolean): void;
    /** Keeps what may be executed twice; for a server that does not report `accepted`. */
    keepRepeatable(): void;
    /**
     * @param {boolean} known whether the session is new, so that nothing was counted
     * @returns {readonly Sent[]} the commands of the lost session
     */
    reset(known: boolean): readonly Sent[];
}
