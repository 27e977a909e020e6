/**
 * The two tables of the protocol as plain data: why a connection is closed and
 * what to do then, and what the code of an `error` message says. The server
 * has the same tables; a test holds them equal.
 * @module
 */

/**
 * @typedef {object} CloseCode
 * @property {string} name its name in documents, logs and metrics
 * @property {boolean} reconnect whether the client connects again by itself
 * @property {boolean} resume whether the session may be resumed then
 * @property {string} meaning a sentence for people
 */

/** @type {Readonly<Record<number, CloseCode>>} */
export const CLOSE_CODES = {
  1000: { name: "bye", reconnect: false, resume: false, meaning: "The client said bye, or closed in order." },
  1001: { name: "going_away", reconnect: true, resume: true, meaning: "This server goes away; the session may go on elsewhere." },
  1002: { name: "protocol_error", reconnect: false, resume: true, meaning: "A frame broke the WebSocket protocol." },
  1003: { name: "unsupported", reconnect: false, resume: true, meaning: "A kind of frame that the chosen protocol does not have." },
  1007: { name: "not_utf8", reconnect: false, resume: true, meaning: "A text was not UTF-8." },
  1009: { name: "too_large", reconnect: true, resume: true, meaning: "A message was larger than the server takes." },
  1011: { name: "internal", reconnect: true, resume: true, meaning: "A fault of the server." },
  4001: { name: "not_identified", reconnect: true, resume: false, meaning: "No identification came in time." },
  4002: { name: "replaced", reconnect: false, resume: false, meaning: "A newer connection took this session over." },
  4003: { name: "too_slow", reconnect: true, resume: true, meaning: "The client did not read fast enough." },
  4004: { name: "session_expired", reconnect: true, resume: false, meaning: "The session is not there any more; a new one is begun." },
  4005: { name: "kicked", reconnect: false, resume: false, meaning: "Sent away; do not come back by yourself." },
  4006: { name: "too_many_errors", reconnect: false, resume: true, meaning: "Too many of the client's messages were refused." },
  4007: { name: "rate_limited", reconnect: true, resume: true, meaning: "Far more commands than allowed." },
  4008: { name: "heartbeat_missed", reconnect: true, resume: true, meaning: "No sign of life from the other side." },
};

/**
 * What a TurntableError's `code` can be: those of the server, which the client
 * uses for its own refusals too.
 * @type {Readonly<Record<string, {meaning: string}>>}
 */
export const ERROR_CODES = {
  bad_json: { meaning: "The message was not JSON." },
  bad_message: { meaning: "The message or its data had the wrong shape." },
  unknown_command: { meaning: "There is no such command." },
  not_identified: { meaning: "The command needs an identification first." },
  unauthorized: { meaning: "The credentials were not accepted." },
  forbidden: { meaning: "This user may not do that." },
  invalid_id: { meaning: "A user or channel id had the wrong form." },
  invalid_action: { meaning: "The game's rules refused an action; details.index tells which." },
  not_member: { meaning: "Only a member of the room or channel may do that." },
  not_found: { meaning: "There is no such thing." },
  room_full: { meaning: "The room has as many members as its game allows." },
  too_large: { meaning: "The message was larger than the server takes." },
  too_many: { meaning: "A bound was reached: the server's, or that of the client's own queue." },
  rate_limited: { meaning: "Too many commands in too short a time." },
  timeout: { meaning: "No answer came in time." },
  service_down: { meaning: "The service that would answer is not running." },
  session_expired: { meaning: "The session is not there any more." },
  unavailable: { meaning: "Not possible now: the connection is gone, or the server is shutting down." },
  internal: { meaning: "A fault of the server." },
};
