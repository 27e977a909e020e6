/**
 * A page that is hidden: its timers run once a minute. The browser throttles only
 * after minutes, so the client runs here with such timers. A minute is 6 s, and the
 * server's periods and the client's intervals are a tenth too: 30 s stand for 5
 * minutes. The times after which the client gives up an answer are not: a tenth of
 * them is no longer than a pause of a busy machine, and so the server is stopped for
 * a second here. TURNTABLE_GOALS=full hides pages of Chromium for 5 minutes as well, with
 * the server's defaults.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { eventSource } from "../client/fake_server.mjs";
import { figure, full } from "../client/figure.mjs";
import { WebSocket } from "../client/harness.mjs";
import { Server, scene } from "./harness.mjs";

const MINUTE_MS = 6000;
const HIDDEN_MS = 5 * MINUTE_MS;
const PAUSE_MS = 1000;
/** The server's defaults, in tenths, but for the grace: it outlasts the pause. */
const SETTINGS = {
  TURNTABLE_SESSION__HEARTBEAT_MS: "2500",
  TURNTABLE_SESSION__RESUME_MS: "6000",
  TURNTABLE_TUNNEL__KEEPALIVE_MS: "1500",
  TURNTABLE_TUNNEL__LONGPOLL_MS: "2500",
  TURNTABLE_TUNNEL__GAP_MS: "500",
  TURNTABLE_POLL__GONE_MS: "3000",
  TURNTABLE_PRESENCE__GRACE_MS: "2500",
};

/** Timers that run once a minute while the page is hidden. */
function throttled() {
  const self = { hidden: false };
  return Object.assign(self, {
    environment: {
      clearTimeout: (timer) => clearTimeout(timer),
      setTimeout: (fn, ms) => {
        const at = performance.now() + ms;
        const due = self.hidden ? Math.ceil(at / MINUTE_MS) * MINUTE_MS : at;
        return setTimeout(fn, due - performance.now());
      },
    },
  });
}

/** The client's intervals in tenths. */
const INTERVALS = { clock_interval_ms: 1500, poll: { heartbeat_ms: 400 } };

const CONFIGURATIONS = {
  websocket: { transports: ["websocket"] },
  "tunnel by EventSource": { transports: ["tunnel"], EventSource: eventSource() },
  "tunnel by fetch": { transports: ["tunnel"], EventSource: null },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"] },
};

/** The server does nothing for a moment, as on a busy machine. */
function pause(server) {
  server.child.kill("SIGSTOP");
  setTimeout(() => server.child.kill("SIGCONT"), PAUSE_MS);
}

/** Returns what `count` callers await until all of them do; `then` is called first. */
function meeting(count, then) {
  let waiting = 0;
  let meet = () => {};
  const met = new Promise((resolve) => (meet = resolve));
  return () => {
    waiting += 1;
    if (waiting === count) meet(then());
    return met;
  };
}

test("a page hidden for 5 minutes keeps its session over every transport", { timeout: 90_000, concurrency: true }, async (t) => {
  const server = await new Server(SETTINGS).start();
  t.after(() => server.stop());
  const { url } = server;
  const friend = connect(url, { user: `1:${randomUUID()}`, WebSocket, transports: ["websocket"] });
  t.after(() => friend.close());
  await friend.ready;
  const everyone = meeting(Object.keys(CONFIGURATIONS).length, () => pause(server));
  const checks = Object.entries(CONFIGURATIONS).map(([name, options]) =>
    t.test(name, async (t) => {
      const page = throttled();
      const tt = connect(url, { user: `1:${randomUUID()}`, WebSocket, ...INTERVALS, ...options, environment: page.environment });
      t.after(() => tt.close());
      await tt.ready;
      const { session } = tt;
      const room = await tt.join(`hidden-${randomUUID()}`);
      const chat = await tt.channel(`hidden/${randomUUID()}`);
      const events = [];
      for (const event of ["reset", "resumed"]) tt.on(event, () => events.push(event));
      tt.on("state", ({ state, reason }) => events.push(reason ? `${state} (${reason})` : state));
      const heard = [];
      chat.on("message", ({ data }) => heard.push(data));
      const changes = [];
      friend.friends.on("change", ({ changes: now, snapshot }) => !snapshot && now[tt.user] && changes.push(now[tt.user]));
      await friend.friends.subscribe([tt.user]);
      const his = await friend.channel(chat.path);
      page.hidden = true;
      for (let n = 1; n <= 5; n += 1) {
        await sleep(HIDDEN_MS / 5);
        await his.publish(n);
      }
      page.hidden = false;
      await everyone();
      tt.retryNow();
      await tt.request("lookup", []);
      for (let tries = 0; tries < 500 && heard.length < 5; tries += 1) await sleep(10);
      assert.equal(tt.session, session);
      assert.ok(!events.includes("reset"), events.join(" "));
      assert.deepEqual(heard, [1, 2, 3, 4, 5]);
      assert.ok(room.active);
      if (options.transports[0] !== "poll") assert.deepEqual(changes, []);
      figure(t, `hidden 5 minutes, ${name}`, `the session stays, presence ${changes.join(" ") || "unchanged"}`, "the session stays");
    }),
  );
  await Promise.all(checks);
});

