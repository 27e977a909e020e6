/**
 * The protocol's close codes and error codes as data. A test compares them with
 * the server's tables.
 * @module
 */

/**
 * @typedef {object} CloseCode
 * @property {string} name used in documents, logs and metrics
 * @property {boolean} reconnect whether the client reconnects automatically
 * @property {boolean} resume whether the session can be resumed
 * @property {string} meaning a sentence for display
 */

/** @type {Readonly<Record<number, CloseCode>>} */
export const CLOSE_CODES = {
  1000: { name: "bye", reconnect: false, resume: false, meaning: "The client sent bye or closed normally." },
  1001: { name: "going_away", reconnect: true, resume: true, meaning: "The server is shutting down; reconnect and resume." },
  1002: { name: "protocol_error", reconnect: false, resume: true, meaning: "A frame violated the WebSocket protocol." },
  1003: { name: "unsupported", reconnect: false, resume: true, meaning: "The frame type is not allowed by the negotiated subprotocol." },
  1007: { name: "not_utf8", reconnect: false, resume: true, meaning: "A text frame was not valid UTF-8." },
  1009: { name: "too_large", reconnect: true, resume: true, meaning: "A message exceeded the server's size limit." },
  1011: { name: "internal", reconnect: true, resume: true, meaning: "Internal server error." },
  4001: { name: "not_identified", reconnect: true, resume: false, meaning: "The client did not identify itself in time, or before others of its address needed its place." },
  4002: { name: "replaced", reconnect: false, resume: false, meaning: "Another connection took this session over." },
  4003: { name: "too_slow", reconnect: true, resume: true, meaning: "The client did not read fast enough." },
  4004: { name: "session_expired", reconnect: true, resume: false, meaning: "The session has expired; a new one is started." },
  4005: { name: "kicked", reconnect: false, resume: false, meaning: "The server removed the client; do not reconnect automatically." },
  4006: { name: "too_many_errors", reconnect: false, resume: true, meaning: "The server refused too many of the client's messages." },
  4007: { name: "rate_limited", reconnect: true, resume: true, meaning: "The client sent far more commands than allowed." },
  4008: { name: "heartbeat_missed", reconnect: true, resume: true, meaning: "Nothing was received from the other side within the heartbeat." },
  4009: { name: "unauthorized", reconnect: false, resume: false, meaning: "The credentials were refused or withdrawn; do not connect again with the same ones." },
};

/**
 * The values of a TurntableError's `code`. The client uses the server's codes
 * for its own errors as well.
 * @type {Readonly<Record<string, {meaning: string}>>}
 */
export const ERROR_CODES = {
  bad_json: { meaning: "The message is not valid JSON." },
  bad_message: { meaning: "The message or its data has the wrong structure." },
  unknown_command: { meaning: "The command does not exist." },
  not_identified: { meaning: "The command requires identification." },
  unauthorized: { meaning: "The credentials were not accepted." },
  forbidden: { meaning: "The user does not have permission." },
  invalid_id: { meaning: "A user or channel id is malformed." },
  invalid_action: { meaning: "An action violates the game's rules; details.index is its index." },
  not_member: { meaning: "The command requires membership in the room or channel." },
  not_found: { meaning: "The object does not exist." },
  room_full: { meaning: "The room has reached its member limit." },
  too_large: { meaning: "The message exceeds the server's size limit." },
  too_many: { meaning: "A limit of the server, or of the client's queue, was reached." },
  rate_limited: { meaning: "Too many commands in too short a time." },
  timeout: { meaning: "No answer arrived in time." },
  service_down: { meaning: "The service is not running." },
  session_expired: { meaning: "The session no longer exists." },
  unavailable: { meaning: "Temporarily impossible: the connection is lost or the server is shutting down." },
  conflict: { meaning: "Something exists already, or other commands have to come first." },
  refused: { meaning: "A service, a schema or a validator said no, or a password is not accepted; the message says why." },
  internal: { meaning: "Internal server error." },
};
