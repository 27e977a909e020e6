/**
 * turntable's browser client: presence, game rooms, channels, remote calls,
 * attributes and the server's clock over one connection, with reconnection and
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
export { ClientAvatar } from "./turntable/avatar.js";
export { CLOSE_CODES, ERROR_CODES } from "./turntable/codes.js";
export { TurntableError } from "./turntable/error.js";

// Types for TypeScript programs.
/** @typedef {import("./turntable/room.js").Room} Room */
/** @typedef {import("./turntable/room.js").Action} Action */
/** @typedef {import("./turntable/room_state.js").Member} Member */
/** @typedef {import("./turntable/room.js").JoinOptions} JoinOptions */
/** @typedef {import("./turntable/avatar.js").AvatarObject} AvatarObject */
/** @typedef {import("./turntable/channel.js").Channel} Channel */
/** @typedef {import("./turntable/channel.js").ChannelMessage} ChannelMessage */
/** @typedef {import("./turntable/channel.js").ChannelOptions} ChannelOptions */
/** @typedef {import("./turntable/events.js").ConnectOptions} ConnectOptions */
/** @typedef {import("./turntable/events.js").Invite} Invite */
/** @typedef {import("./turntable/events.js").State} State */
/** @typedef {import("./turntable/events.js").StateChange} StateChange */
/** @typedef {import("./turntable/events.js").Welcome} Welcome */
/** @typedef {import("./turntable/friends.js").PresenceState} PresenceState */
