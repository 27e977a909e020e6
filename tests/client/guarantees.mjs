// The tests that show each cell of the table of guarantees in docs/client.md. A test compares it with the
// table, and looks the tests up (docs.test.mjs).

/** @typedef {[file: string, title: string]} Shown a test: its file, and its name as it is written there */

/** @type {Shown} */
const CUTS = ["tests/client/cuts.mjs", "${name}: ${CUTS} random cuts; publish, game and call exactly once and in order, up and down"];
/** @type {Shown} */
const LATE = ["tests/client/late.live.mjs", "over ${from}, whose commands were repeated over ${to}, is not carried out again"];
/** @type {Shown} */
const ONCE = ["tests/client/transports.test.mjs", "${name}: channel messages have sender, offset and time, arrive once, and a loss is reported as a gap"];
/** @type {Shown} */
const CLOSES = ["tests/client/cuts.mjs", '${name}: ${CLOSES} closes${cutting ? " through a proxy that cuts" : ""} leave no session'];
/** @type {Shown} */
const GOODBYE = ["tests/client/repeat.test.mjs", "${transports[0]}: closing without a connection says goodbye by a request, repeated until it is answered"];
/** @type {Shown} */
const ONE_GOODBYE = ["tests/client/repeat.test.mjs", "${transports[0]}: close sends what is pending and bye in one request, once, although answers are lost"];
/** @type {Shown} */
const LOST_REQUESTS = ["tests/client/repeat.test.mjs", '${transport}: requests of which ${fault === "lose" ? "the request" : "the answer"} is lost are repeated in order'];
/** @type {Shown} */
const CLOSE_CODE = ["tests/client/transports.test.mjs", "${name}: the server's close code has the same effect as on a WebSocket"];
/** @type {Shown} */
const ARRIVAL = ["tests/client/guarantees.test.mjs", '${name}: events of others arrive ${transport === "poll" ? "within the heartbeat" : "at once"}'];
/** @type {Shown} */
const SILENCE = ["tests/client/outage.live.mjs", "${transport}: a silent connection is unsteady within 5 s and left within 10 s in a page that ${why}"];
/** @type {Shown} */
const CONNECTIONS = ["tests/client/guarantees.test.mjs", "${name}: as many connections are open as the guide says"];
/** @type {Shown} */
const HIDDEN = ["tests/browser/hidden.test.mjs", "a page hidden for 5 minutes keeps its session over every transport"];

/**
 * By row of the table: for each column the tests of its cell, none where the cell is empty.
 * @type {Record<string, [websocket: Shown[], tunnel: Shown[], longpoll: Shown[], poll: Shown[]]>}
 */
export const GUARANTEES = {
  "commands (`publish`, `act`, `call`, ...)": [[CUTS], [CUTS], [CUTS], [CUTS]],
  "by means of": [
    [["tests/client/outbox.test.mjs", "commands that the server had not confirmed are repeated, in order, after a resume"]],
    [LOST_REQUESTS],
    [LOST_REQUESTS],
    [["tests/client/transports.test.mjs", "poll: a call whose answer is lost is executed once and answered once"]],
  ],
  "a request that a proxy holds, and delivers after its repetition": [[], [LATE], [LATE], [LATE]],
  "received messages": [[CUTS, ONCE], [CUTS, ONCE], [CUTS, ONCE], [CUTS, ONCE]],
  "`close()`": [
    [CLOSES, ["tests/client/repeat.test.mjs", "a WebSocket that is cut at its close says goodbye by a request"]],
    [CLOSES, GOODBYE, ONE_GOODBYE],
    [CLOSES, GOODBYE, ONE_GOODBYE],
    [CLOSES, GOODBYE],
  ],
  "the server's close code": [
    [["tests/client/reconnect.test.mjs", "close code ${text} ${row.name}: "]],
    [CLOSE_CODE],
    [
      ["tests/client/guarantees.test.mjs", "longpoll: the close code at the end of a batch has the same effect as on a WebSocket"],
      ["tests/client/transports.test.mjs", "${name}: an expired session is followed by a new one"],
    ],
    [CLOSE_CODE],
  ],
  "events of others arrive": [[ARRIVAL], [ARRIVAL], [ARRIVAL], [ARRIVAL]],
  "a dead connection, in a visible page in a room": [
    [SILENCE],
    [SILENCE],
    [SILENCE],
    [SILENCE, ["tests/client/one_way.test.mjs", "poll: a page that sends nothing by itself is unsteady only while a request has no answer"]],
  ],
  "round trip that corrects timestamps ([time.md](time.md))": [
    [["tests/room/timestamp.rs", "timestamps_lie_back_no_more_than_half_the_measured_round_trip"]],
    [["tests/room/timestamp.rs", "tunnel_is_measured_by_the_kernel"]],
    [["tests/room/timestamp.rs", "long_poll_is_measured_by_the_kernel_while_a_request_is_open"]],
    [["tests/room/timestamp.rs", "poll_is_not_measured"]],
  ],
  "open connections": [[CONNECTIONS], [CONNECTIONS], [CONNECTIONS], [CONNECTIONS]],
  "a page hidden for minutes, its timers once a minute": [
    [HIDDEN],
    [HIDDEN],
    [HIDDEN],
    [HIDDEN, ["tests/browser/hidden.test.mjs", "a hidden page that polls stays online although its timers hardly run"]],
  ],
};
