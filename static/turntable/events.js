/**
 * The shapes of what a client is given and of what it tells: types alone.
 * @module
 */

/** @import { DoorName } from "./doors/choice.js" */
/** @import { Kind } from "./doors/door.js" */
/** @import { Environment } from "./environment.js" */
/** @import { TurntableError } from "./error.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { ServiceInfo } from "./services.js" */

/**
 * @typedef {object} ConnectOptions
 * @property {string} [user] who this is, `realm:name`
 * @property {object | (() => object | Promise<object>)} [credentials] what proves it;
 *   a function is asked at each identification
 * @property {Record<string, any>} [attributes] live attributes to begin with
 * @property {readonly DoorName[]} [doors] the ways to the server in the order in which they
 *   are tried (websocket, tunnel, longpoll, poll)
 * @property {"v1" | "v2"} [wire] the format of the WebSocket's frames: JSON (v1) or MessagePack (v2)
 * @property {boolean | string} [keep] whether the session outlives a reload of the page; a
 *   name, where a page has several clients of one user (false)
 * @property {{heartbeat_ms?: number}} [poll] how often the poll asks by itself (0: never)
 * @property {any} [WebSocket] a constructor, where the platform has none
 * @property {any} [EventSource] a constructor; null: streams are read by fetch
 * @property {any} [fetch] a function, where the platform has none
 * @property {{storage?: any, locks?: any}} [memory] where `keep` keeps, for tests
 * @property {{min_ms?: number, max_ms?: number} | false} [reconnect] bounds of the
 *   wait between tries (250 and 10000); false: never
 * @property {number} [queue_max] commands kept while offline (1000)
 * @property {number} [timeout_ms] for an answer, and for a connection (10000)
 * @property {number} [clock_interval_ms] between two clock exchanges (10000)
 * @property {Partial<Environment>} [environment] timers, clocks and chance, for tests
 */

/** @typedef {"connecting" | "online" | "offline" | "closed"} State */

/**
 * @typedef {object} Welcome
 * @property {string} user
 * @property {string} session a secret: who has it is this user
 * @property {boolean} resumed
 * @property {number} time Unix ms of the server
 * @property {number} heartbeat_ms
 * @property {Record<string, any>} [attributes]
 * @property {Record<string, ServiceInfo>} [services]
 * @property {Record<string, number>} [limits]
 * @property {string} [server]
 */

/**
 * @typedef {object} Invite
 * @property {string} channel
 * @property {string} from
 * @property {(options?: JoinOptions) => Promise<Room>} accept joins the room
 * @property {() => void} decline tells the inviter
 */

/**
 * @typedef {object} StateChange
 * @property {State} state
 * @property {State} previous
 * @property {string} [reason] why the line went down: a name of CLOSE_CODES, `lost`,
 *   `moved`, or the code of the error that refused the identification
 * @property {number} [code] the close code
 * @property {string} [message] what the server said beside it
 * @property {number} [retry_ms] when it is tried again
 */

/**
 * @typedef {object} ClientEvents
 * @property {StateChange} state
 * @property {Welcome} welcome after each connection
 * @property {Welcome} resumed the session goes on: nothing was missed
 * @property {Welcome} reset a new session had to be begun: the library has asked
 *   again for subscriptions, rooms and channels
 * @property {Invite} invite
 * @property {{channel: string, user: string, accepted: boolean}} invitereply
 * @property {{reason: string, reconnect_ms: number, url?: string}} goaway
 * @property {Record<string, ServiceInfo>} service services that changed
 * @property {TurntableError} error one that is tied to no call
 * @property {{door: DoorName, previous: DoorName | undefined, wire: "v1" | "v2"}} door by which
 *   the server is reached from now on
 * @property {{direction: "in" | "out", kind: Kind, text: string, bytes: number, at: number}} frame
 *   each message as it travels, secrets included; bytes: its size there; at: Unix ms
 * @property {{command: string, data: any, id?: string | number}} message each message
 *   of the server, after the library has dealt with it
 */

export {};