scene("a hidden page that polls stays online although its timers hardly run", async ({ open }) => {
  const mel = await open("/");
  const polls = await mel.page.evaluate(async () => {
    const { connect } = await import("/turntable.js");
    const tt = connect(undefined, { user: "1:700", transports: ["poll"], poll: { heartbeat_ms: 500 } });
    await tt.ready;
    Object.defineProperty(document, "visibilityState", { value: "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
    const sleep = window.setTimeout.bind(window);
    await new Promise((resolve) => sleep(resolve, 700));
    // From here on the page's timers are those of a page that was hidden for long.
    window.setTimeout = (fn, ms, ...rest) => sleep(fn, Math.ceil((ms + 1) / 60_000) * 60_000, ...rest);
    let polls = 0;
    tt.on("frame", ({ direction }) => (polls += direction === "out" ? 1 : 0));
    await new Promise((resolve) => sleep(resolve, 5000));
    return polls;
  });
  assert.ok(polls >= 6 && polls <= 11, `${polls}`);
});

/** A page's client, as it is from now on: hidden, with timers that run once a minute. */
async function hide() {
  Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
  const run = window.setTimeout.bind(window);
  window.setTimeout = (fn, ms, ...rest) => run(fn, Math.ceil((performance.now() + ms) / 60_000) * 60_000 - performance.now(), ...rest);
  window.show = () => {
    window.setTimeout = run;
    Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
}

async function hiddenPages({ server, open, t }) {
  const friend = connect(server.url, { user: "1:friend", WebSocket, transports: ["websocket"] });
  t.after(() => friend.close());
  const his = await friend.channel("hidden");
  const changes = {};
  friend.friends.on("change", ({ changes: now, snapshot }) => {
    if (!snapshot) for (const [user, state] of Object.entries(now)) (changes[user] ??= []).push(state);
  });
  const kinds = { "websocket v1": {}, "websocket v2": { encoding: "v2" }, tunnel: {}, longpoll: {}, poll: {} };
  const pages = await Promise.all(
    Object.entries(kinds).map(async ([name, options], index) => {
      // A document without a client of its own.
      const visitor = await open("/tunnel/send?d=[]");
      // Its icon.
      visitor.allow(/^console: Failed to load resource: .* 404/);
      const { page } = visitor;
      const user = `1:hidden-${index}`;
      const session = await page.evaluate(
        async (options) => {
          const { connect } = await import("/turntable.js");
          const tt = connect(undefined, options);
          window.tt = tt;
          window.seen = [];
          window.heard = [];
          tt.on("state", ({ state, reason }) => window.seen.push(`${state} ${reason ?? ""}`));
          for (const event of ["reset", "resumed"]) tt.on(event, () => window.seen.push(event));
          window.room = await tt.join(`hidden-${tt.user}`);
          (await tt.channel("hidden")).on("message", ({ data }) => window.heard.push(data));
          window.seen.length = 0;
          return tt.session;
        },
        { user, transports: [name.split(" ")[0]], ...options },
      );
      await friend.friends.subscribe([user]);
      await page.evaluate(hide);
      return { name, page, user, session };
    }),
  );
  for (let minute = 1; minute <= 5; minute += 1) {
    await sleep(60_000);
    await his.publish(minute);
  }
  for (const { name, page, user, session } of pages) {
    await page.evaluate(() => window.show());
    await page.waitForFunction(() => window.heard.length >= 5, undefined, { timeout: 20_000 });
    const found = await page.evaluate(() => ({ heard: window.heard, session: window.tt.session, state: window.tt.state, resets: window.seen.filter((event) => event === "reset") }));
    assert.deepEqual(found, { heard: [1, 2, 3, 4, 5], session, state: "online", resets: [] }, name);
    assert.equal(changes[user], undefined, `${name}: presence`);
    const seen = await page.evaluate(() => window.seen);
    figure(t, `hidden 5 minutes, Chromium, ${name}`, `the session stays, presence unchanged${seen.length > 0 ? `, ${seen.join(", ")}` : ""}`, "the session stays");
  }
}

if (full) scene("pages of Chromium that are hidden for 5 minutes keep their sessions over every transport", hiddenPages, { timeout_ms: 480_000 });
