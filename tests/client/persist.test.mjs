// `persist`: the session outlives a reload of its page, and two tabs never share it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { environment } from "../../static/turntable/environment.js";
import { fake } from "./fake_server.mjs";
import { WebSocket } from "./harness.mjs";

/** The parts of the Web Locks API that the library uses. */
function locks() {
  const locked = new Map();
  return {
    request: async (name, ...rest) => {
      const [options, use] = rest.length === 2 ? rest : [{}, rest[0]];
      if (options.ifAvailable && locked.has(name)) return use(null);
      while (locked.has(name)) await locked.get(name).catch(() => {});
      const run = (async () => use({ name }))();
      locked.set(name, run);
      try {
        return await run;
      } finally {
        locked.delete(name);
      }
    },
    free: () => locked.clear(),
  };
}

/** A browser tab: its storage, and the pages loaded in it. */
class Tab {
  constructor(t, server, { copy, locks } = {}) {
    this.t = t;
    this.server = server;
    this.locks = locks;
    this.items = new Map(copy);
    /** The first record of the session is written. */
    this.stored = new Promise((resolve) => {
      this.storeFirst = resolve;
    });
    this.storage = {
      getItem: (key) => this.items.get(key) ?? null,
      setItem: (key, value) => {
        this.items.set(key, value);
        this.storeFirst();
      },
      removeItem: (key) => this.items.delete(key),
    };
  }

  /** Loads a page. Its event listeners are those of the client. */
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
      persist: true,
      // Each page has an object of its own for the storage of its tab.
      storage: { ...this.storage },
      locks: this.locks,
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
      /** Unloads the page: `pagehide` fires, and the connection ends without a message. */
      leave: ({ pagehide = true } = {}) => {
        if (pagehide) listeners.get("pagehide")?.();
        state.dead = true;
        for (const session of this.server.sessions.values()) {
          if (session.secret !== tt.session) continue;
          session.connection?.cut?.();
          session.connection = null;
        }
      },
      /** The browser restores the page from its back/forward cache. */
      back: () => {
        state.dead = false;
        listeners.get("pageshow")?.({ persisted: true });
      },
    };
  }
}

const TRANSPORTS = [["websocket"], ["tunnel"], ["longpoll"], ["poll"], ["tunnel"], ["poll"], ["websocket"], ["longpoll"]];

test("each page resumes the session of the previous one by any transport, without a lost or repeated message", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  let number = 0;
  let secret;
  for (const [index, transports] of TRANSPORTS.entries()) {
    const { tt, how, leave } = tab.page({ transports });
    const seen = [];
    tt.on("message", ({ command, data }) => command === "attributes" && seen.push(data.number));
    await tt.ready;
    secret ??= tt.session;
    const session = server.sessions.get(secret);
    assert.deepEqual([how, tt.session, tt.transport], [index === 0 ? [] : ["resumed"], secret, transports[0]]);
    const expected = index === 0 ? [] : [number];
    for (let count = 0; count < 2; count += 1) {
      number += 1;
      expected.push(number);
      session.send("attributes", { number });
    }
    assert.deepEqual(await tt.request("lookup", [index]), { echo: [index] });
    assert.deepEqual(seen, expected, transports[0]);
    leave();
    // Sent while no page is loaded.
    number += 1;
    session.send("attributes", { number });
  }
});

test("the next page tries the working transport first", async (t) => {
  const server = await fake(t, { transports: ["tunnel"] });
  const tab = new Tab(t, server);
  const first = tab.page();
  await first.tt.ready;
  assert.equal(first.tt.transport, "tunnel");
  first.leave();
  const count = server.requests.length;
  const second = tab.page();
  await second.tt.ready;
  assert.equal(server.requests[count].path, "/tunnel");
  assert.deepEqual(second.how, ["resumed"]);
});

test("a session that expired between two pages causes a reset", async (t) => {
  for (const transports of [["websocket"], ["tunnel"], ["poll"]]) {
    const server = await fake(t);
    const tab = new Tab(t, server);
    const first = tab.page({ transports });
    await first.tt.ready;
    first.leave();
    server.sessions.clear();
    const second = tab.page({ transports });
    await second.tt.ready;
    assert.deepEqual(second.how, ["reset"]);
    assert.notEqual(second.tt.session, first.tt.session);
  }
});

