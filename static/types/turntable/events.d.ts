/**
 * Types of the client's options and events. No code.
 * @module
 */
import type { TransportName } from "./transports/registry.js";
import type { Channel } from "./channel.js";
import type { Kind } from "./transports/transport.js";
import type { Environment } from "./environment.js";
import type { TurntableError } from "./error.js";
import type { JoinOptions, Room } from "./room.js";
import type { ServiceInfo } from "./services.js";
export type ConnectOptions = {
    /**
     * the user's id, `realm:name`
     */
    user?: string;
    /**
     * proof of the identity: token,
     * password, sessionId or others; a function is called for each identification, and before
     * credentials expire
     */
    credentials?: object | (() => object | Promise<object>);
    /**
     * whether the server makes up the user, who comes back with the
     * token that it issues; a name if a browser has several (false)
     */
    guest?: boolean | string;
    /**
     * replaces localStorage for a guest's token; null: a later page is
     * another guest
     */
    guest_storage?: any;
    /**
     * initial live attributes
     */
    attributes?: Record<string, any>;
    /**
     * in order of preference (websocket, tunnel,
     * longpoll, poll)
     */
    transports?: readonly TransportName[];
    /**
     * of WebSocket frames: JSON (v1) or MessagePack (v2)
     */
    encoding?: "v1" | "v2";
    /**
     * whether the session outlives a reload of the page; a
     * name if a page has several clients of one user (false)
     */
    persist?: boolean | string;
    /**
     * the interval of empty poll requests (4000; 0: none)
     */
    poll?: {
        heartbeat_ms?: number;
    };
    /**
     * replaces the platform's constructor
     */
    WebSocket?: any;
    /**
     * replaces the platform's constructor; null: use fetch instead
     */
    EventSource?: any;
    /**
     * replaces the platform's function
     */
    fetch?: any;
    /**
     * replaces sessionStorage for `persist`
     */
    storage?: any;
    /**
     * replaces navigator.locks
     */
    locks?: any;
    /**
     * bounds of the delay
     * between attempts (250 and 10000); false: do not reconnect
     */
    reconnect?: {
        min_ms?: number;
        max_ms?: number;
    } | false;
    /**
     * maximum number of commands queued while offline (1000)
     */
    queue_max?: number;
    /**
     * maximum time for an answer, and for a connection to receive its welcome
     * (10000): up to three times as long on a network whose first response is slow; timers run for 24.8 days
     * at most
     */
    timeout_ms?: number;
    /**
     * interval between clock exchanges, at most (15000)
     */
    clock_interval_ms?: number;
    /**
     * timers, clocks and random numbers, for tests
     */
    environment?: Partial<Environment>;
};
export type State = "connecting" | "online" | "unsteady" | "offline" | "closed";
export type Limits = {
    max_message_bytes?: number;
    resume_ms?: number;
    /**
     * users that are watched
     */
    watch_max?: number;
    /**
     * users in one `lookup`
     */
    lookup_max?: number;
    rooms_max?: number;
    channels_max?: number;
    /**
     * in one message
     */
    actions_max?: number;
    /**
     * how far back a timestamp may lie
     */
    max_lag_ms?: number;
    /**
     * token buckets by
     * class of commands; `per_second` 0: no limit
     */
    rates?: Record<string, {
        per_second: number;
        burst: number;
    }>;
};
export type Welcome = {
    user: string;
    /**
     * the secret that grants access to the session
     */
    session: string;
    resumed: boolean;
    /**
     * Unix ms of the server's clock
     */
    time: number;
    heartbeat_ms: number;
    attributes?: Record<string, any>;
    services?: Record<string, ServiceInfo>;
    limits?: Limits;
    server?: string;
    /**
     * seconds for which the credentials are good
     */
    expires_in?: number;
    /**
     * with which a guest comes back
     */
    token?: string;
    /**
     * over how long clients return to a server that was lost, if that
     * is longer than 2 s
     */
    reconnect_ms?: number;
    /**
     * what to know about this server, in the first welcome of a session
     */
    warnings?: string[];
};
export type Invite = {
    channel: string;
    from: string;
    /**
     * joins the room
     */
    accept: (options?: JoinOptions) => Promise<Room>;
    /**
     * notifies the inviter
     */
    decline: () => void;
};
export type StateChange = {
    state: State;
    previous: State;
    /**
     * why the connection was lost: a name of CLOSE_CODES, `lost`,
     * `moved`, or the error code of a refused identification
     */
    reason?: string;
    /**
     * the close code; of a refused identification the one named by the reason, else 1000
     */
    code?: number;
    /**
     * the server's explanation
     */
    message?: string;
    /**
     * further values of it; `details.reason` of refused credentials and ended
     * sessions: `expired`, `invalid`, `revoked`, `kicked` and others
     */
    details?: any;
    /**
     * time until the next attempt, at most: it begins sooner if the
     * server answers sooner. The client's `retry_in_ms` counts down
     */
    retry_ms?: number;
};
export type ClientEvents = {
    state: StateChange;
    /**
     * after each connection
     */
    welcome: Welcome;
    /**
     * the session was resumed; no message was missed
     */
    resumed: Welcome;
    /**
     * a new session was started; the library has sent subscriptions
     * and joins again
     */
    reset: Welcome;
    invite: Invite;
    invitereply: {
        channel: string;
        user: string;
        accepted: boolean;
    };
    goaway: {
        reason: string;
        reconnect_ms: number;
        url?: string;
    };
    /**
     * changed services by name
     */
    service: Record<string, ServiceInfo>;
    /**
     * a channel to which the server subscribed the user by itself, for instance
     * because the operator did; again in each new session
     */
    channel: Channel;
    /**
     * what the operator published to the user
     */
    usermessage: any;
    /**
     * an error that belongs to no call
     */
    error: TurntableError;
    /**
     *   the transport has changed
     */
    transport: {
        transport: TransportName;
        previous: TransportName | undefined;
        encoding: "v1" | "v2";
    };
    /**
     *   each message as sent or received, secrets included; bytes: encoded size; at: Unix ms
     */
    frame: {
        direction: "in" | "out";
        kind: Kind;
        text: string;
        bytes: number;
        at: number;
    };
    /**
     * a received message, after
     * the library has processed it: all but `idyou`, the first `welcome` of a connection, `reply` and
     * `error`
     */
    message: {
        command: string;
        data: any;
        id?: string | number;
    };
};
/** @import { TransportName } from "./transports/registry.js" */
/** @import { Channel } from "./channel.js" */
/** @import { Kind } from "./transports/transport.js" */
/** @import { Environment } from "./environment.js" */
/** @import { TurntableError } from "./error.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { ServiceInfo } from "./services.js" */
/**
 * @typedef {object} ConnectOptions
 * @property {string} [user] the user's id, `realm:name`
 * @property {object | (() => object | Promise<object>)} [credentials] proof of the identity: token,
 *   password, sessionId or others; a function is called for each identification, and before
 *   credentials expire
 * @property {boolean | string} [guest] whether the server makes up the user, who comes back with the
 *   token that it issues; a name if a browser has several (false)
 * @property {any} [guest_storage] replaces localStorage for a guest's token; null: a later page is
 *   another guest
 * @property {Record<string, any>} [attributes] initial live attributes
 * @property {readonly TransportName[]} [transports] in order of preference (websocket, tunnel,
 *   longpoll, poll)
 * @property {"v1" | "v2"} [encoding] of WebSocket frames: JSON (v1) or MessagePack (v2)
 * @property {boolean | string} [persist] whether the session outlives a reload of the page; a
 *   name if a page has several clients of one user (false)
 * @property {{heartbeat_ms?: number}} [poll] the interval of empty poll requests (4000; 0: none)
 * @property {any} [WebSocket] replaces the platform's constructor
 * @property {any} [EventSource] replaces the platform's constructor; null: use fetch instead
 * @property {any} [fetch] replaces the platform's function
 * @property {any} [storage] replaces sessionStorage for `persist`
 * @property {any} [locks] replaces navigator.locks
 * @property {{min_ms?: number, max_ms?: number} | false} [reconnect] bounds of the delay
 *   between attempts (250 and 10000); false: do not reconnect
 * @property {number} [queue_max] maximum number of commands queued while offline (1000)
 * @property {number} [timeout_ms] maximum time for an answer, and for a connection to receive its welcome
 *   (10000): up to three times as long on a network whose first response is slow; timers run for 24.8 days
 *   at most
 * @property {number} [clock_interval_ms] interval between clock exchanges, at most (15000)
 * @property {Partial<Environment>} [environment] timers, clocks and random numbers, for tests
 */
