// A gateway in front of the server that answers with pages of its own: its word is not the server's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { Reachability } from "../../static/turntable/reachability.js";
import { SentLog } from "../../static/turntable/sent_log.js";
import { fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket, online } from "./harness.mjs";

const page = (status) => new Response("<html>maintenance</html>", { status, headers: { "Content-Type": "text/html" } });

/** `fetch` through a gateway that answers the requests for which `answers` is true. */
function gateway() {
  const front = { status: 404, seen: 0, answers: (_url, _options) => false };
  front.fetch = async (url, options) => {
    if (!front.answers(String(url), options)) return fetch(url, options);
    front.seen += 1;
    return page(front.status);
  };
  return front;
}

function client(t, server, transport, front, options = {}) {
  const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, fetch: front.fetch, transports: [transport], reconnect: { min_ms: 1, max_ms: 5 }, ...options });
  t.after(() => tt.close());
  return tt;
}

const published = (session) => session.commands.filter(({ command }) => command === "publish").map(({ data }) => data.data);

for (const transport of ["tunnel", "longpoll", "poll"]) {
  for (const status of [200, 400, 403, 404]) {
    test(`${transport}: commands that a gateway answers with a page and status ${status} are repeated, once and in order`, async (t) => {
      const server = await fake(t, { transports: ["tunnel", "poll"] });
      const front = gateway();
      const tt = client(t, server, transport, front);
      await tt.ready;
      front.status = status;
      const closed_until = 2;
      front.answers = (_url, options) => options?.method === "POST" && options.body.includes("publish") && front.seen < closed_until;
      await Promise.all([1, 2, 3].map((data) => tt.request("publish", { channel: "chat", data })));
      await tt.request("publish", { channel: "chat", data: 4 });
      assert.equal(front.seen, closed_until);
      assert.deepEqual(published(server.session), [1, 2, 3, 4]);
    });
  }

  test(`${transport}: a command that a gateway never lets through is reported, and those behind it are sent`, { timeout: 30_000 }, async (t) => {
    const server = await fake(t, { transports: ["tunnel", "poll"] });
    const front = gateway();
    const tt = client(t, server, transport, front);
    await tt.ready;
    front.status = 403;
    front.answers = (_url, options) => options?.method === "POST" && options.body.includes("forbidden word");
    await assert.rejects(tt.request("publish", { channel: "chat", data: "forbidden word" }), { code: "unavailable", message: /status 403, which is not an answer of the server/ });
    await tt.request("publish", { channel: "chat", data: "other" });
    assert.deepEqual(published(server.session), ["other"]);
  });

  test(`${transport}: close is repeated until the server answers, not a gateway`, async (t) => {
    const server = await fake(t, { transports: ["tunnel", "poll"] });
    const front = gateway();
    const tt = client(t, server, transport, front);
    await tt.ready;
    front.answers = (_url, options) => options?.method === "POST" && front.seen < 2;
    tt.close();
    const ended = () => server.session.commands.some(({ command }) => command === "bye");
    for (const until = performance.now() + 5000; !ended() && performance.now() < until; ) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(ended());
  });
}

for (const status of [200, 302, 404]) {
  test(`a gateway's page with status ${status} does not mean that the server can be reached`, async () => {
    const env = new ManualEnvironment();
    const outcomes = [];
    let answer = () => page(status);
    const reachability = new Reachability(
      { environment: env, fetch: async () => answer(), max_ms: 1000 },
      { answered: (first) => outcomes.push(first ? "at once" : "later"), failed: () => outcomes.push("failed") },
    );
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    reachability.start("ws://server.test/ws");
    await settled();
    assert.deepEqual(outcomes, ["failed"]);
    // The server's refusals are its answers too.
    answer = () => Response.json({ error: { code: "not_found", message: "" } }, { status: 404 });
    env.advance(1000);
    await settled();
    assert.deepEqual(outcomes, ["failed", "later"]);
  });
}

test("a refused clock exchange does not change the numbers of commands", () => {
  const log = new SentLog();
  for (const id of [1, 2, 3]) log.add("publish", "", id, false);
  log.taken(3);
  // A clock exchange has no entry.
  log.discard([undefined]);
  assert.equal(log.add("publish", "", 4, false)?.number, 4);
});

test("an identification over the limit is reported, and not tried again", async (t) => {
  const { server, env, tt, peer } = await online(t);
  tt.close();
  const states = [];
  const large = connect(server.url, { user: "1:2", WebSocket, environment: env, transports: ["websocket"] });
  t.after(() => large.close());
  large.on("state", ({ state, reason }) => states.push(`${state} ${reason}`));
  const second = await server.accept();
  second.send("idyou", {});
  await second.next("idme");
  second.close(1009);
  await assert.rejects(large.ready, { code: "too_large", message: /identification exceeds/ });
  assert.equal(large.state, "closed");
  assert.deepEqual(states, ["closed too_large"]);
  void peer;
});
