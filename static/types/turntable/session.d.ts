/**
 * The session: identification, resume, and what the server sends. It outlives its
 * connections, which `Connection` opens. Its commands are those of `Commands`.
 *
 * On each connection the server sends `idyou` first. The client answers with
 * `resume` if it has a session, with `idme` otherwise. Some transports resume
 * themselves; then neither `idyou` nor `welcome` arrives. All messages after the
 * session's first `welcome` are counted, except `idyou`, the first `welcome` of a
 * connection and what precedes it. The count tells the server which messages to repeat.
 * @module
 */
import { Commands } from "./commands.js";
import { Connection } from "./connection.js";
import { TurntableError } from "./error.js";
import type { ConnectionHooks } from "./connection.js";
import type { Disconnection } from "./disconnection.js";
import type { SessionOptions } from "./options.js";
import type { StoredSession } from "./session_store.js";
export type SessionHooks = {
    /**
     * the state that the user has chosen, for the identification; undefined: none
     */
    status: () => any;
    connecting: () => void;
    /**
     *   called before anything else is sent
     */
    welcome: (welcome: any, how: {
        first: boolean;
        resumed: boolean;
        sent: number;
    }) => void;
    /**
     * called after the queued messages were sent
     */
    online: () => void;
    message: (command: string, data: any, id: any) => void;
    /**
     *   details: what the server said about the end
     */
    disconnected: (disconnection: Disconnection & {
        details?: any;
    }, fatal: TurntableError | undefined) => void;
    /**
     * an error that belongs to no request
     */
    error: (error: TurntableError) => void;
    /**
     * something arrived from the server
     */
    activity: () => void;
    /**
     * the server refuses clock exchanges for its rates, so the connection works
     */
    rated: () => void;
    /**
     * a command was sent
     */
    sent: () => void;
    /**
     * the stored session is outdated
     */
    changed: () => void;
    traffic: ConnectionHooks["traffic"];
};
export declare class Session extends Commands {
    #private;
    /** @readonly @type {Connection} */
    readonly connection: Connection;
    /** The secret that resumes the session. @type {string | undefined} */
    secret: string | undefined;
    /** Messages received since the session's first welcome. */
    received: number;
    /** Closed when the client has emitted its last event. @readonly */
    readonly gate: {
        closed: boolean;
    };
    /**
     * @param {SessionOptions} options
     * @param {SessionHooks} hooks
     */
    constructor(options: SessionOptions, hooks: SessionHooks);
    /**
     * Continues the session of an earlier page. Call it before the connection opens.
     * @param {StoredSession} stored
     */
    restore({ session, received, last_id, attempt, transport, welcome }: StoredSession): void;
    /** A later page has continued the session: the next connection begins another one. */
    forget(): void;
    /**
     * Whether a command sent now can reach the server: the connection has
     * received its welcome and is not closing.
     */
    get online(): boolean;
    get environment(): import("./environment.js").Environment;
    /** The transport in use, or being tried. */
    get transport(): import("./transports/transport.js").Transport;
    /** What a later page needs to continue the session. @returns {StoredSession | undefined} */
    get snapshot(): StoredSession | undefined;
    /**
     * Ends the session; pending requests are rejected. The goodbye ends the connection
     * and the session, and is repeated until it is answered.
     */
    close(): void;
    /**
     * The program authenticates the session: with the answer it has an identity, or new
     * credentials, which later identifications use too.
     * @param {object} credentials
     * @returns {Promise<any>} the welcome
     */
    authenticate(credentials: object): Promise<any>;
    /** The machine may have slept: what is due by the time may be overdue. */
    check(): void;
}
