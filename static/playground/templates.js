/**
 * One template per client command (docs/protocol.md, client to server), filled
 * with values of the page.
 */

/**
 * @typedef {{user: string, friend: string, session: string, received: number, now: number}} Context
 * @typedef {{number: number, command: string, about: string, id: boolean, data: any}} Template
 */

/**
 * @param {Context} context
 * @returns {Template[]}
 */
export function templates({ user, friend, session, received, now }) {
  const rows = [
    ["idme", "Identify the session; the answer is welcome.", false, user],
    ["resume", "Resume a session on a new connection, instead of idme.", false, { session, received }],
    ["subscribe", "Subscribe to users: their current states, then each change.", false, [friend]],
    ["unsubscribe", "Unsubscribe from users.", true, [friend]],
    ["status", "Set your status: online, idle, busy or invisible.", true, { state: "busy", note: "playing" }],
    ["joingame", "Join a room, which the first member creates; invite users.", true, { channel: "CStrike", self: user, invite: [friend] }],
    ["leavegame", "Leave a room.", true, { channel: "CStrike" }],
    ["game", "Send actions to all members of a room, yourself included.", false,
      { channel: "CStrike", actions: [{ timestamp: now, from: user, data: { strike_one: friend } }] }],
    ["declineinvite", "Decline an invitation.", false, { channel: "CStrike" }],
    ["joinchannel", "Receive messages published on a path.", true, { channel: "chat/lobby", subpaths: false }],
    ["leavechannel", "Leave a channel.", true, { channel: "chat/lobby" }],
    ["publish", "Publish on a channel.", true, { channel: "chat/lobby", data: { text: "hello" } }],
    ["call", "Call a function of a service.", true, { f: "forum:createPost", args: { title: "hello" } }],
    ["reply", "Answer a call of the server; the id is that of the call.", true, { done: true }],
    ["set", "Set live attributes; null removes an attribute.", true, { username: "Pomke" }],
    ["provide", "Provide functions that the server can call.", true, { services: { chat: ["sendMessage"] } }],
    ["time", "Exchange timestamps to estimate the server's clock.", false, { t0: now }],
    ["lookup", "Query presence, last seen and devices once.", true, [friend]],
    ["authenticate", "Identify an anonymous session.", true, { credentials: { token: "…" } }],
    ["bye", "End the session; you are offline immediately.", false, {}],
    ["block", "Block users, or unblock them; the answer is your list.", true, { add: [friend], remove: [] }, 27],
  ];
  return rows.map(([command, about, id, data, number], index) => ({ number: number ?? index + 1, command, about, id, data }));
}