test("close removes the stored session", async (t) => {
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

test("the next page has the user and the services of the last welcome", async (t) => {
  // Some transports resume by themselves, without a welcome.
  for (const transports of [["tunnel"], ["poll"], ["websocket"]]) {
    const server = await fake(t);
    const tab = new Tab(t, server);
    const first = tab.page({ transports });
    await first.tt.ready;
    const session = server.sessions.get(first.tt.session);
    const later = new Promise((resolve) => first.tt.on("message", ({ command }) => command === "welcome" && resolve()));
    session.user = "1:9";
    session.send("welcome", { user: "1:9", session: session.secret, resumed: false, time: 1, attributes: {}, services: { forum: { state: "enabled", functions: ["x"] } }, limits: {} });
    await later;
    first.leave();
    const second = tab.page({ transports });
    await second.tt.ready;
    assert.deepEqual([second.how, second.tt.user], [["resumed"], "1:9"], transports[0]);
    if (transports[0] !== "websocket") assert.deepEqual([...second.tt.services.keys()], ["forum"], transports[0]);
    second.tt.close();
  }
});

test("the next page has the attributes of the previous one", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  const first = tab.page();
  await first.tt.attributes.set({ username: "Mel" });
  first.leave();
  const second = tab.page();
  await second.tt.ready;
  assert.equal(second.tt.attributes.get("username"), "Mel");
});

for (const [name, make] of [["with Web Locks", locks], ["without Web Locks", () => undefined]]) {
  test(`a duplicated tab starts its own session ${name}`, async (t) => {
    const server = await fake(t);
    const shared = make();
    const tab = new Tab(t, server, { locks: shared });
    const first = tab.page();
    await first.tt.ready;
    await tab.stored;
    assert.equal(tab.items.size, 1);
    const copy = new Tab(t, server, { copy: tab.items, locks: shared }).page();
    await copy.tt.ready;
    // Had one taken the other's session over, that one would hear of it in front of its answer.
    await Promise.all([first, copy].map(({ tt }) => tt.request("lookup", [])));
    assert.notEqual(copy.tt.session, first.tt.session);
    assert.deepEqual([first.tt.state, first.how, copy.how], ["online", [], []]);
  });
}

test("the session of a crashed page is resumed, because its lock is free", async (t) => {
  const server = await fake(t);
  const shared = locks();
  const tab = new Tab(t, server, { locks: shared });
  const first = tab.page();
  await first.tt.ready;
  await tab.stored;
  first.leave({ pagehide: false });
  shared.free();
  const second = tab.page();
  await second.tt.ready;
  assert.deepEqual(second.how, ["resumed"]);
  assert.equal(second.tt.session, first.tt.session);
});

test("a client whose session is taken over starts a new one, once", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  const { tt, how } = tab.page();
  await tt.ready;
  const { session } = server;
  const reset = tt.once("reset");
  session.connection.replaced();
  await reset;
  await tt.request("lookup", []);
  assert.deepEqual([how, tt.state], [["reset"], "online"]);
  assert.equal(server.sessions.size, 2);
});

test("a client whose new session is replaced at once, too, is closed", async (t) => {
  const server = await fake(t);
  const { tt } = new Tab(t, server).page();
  await tt.ready;
  const reset = tt.once("reset");
  server.session.connection.replaced();
  await reset;
  const closed = new Promise((resolve) => tt.on("state", (change) => change.state === "closed" && resolve(change)));
  server.session.connection.replaced();
  assert.equal((await closed).code, 4002);
});

test("a client works without persistence if access to the storage is denied", async (t) => {
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

for (const transports of [["websocket"], ["tunnel"], ["longpoll"], ["poll"]]) {
  test(`${transports[0]}: a page from the back/forward cache resumes its session, if no later page has continued it`, async (t) => {
    const server = await fake(t);
    const tab = new Tab(t, server);
    const first = tab.page({ transports });
    await first.tt.ready;
    const secret = first.tt.session;
    first.leave();
    server.session.send("attributes", { number: 1 });
    first.back();
    // Requests of before may still be under way: then there is nothing to resume.
    assert.deepEqual(await first.tt.request("lookup", [1]), { echo: [1] });
    assert.deepEqual([first.tt.attributes.get("number"), first.tt.session], [1, secret]);
    if (["websocket", "tunnel"].includes(transports[0])) assert.deepEqual(first.how, ["resumed"]);
    assert.ok(JSON.parse([...tab.items.values()][0]).owner, "the record is that of a page in use");
  });

  test(`${transports[0]}: pages of one tab whose session a later one has continued go on with sessions of their own`, async (t) => {
    const server = await fake(t);
    const tab = new Tab(t, server);
    const first = tab.page({ transports });
    await first.tt.ready;
    const secret = first.tt.session;
    first.leave();
    const second = tab.page({ transports });
    await second.tt.ready;
    assert.deepEqual([second.how, second.tt.session], [["resumed"], secret]);
    const commands = server.sessions.get(secret).commands.length;
    second.leave();

    first.back();
    assert.deepEqual(await first.tt.request("lookup", [1]), { echo: [1] });
    assert.deepEqual(first.how, ["reset"]);
    assert.notEqual(first.tt.session, secret);
    assert.equal(server.sessions.get(secret).commands.filter(({ command }) => command !== "time").length, commands, "it sends nothing in the session of the later page");
    first.leave();

    // No page has continued the session of the second one since.
    second.back();
    assert.deepEqual(await second.tt.request("lookup", [2]), { echo: [2] });
    assert.equal(second.tt.session, secret);
    second.leave();

    // A reload of the tab goes on with the last one.
    const third = tab.page({ transports });
    await third.tt.ready;
    assert.deepEqual([third.how, third.tt.session], [["resumed"], secret]);
    third.leave();

    // A page that cannot connect has not destroyed the record of the later one.
    const record = () => JSON.parse([...tab.items.values()][0]);
    const { attempt } = record();
    server.away = true;
    second.back();
    second.leave();
    assert.deepEqual([record().session, record().attempt], [secret, attempt]);
  });
}

test("two clients of one page that store their sessions under one name are warned of", async (t) => {
  const server = await fake(t);
  const tab = new Tab(t, server);
  const texts = [];
  t.mock.method(console, "warn", (text) => texts.push(text));
  const warned = () => texts.splice(0);
  const page = (options) => tab.page({ storage: tab.storage, locks: null, ...options }).tt;
  const first = page();
  page({ user: "1:2" });
  page({ persist: "second" });
  assert.deepEqual(warned(), []);
  page();
  const [text, ...others] = warned();
  assert.match(text, /^turntable: persist: .*1:1.*persist: "name"$/);
  assert.deepEqual(others, []);
  // One that is closed stores nothing any more.
  const third = page({ persist: "third" });
  third.close();
  page({ persist: "third" });
  assert.deepEqual(warned(), []);
  await first.ready;
});