/** @typedef {"connecting" | "online" | "unsteady" | "offline" | "closed"} State `unsteady`:
 *   connected, but the server has not answered for 3 s */
/**
 * What the server accepts from one session; see docs/protocol.md, 2.2.
 * @typedef {object} Limits
 * @property {number} [max_message_bytes]
 * @property {number} [resume_ms]
 * @property {number} [watch_max] users that are watched
 * @property {number} [lookup_max] users in one `lookup`
 * @property {number} [rooms_max]
 * @property {number} [channels_max]
 * @property {number} [actions_max] in one message
 * @property {number} [max_lag_ms] how far back a timestamp may lie
 * @property {Record<string, {per_second: number, burst: number}>} [rates] token buckets by
 *   class of commands; `per_second` 0: no limit
 */
/**
 * @typedef {object} Welcome
 * @property {string} user
 * @property {string} session the secret that grants access to the session
 * @property {boolean} resumed
 * @property {number} time Unix ms of the server's clock
 * @property {number} heartbeat_ms
 * @property {Record<string, any>} [attributes]
 * @property {Record<string, ServiceInfo>} [services]
 * @property {Limits} [limits]
 * @property {string} [server]
 * @property {number} [expires_in] seconds for which the credentials are good
 * @property {string} [token] with which a guest comes back
 * @property {number} [reconnect_ms] over how long clients return to a server that was lost, if that
 *   is longer than 2 s
 * @property {string[]} [warnings] what to know about this server, in the first welcome of a session
 */
