// Sessions over polls: how they are taken over, and what a close leaves open.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { fake } from "./fake_server.mjs";
import { WebSocket } from "./harness.mjs";

function client(t, server, options = {}) {
  const tt = connect(server.url, { user: "1:1", WebSocket, reconnect: { min_ms: 1, max_ms: 5 }, ...options });
  t.after(() => tt.close());
  return tt;
}

/** The actions that the server carried out. */
const acted = (session) => session.commands.filter(({ command }) => command === "game").map(({ data }) => data.actions[0].data);

/** An answer to a poll. */
const answer = (entries, status = 200) => new Response(JSON.stringify(entries), { status, headers: { "Content-Type": "application/json" } });

/**
 * A member of a room over a WebSocket, which is lost: the poll takes the session over. The server has taken "first"
 * without saying so, and a message waits.
 * @param {(count: number) => Response | undefined} takeover the answer to a request that takes the session over
 */
async function taken(t, takeover) {
  const server = await fake(t, { transports: ["websocket", "poll"] });
  const takeovers = [];
  const answering = async (url, init) => {
    const { searchParams } = new URL(url);
    if (!searchParams.has("received")) return fetch(url, init);
    takeovers.push(searchParams.get("batch"));
    return takeover(takeovers.length) ?? fetch(url, init);
  };
  const tt = client(t, server, { transports: ["websocket", "poll"], fetch: answering });
  const errors = [];
  tt.on("error", ({ code }) => errors.push(code));
  const states = [];
  tt.on("state", (change) => states.push(change));
  for (const event of ["resumed", "reset"]) tt.on(event, () => states.push({ state: event }));
  const room = await tt.join("C");
  await tt.clock.sync();
  const { session } = server;
  const heard = [];
  tt.on("message", ({ command, data }) => command === "attributes" && heard.push(data.n));
  room.act("first");
  for (let tries = 0; acted(session).length < 1 && tries < 1000; tries += 1) await sleep(1);
  server.transports.delete("websocket");
  session.socket.terminate();
  session.connection = null;
  session.send("attributes", { n: 1 });
  return { server, session, tt, room, heard, takeovers, states, errors };
}

for (const status of [200, 429]) {
  test(`a takeover that is refused for its rate (status ${status}) is repeated, and nothing is doubled or lost`, async (t) => {
    const error = { code: "rate_limited", message: "too many", command: "resume", details: { retry_ms: 20 } };
    const refused = () => (status === 200 ? answer([{ f: "$av:error", args: error }]) : answer({ error }, status));
    const { session, tt, room, heard, takeovers } = await taken(t, (count) => (count <= 2 ? refused() : undefined));
    await tt.once("resumed");
    room.act("second");
    await tt.request("lookup", []);
    assert.deepEqual([acted(session), heard], [["first", "second"], [1]]);
    assert.deepEqual([takeovers.length, new Set(takeovers).size], [3, 1]);
    assert.equal(tt.transport, "poll");
  });
}

test("a batch that did not get its session is repeated", async (t) => {
  const server = await fake(t, { transports: ["poll"] });
  let refused = 0;
  const refusing = async (url, init) => {
    if (!String(init.body).includes("$av:game") || refused >= 2) return fetch(url, init);
    refused += 1;
    return answer([{ f: "$av:error", args: { code: "rate_limited", message: "too many", command: "resume", details: { retry_ms: 5 } } }]);
  };
  const tt = client(t, server, { transports: ["poll"], fetch: refusing });
  const room = await tt.join("C");
  room.act("once");
  await tt.request("lookup", []);
  assert.deepEqual([refused, acted(server.session)], [2, ["once"]]);
});

test("an answer to a takeover that has no welcome takes nothing over", async (t) => {
  const { session, tt, room, heard, states } = await taken(t, (count) => (count === 1 ? answer([]) : undefined));
  await tt.once("resumed");
  room.act("second");
  await tt.request("lookup", []);
  assert.deepEqual([acted(session), heard], [["first", "second"], [1]]);
  const names = states.map(({ state }) => state);
  assert.deepEqual(names.slice(-4), ["offline", "connecting", "online", "resumed"]);
  assert.equal(names.filter((name) => name === "resumed").length, 1);
});

test("a session that is over when it is taken over does not go on, and the state says why", async (t) => {
  const error = { code: "forbidden", message: "be polite", details: { reason: "kicked" } };
  const over = () => answer([{ f: "$av:error", args: error }, { f: "$av:close", args: { code: 4005, reason: "kicked" } }]);
  const { tt, states, errors } = await taken(t, over);
  while (tt.state !== "closed") await tt.once("state");
  const { reason, code, details } = states.at(-1);
  assert.deepEqual([reason, code, details], ["kicked", 4005, { reason: "kicked" }]);
  assert.deepEqual([states.some(({ state }) => state === "resumed"), errors], [false, ["forbidden"]]);
});

test("a session that cannot be taken over is followed by a new one", async (t) => {
  const error = { code: "session_expired", message: "gone", command: "resume" };
  const { tt, session } = await taken(t, () => answer([{ f: "$av:error", args: error }]));
  await tt.once("reset");
  assert.notEqual(tt.session, session.secret);
});

for (const taken_max of [0, 2, 4]) {
  test(`a close behind ${taken_max} of four commands of a request: each is carried out once, in order`, async (t) => {
    const server = await fake(t, { transports: ["poll"] });
    const tt = client(t, server, { transports: ["poll"] });
    const room = await tt.join("C");
    await tt.request("lookup", []);
    const { session } = server;
    server.taken_max = taken_max;
    session.closing = 1001;
    for (const name of ["a", "b", "c"]) room.act(name);
    assert.deepEqual(await tt.request("lookup", ["d"]), { echo: ["d"] });
    room.act("e");
    await tt.request("lookup", []);
    assert.deepEqual(acted(session), ["a", "b", "c", "e"]);
    assert.equal(session.commands.filter(({ command, data }) => command === "lookup" && data[0] === "d").length, 1);
    assert.equal(tt.session, session.secret);
  });
}

test("a session whose welcome is lost is ended", async (t) => {
  const server = await fake(t, { transports: ["poll"] });
  let identifications = 0;
  // The first request and its repetition.
  server.lose = (_url, body) => body.includes("$av:idme") && (identifications += 1) <= 2;
  const ended = new Promise((resolve) => (server.ended = resolve));
  const tt = client(t, server, { transports: ["poll"] });
  await tt.ready;
  const over = await ended;
  assert.deepEqual([over.user, over.secret === tt.session], ["1:1", false]);
  assert.deepEqual([...server.sessions.values()].map(({ user }) => user), ["1:1"]);
});

test("a session whose welcome a gateway replaced by its own error is ended", async (t) => {
  const server = await fake(t, { transports: ["poll"] });
  const ended = new Promise((resolve) => (server.ended = resolve));
  let identifications = 0;
  // The server carries the request out, and its answer is not what the client gets.
  const through = async (url, options) => {
    const response = await fetch(url, options);
    const replaced = String(options?.body).includes("$av:idme") && (identifications += 1) === 1;
    return replaced ? new Response("<h1>Bad Gateway</h1>", { status: 502, headers: { "Content-Type": "text/html" } }) : response;
  };
  const tt = client(t, server, { transports: ["poll"], fetch: through });
  await tt.ready;
  const over = await ended;
  assert.deepEqual([over.user, over.secret === tt.session], ["1:1", false]);
});
