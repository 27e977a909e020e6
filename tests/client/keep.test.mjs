// `keep`: the session outlives a reload of its page, and two tabs do not fight.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { environment } from "../../static/turntable/environment.js";
import { fake } from "./fake_server.mjs";
import { WebSocket } from "./harness.mjs";

/** Web Locks, as far as they are needed. */
function locks() {
  const held = new Map();
  return {
    request: async (name, ...rest) => {
      const [options, use] = rest.length === 2 ? rest : [{}, rest[0]];
      if (options.ifAvailable && held.has(name)) return use(null);
      while (held.has(name)) await held.get(name).catch(() => {});
      const run = (async () => use({ name }))();
      held.set(name, run);
      try {
        return await run;
      } finally {
        held.delete(name);
      }
    },
    free: () => held.clear(),
  };
}

/** A tab: its storage, and the pages that come and go in it. */
class Tab {
  constructor(t, server, { copy, locks } = {}) {
    this.t = t;
    this.server = server;
    this.locks = locks;
    this.items = new Map(copy);
    this.storage = {
      getItem: (key) => this.items.get(key) ?? null,
      setItem: (key, value) => this.items.set(key, value),
      removeItem: (key) => this.items.delete(key),
    };
  }

  /** Opens the page; the listeners that a page has are the client's own. */
  page(options = {}) {
    const listeners = new Map();
    globalThis.addEventListener = (event, fn) => listeners.set(event, fn);
    globalThis.removeEventListener ??= () => {};
    const state = { dead: false };
    const alive = environment();
    const tt = connect(this.server.url, {
      user: "1:1",
      WebSocket,
      EventSource: null,
      fetch: (...request) => (state.dead ? new Promise(() => {}) : fetch(...request)),
      reconnect: { min_ms: 1, max_ms: 5 },
      keep: true,
      memory: { storage: this.storage, locks: this.locks },
      environment: {
        setTimeout: (fn, ms) => {
          const timer = setTimeout(() => state.dead || fn(), ms);
          timer.unref();
          return timer;
        },
        clearTimeout: alive.clearTimeout,
      },
      ...options,
    });
    delete globalThis.addEventListener;

    tt.on("error", () => {});
    this.t.after(() => tt.close());
    const how = [];
    for (const event of ["resumed", "reset"]) tt.on(event, () => how.push(event));
    return {
      tt,
      how,
      /** The page goes as a page does: told, and then without a word to the server. */
      leave: ({ told = true } = {}) => {
        if (told) listeners.get("pagehide")?.();
        state.dead = true;
        for (const session of this.server.sessions.values()) {
          if (session.secret !== tt.session) continue;
          session.line?.cut?.();
          session.line = null;
        }
      },
    };
  }
}

const DOORS = [["websocket"], ["tunnel"], ["longpoll"], ["poll"], ["tunnel"], ["poll"], ["websocket"], ["longpoll"]];

test("each page goes on with the session of the one before, by whatever door: nothing twice, nothing missed", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  let number = 0;
  let secret;
  for (const [index, doors] of DOORS.entries()) {
    const { tt, how, leave } = tab.page({ doors });
    const seen = [];
    tt.on("message", ({ command, data }) => command === "attributes" && seen.push(data.number));
    await tt.ready;
    secret ??= tt.session;
    const session = server.sessions.get(secret);
    assert.deepEqual([how, tt.session, tt.door], [index === 0 ? [] : ["resumed"], secret, doors[0]]);
    const expected = index === 0 ? [] : [number];
    for (let count = 0; count < 2; count += 1) {
      number += 1;
      expected.push(number);
      session.send("attributes", { number });
    }
    assert.deepEqual(await tt.request("lookup", [index]), { echo: [index] });
    assert.deepEqual(seen, expected, doors[0]);
    leave();
    // Said while nobody is there.
    number += 1;
    session.send("attributes", { number });
  }
});

test("the door that worked is tried first by the next page", async (t) => {
  const server = await fake(t, { doors: ["tunnel"] });
  const tab = new Tab(t, server);
  const first = tab.page();
  await first.tt.ready;
  assert.equal(first.tt.door, "tunnel");
  first.leave();
  const count = server.requests.length;
  const second = tab.page();
  await second.tt.ready;
  assert.equal(server.requests[count].path, "/tunnel");
  assert.deepEqual(second.how, ["resumed"]);
});

test("a session that is gone meanwhile is a reset", async (t) => {
  for (const doors of [["websocket"], ["tunnel"], ["poll"]]) {
    const server = await fake(t);
    const tab = new Tab(t, server);
    const first = tab.page({ doors });
    await first.tt.ready;
    first.leave();
    server.sessions.clear();
    const second = tab.page({ doors });
    await second.tt.ready;
    assert.deepEqual(second.how, ["reset"]);
    assert.notEqual(second.tt.session, first.tt.session);
  }
});

test("close ends what is kept", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  const first = tab.page();
  await first.tt.ready;
  first.tt.close();
  assert.equal(tab.items.size, 0);
  const second = tab.page();
  await second.tt.ready;
  assert.deepEqual(second.how, []);
});

test("what the library knew of the user's attributes is known to the next page", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  const first = tab.page();
  await first.tt.attributes.set({ username: "Mel" });
  first.leave();
  const second = tab.page();
  await second.tt.ready;
  assert.equal(second.tt.attributes.get("username"), "Mel");
});

for (const [name, make] of [["with Web Locks", locks], ["without", () => undefined]]) {
  test(`a duplicated tab begins a session of its own, ${name}`, async (t) => {
    const server = await fake(t);
    const shared = make();
    const tab = new Tab(t, server, { locks: shared });
    const first = tab.page();
    await first.tt.ready;
    await sleep(250); // written while it lives
    assert.equal(tab.items.size, 1);
    const copy = new Tab(t, server, { copy: tab.items, locks: shared }).page();
    await copy.tt.ready;
    await sleep(20);
    assert.notEqual(copy.tt.session, first.tt.session);
    assert.deepEqual([first.tt.state, first.how, copy.how], ["online", [], []]);
  });
}

test("a page that crashed is told from one that lives by its lock", async (t) => {
  const server = await fake(t);
  const shared = locks();
  const tab = new Tab(t, server, { locks: shared });
  const first = tab.page();
  await first.tt.ready;
  await sleep(250);
  first.leave({ told: false });
  shared.free();
  const second = tab.page();
  await second.tt.ready;
  assert.deepEqual(second.how, ["resumed"]);
  assert.equal(second.tt.session, first.tt.session);
});

test("whose session is taken over begins a new one, and there is no fight", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  const { tt, how } = tab.page();
  await tt.ready;
  const { session } = server;
  const reset = tt.once("reset");
  session.line.replaced();
  await reset;
  await sleep(30);
  assert.deepEqual([how, tt.state], [["reset"], "online"]);
  assert.equal(server.sessions.size, 2);
});

test("a storage that is forbidden keeps nothing and harms nothing", async (t) => {
  const server = await fake(t);
  const forbidden = () => {
    throw new Error("forbidden");
  };
  const tab = new Tab(t, server);
  tab.storage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden };
  const { tt, leave } = tab.page();
  await tt.ready;
  leave();
});
