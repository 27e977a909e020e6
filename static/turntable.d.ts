/**
 * turntable's browser client: friends' presence, game rooms, channels, calls,
 * attributes and the server's clock over one WebSocket, with reconnection and
 * resume. Plain ES modules: no build step, no dependency, no eval.
 *
 *     import { connect } from "./turntable.js";
 *     const tt = connect(undefined, { user: "1:12345" });
 *     const room = await tt.join("CStrike");
 *     room.on("action", ({ from, data, timestamp }) => { ... });
 *     room.act({ move: [3, 4] });
 *
 * @module
 */
export { connect, Client } from "./turntable/client.js";
export { CLOSE_CODES, ERROR_CODES } from "./turntable/codes.js";
export { TurntableError } from "./turntable/error.js";
