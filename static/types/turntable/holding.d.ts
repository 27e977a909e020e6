/**
 * A place on the server that several holders of one client share: the seat in a
 * room, or the subscription of a channel. The server has one per session.
 *
 * Each `acquire` sends its own join and gets the outcome of that join. A success is
 * a holder, an object of its own, which can release once. The place is given up
 * when its last holder has released it. Joins and leaves of one place
 * are answered in the order in which they are sent, so the place is what the last
 * answer says. A join whose outcome is unknown (no answer in time) and that
 * nobody waits for is followed by a leave.
 *
 * A lost connection changes nothing here: the session repeats what the server did
 * not take. A new session has no place; the library then joins again.
 * @module
 */
import { TurntableError } from "./error.js";
import type { Session } from "./session.js";
export type Caller = {
    options: any;
    sent: boolean;
    /**
     * takes the command back, unless it has left; returns whether it did
     */
    withdraw: () => boolean;
    aborted: boolean;
    /**
     * makes it a holder
     */
    resolve: (holder: any) => void;
    reject: (error: any) => void;
};
export type HoldingHooks<Holder> = {
    /**
     * the command
     */
    join: string;
    /**
     * the command
     */
    leave: string;
    /**
     * the data of `leave`
     */
    place: any;
    /**
     * of a join; `again`: after a new session
     */
    data: (options: any, again: boolean) => any;
    /**
     * a join succeeded; returns its holder, with which
     * `acquire` resolves
     */
    acquired: (options: any) => Holder;
    /**
     * a holder has released the place
     */
    released: (holder: Holder, last: boolean) => void;
    /**
     * neither a holder nor a join is left
     */
    unused: () => void;
    /**
     * the join after a new session was refused
     */
    refused: (error: TurntableError) => void;
    /**
     * a join again in the same session was refused: the
     * server still has the place
     */
    unchanged?: (error: TurntableError) => void;
};
/** @template Holder */
export declare class Holding<Holder> {
    #private;
    /**
     * @param {Session} session
     * @param {HoldingHooks<Holder>} hooks
     */
    constructor(session: Session, hooks: HoldingHooks<Holder>);
    /** Whether the answer to a join is awaited. */
    get joining(): boolean;
    /** The options of the joins whose answers are awaited. */
    get requested(): any[];
    /** The holders, in the order of their joins. */
    get holders(): Holder[];
    /**
     * Joins for one more holder.
     * @param {{signal?: AbortSignal} & Record<string, any>} options
     * @returns {Promise<Holder>} rejects with the TurntableError of this join, or with the signal's reason
     */
    acquire({ signal, ...options }: {
        signal?: AbortSignal;
    } & Record<string, any>): Promise<Holder>;
    /**
     * The server has given the session the place by itself: one more holder, without a join.
     * @param {any} options
     * @returns {Holder}
     */
    adopt(options: any): Holder;
    /**
     * What the server gave by itself ended with its session: this holder does not join again.
     * @param {Holder} holder
     */
    disown(holder: Holder): void;
    /**
     * One holder less; the last one leaves. A holder that has released the place, or
     * that it was taken from, releases nothing.
     * @param {Holder} holder
     * @returns {Promise<void>}
     */
    release(holder: Holder): Promise<void>;
    /** The server has ended the place: nobody holds it any more. */
    ended(): void;
    /**
     * After a welcome.
     * @param {boolean} resumed
     */
    restore(resumed: boolean): void;
    /**
     * Joins again in the same session, for what was missed.
     * @returns {boolean} whether it does
     */
    again(): boolean;
    /**
     * The client was closed.
     * @param {TurntableError} error
     */
    close(error: TurntableError): void;
}
