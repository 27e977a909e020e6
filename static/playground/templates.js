/**
 * One template for every command a client can send (docs/protocol.md, client
 * to server), filled in with what the page knows.
 */

/**
 * @typedef {{user: string, friend: string, session: string, received: number, now: number}} Known
 * @typedef {{number: number, command: string, about: string, id: boolean, data: any}} Template
 */

/**
 * @param {Known} known
 * @returns {Template[]}
 */
export function templates({ user, friend, session, received, now }) {
  const rows = [
    ["idme", "Say who you are; the answer is welcome.", false, user],
    ["resume", "Go on with a session on a new connection, instead of idme.", false, { session, received }],
    ["subscribe", "Watch users: their states now, then each change.", false, [friend]],
    ["unsubscribe", "Watch users no longer.", true, [friend]],
    ["status", "Your own state: online, idle, busy or invisible.", true, { state: "busy", note: "playing" }],
    ["joingame", "Join a room, or create it; invite others.", true, { channel: "CStrike", self: user, invite: [friend] }],
    ["leavegame", "Leave a room.", true, { channel: "CStrike" }],
    ["game", "Act in a room; all members get it, you too.", false,
      { channel: "CStrike", actions: [{ timestamp: now, from: user, data: { strike_one: friend } }] }],
    ["declineinvite", "Turn an invitation down.", false, { channel: "CStrike" }],
    ["joinchannel", "Get what is published on a path.", true, { channel: "chat/lobby", subpaths: false }],
    ["leavechannel", "Leave a channel.", true, { channel: "chat/lobby" }],
    ["publish", "Publish on a channel.", true, { channel: "chat/lobby", data: { text: "hello" } }],
    ["call", "Call a function of a service.", true, { f: "forum:createPost", args: { title: "hello" } }],
    ["reply", "Answer a call of the server; the id is the call's.", true, { done: true }],
    ["set", "Set live attributes; null removes one.", true, { username: "Pomke" }],
    ["provide", "Offer functions to the server.", true, { services: { chat: ["sendMessage"] } }],
    ["time", "Compare clocks.", false, { t0: now }],
    ["lookup", "Ask once for presence, last seen and devices.", true, [friend]],
    ["authenticate", "Give an anonymous session an identity.", true, { credentials: { token: "…" } }],
    ["bye", "End the session: offline at once.", false, {}],
  ];
  return rows.map(([command, about, id, data], index) => ({ number: index + 1, command, about, id, data }));
}
