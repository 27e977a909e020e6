/**
 * The way of commands to the server: counts what is written, confirms it by
 * answers and clock exchanges, and repeats what a lost connection did not
 * deliver.
 * @module
 */
import { SentLog } from "./sent_log.js";
import type { Message } from "./outbox.js";
import type { Sent } from "./sent_log.js";
export declare class Uplink {
    #private;
    /** @readonly */
    readonly log: SentLog;
    /**
     * @param {{write: (text: string, entry?: Sent) => void}} connection
     * @param {() => void} confirm performs a clock exchange
     * @param {() => number} now local ms
     */
    constructor(connection: {
        write: (text: string, entry?: Sent) => void;
    }, confirm: () => void, now: () => number);
    /**
     * Sends a command now, and counts it.
     * @param {Message} message
     */
    write(message: Message): void;
    /** @param {any} t0 of an answered clock exchange: the server has taken what was sent before it */
    exchanged(t0: any): void;
    /** Asks the server to confirm what was sent, unless it is asked. @returns {boolean} whether it is */
    confirm(): boolean;
    /** The server refused a clock exchange: none confirms anything. */
    forget(): void;
    /**
     * The session was resumed.
     * @param {any} accepted how many commands the server has taken, if it said so
     * @param {boolean} numbered whether the transport numbers the commands, so that the server skips
     *   repeated ones
     */
    resumed(accepted: any, numbered: boolean): void;
    /**
     * The server says what it has taken, while this connection goes on.
     * @param {number} count of commands of the session
     */
    accepted(count: number): void;
    /**
     * A new session has begun.
     * @returns {(number | undefined)[]} ids of commands of the lost session that were not confirmed
     */
    reset(): (number | undefined)[];
    /**
     * Removes what is stale. What the server may have keeps its number, and is blank from now on: without it the
     * numbers of those behind it would be wrong.
     * @param {number} now
     * @param {boolean} exact whether the server said what it has taken, so that it has none of these
     * @returns {{expired: Sent[], merged: Sent[]}} what became stale now
     */
    prune(now: number, exact: boolean): {
        expired: Sent[];
        merged: Sent[];
    };
    /**
     * Removes commands that the server does not count. Those behind them get lower numbers, and so do the
     * commands that open clock exchanges confirm: each stands for the same commands as before.
     * @param {readonly (Sent | undefined)[]} entries
     * @param {boolean} [sure] whether the server has none of them for certain
     */
    discard(entries: readonly (Sent | undefined)[], sure?: boolean): void;
    /**
     * Sends a command again, unless it was confirmed or removed meanwhile.
     * @param {Sent} entry
     */
    repeat(entry: Sent): void;
}