/**
 * @typedef {object} Invite
 * @property {string} channel
 * @property {string} from
 * @property {(options?: JoinOptions) => Promise<Room>} accept joins the room
 * @property {() => void} decline notifies the inviter
 */
/**
 * @typedef {object} StateChange
 * @property {State} state
 * @property {State} previous
 * @property {string} [reason] why the connection was lost: a name of CLOSE_CODES, `lost`,
 *   `moved`, or the error code of a refused identification
 * @property {number} [code] the close code; of a refused identification the one named by the reason, else 1000
 * @property {string} [message] the server's explanation
 * @property {any} [details] further values of it; `details.reason` of refused credentials and ended
 *   sessions: `expired`, `invalid`, `revoked`, `kicked` and others
 * @property {number} [retry_ms] time until the next attempt, at most: it begins sooner if the
 *   server answers sooner. The client's `retry_in_ms` counts down
 */
/**
 * @typedef {object} ClientEvents
 * @property {StateChange} state
 * @property {Welcome} welcome after each connection
 * @property {Welcome} resumed the session was resumed; no message was missed
 * @property {Welcome} reset a new session was started; the library has sent subscriptions
 *   and joins again
 * @property {Invite} invite
 * @property {{channel: string, user: string, accepted: boolean}} invitereply
 * @property {{reason: string, reconnect_ms: number, url?: string}} goaway
 * @property {Record<string, ServiceInfo>} service changed services by name
 * @property {Channel} channel a channel to which the server subscribed the user by itself, for instance
 *   because the operator did; again in each new session
 * @property {any} usermessage what the operator published to the user
 * @property {TurntableError} error an error that belongs to no call
 * @property {{transport: TransportName, previous: TransportName | undefined, encoding: "v1" | "v2"}} transport
 *   the transport has changed
 * @property {{direction: "in" | "out", kind: Kind, text: string, bytes: number, at: number}} frame
 *   each message as sent or received, secrets included; bytes: encoded size; at: Unix ms
 * @property {{command: string, data: any, id?: string | number}} message a received message, after
 *   the library has processed it: all but `idyou`, the first `welcome` of a connection, `reply` and
 *   `error`
 */
export {};
