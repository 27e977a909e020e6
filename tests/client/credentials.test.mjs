// Who the user is: credentials that are requested, refused, renewed and stored.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TurntableError, connect } from "../../static/turntable.js";
import { ManualEnvironment, client, online, reconnect, serve } from "./harness.mjs";

const refusal = (reason, message = "no") => ({ code: "unauthorized", message, command: "idme", details: { reason } });

/** A client without a welcome yet, which gives the results of `list` as credentials, one after another. */
async function asking(t, list, options = {}) {
  const server = await serve(t);
  const env = new ManualEnvironment();
  let calls = 0;
  const credentials = async () => {
    calls += 1;
    const one = list[Math.min(calls, list.length) - 1];
    if (one instanceof Error) throw one;
    return one;
  };
  const tt = client(t, server, { environment: env, credentials, ...options });
  const states = [];
  tt.on("state", (change) => states.push(change));
  tt.on("error", () => {});
  const peer = await server.accept();
  peer.send("idyou", {});
  return { tt, env, server, peer, states, calls: () => calls };
}

test("a refusal is the end, and the state says why", async (t) => {
  for (const reason of ["invalid", "revoked", "banned"]) {
    const { tt, peer, states, env } = await asking(t, [{ token: "a" }]);
    await peer.next("idme");
    peer.send("error", refusal(reason));
    await assert.rejects(tt.ready, (error) => error.code === "unauthorized" && error.details.reason === reason);
    await peer.closed;
    assert.deepEqual(states, [{ state: "closed", previous: "connecting", reason: "unauthorized", code: 4009, message: "no", details: { reason } }]);
    assert.deepEqual(env.timers, []);
  }
});

test("a session that is ended from outside does not come back, and the state says why", async (t) => {
  const cases = [
    [4009, { code: "unauthorized", message: "the entry was removed", details: { reason: "revoked" } }, "unauthorized"],
    [4005, { code: "forbidden", message: "be polite", details: { reason: "kicked" } }, "kicked"],
    [4005, undefined, "kicked"],
  ];
  for (const [code, error, reason] of cases) {
    const { tt, peer, env } = await online(t);
    tt.on("error", () => {});
    const closed = tt.once("state");
    if (error) peer.send("error", error);
    peer.close(code);
    const change = await closed;
    assert.deepEqual([change.state, change.reason, change.code, change.details], ["closed", reason, code, error?.details]);
    assert.deepEqual(env.timers, []);
  }
});

test("an error of before says nothing about a later loss", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  tt.on("error", () => {});
  peer.send("error", { code: "forbidden", message: "not this channel", details: { reason: "x" } });
  await peer.settle(tt);
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  await next.settle(tt);
  const closed = tt.once("state");
  next.close(4005);
  assert.equal((await closed).details, undefined);
});

test("expired credentials are requested once more, on the same connection", async (t) => {
  const { tt, peer, calls } = await asking(t, [{ token: "old" }, { token: "new" }]);
  assert.deepEqual((await peer.next("idme")).data.credentials, { token: "old" });
  peer.send("error", refusal("expired"));
  assert.deepEqual((await peer.next("idme")).data.credentials, { token: "new" });
  peer.welcome();
  await tt.ready;
  assert.equal(calls(), 2);
});

test("credentials that have expired twice are the end", async (t) => {
  const { tt, peer, states, calls } = await asking(t, [{ token: "old" }]);
  for (let times = 0; times < 2; times += 1) {
    await peer.next("idme");
    peer.send("error", refusal("expired"));
  }
  await assert.rejects(tt.ready, { code: "unauthorized" });
  assert.deepEqual(states.at(-1).details, { reason: "expired" });
  assert.equal(calls(), 2);
});

test("a server that closes because credentials have expired is asked once more", async (t) => {
  const { tt, peer, env, server, states } = await asking(t, [{ token: "old" }, { token: "new" }]);
  await peer.next("idme");
  const offline = tt.once("state");
  peer.send("error", refusal("expired"));
  peer.close(4009);
  const { state, retry_ms } = await offline;
  assert.equal(state, "offline");
  env.advance(retry_ms);
  assert.deepEqual((await (await server.accept()).admit()).data.credentials, { token: "new" });
  await tt.ready;
  assert.equal(states.some((change) => change.state === "closed"), false);
});

test("a credentials function that fails, and other errors, are repeated with a delay", async (t) => {
  const { tt, env, server, peer } = await asking(t, [new Error("login is down"), { token: "a" }]);
  const errors = [];
  tt.on("error", ({ code }) => errors.push(code));
  const { retry_ms } = await tt.once("state");
  await peer.closed;
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("idme");
  const offline = tt.once("state");
  next.send("error", { code: "unavailable", message: "the checker has failed" });
  env.advance((await offline).retry_ms);
  assert.deepEqual((await (await server.accept()).admit()).data.credentials, { token: "a" });
  await tt.ready;
  assert.deepEqual(errors, ["unavailable", "unavailable"]);
});

const QUIET_MS = 10_000_000;

/** A client whose credentials are good for a minute. */
async function expiring(t, list) {
  // Without clock exchanges, which the peer would have to answer.
  const session = await asking(t, list, { clock_interval_ms: QUIET_MS });
  await session.peer.next("idme");
  session.peer.welcome({ expires_in: 60, heartbeat_ms: QUIET_MS });
  await session.tt.ready;
  const renewed = async () => {
    const { data, id } = await session.peer.next("authenticate");
    return { credentials: data.credentials, refuse: (error) => session.peer.send("error", error, id), id };
  };
  return { ...session, renewed };
}

test("credentials are renewed before they expire, without another connection", async (t) => {
  const { tt, env, peer, states, renewed } = await expiring(t, [{ token: 1 }, { token: 2 }, { token: 3 }]);
  env.advance(47_900);
  await peer.settle(tt);
  assert.equal(peer.unread.length, 0);
  env.advance(200);
  for (const token of [2, 3]) {
    const { credentials, id } = await renewed();
    assert.deepEqual(credentials, { token });
    peer.send("welcome", { user: "1:1", session: "secret-1", resumed: false, expires_in: 60, attributes: {}, services: {} }, id);
    await peer.settle(tt);
    env.advance(48_100);
  }
  assert.deepEqual(states.map(({ state }) => state), ["online"]);
});

test("after a sleep credentials are renewed at once, although the local clock stood still", async (t) => {
  const { tt, env, renewed } = await expiring(t, [{ token: 1 }, { token: 2 }]);
  env.slept = 50_000;
  tt.retryNow();
  assert.deepEqual((await renewed()).credentials, { token: 2 });
});

test("a renewal that fails for a moment is repeated, and one that is refused is not", async (t) => {
  const { tt, env, peer, renewed, calls } = await expiring(t, [{ token: 1 }, { token: 2 }]);
  const errors = [];
  tt.on("error", ({ code, command }) => errors.push(`${code} ${command}`));
  env.advance(48_100);
  (await renewed()).refuse({ code: "unavailable", message: "later" });
  await peer.settle(tt);
  env.advance(4000);
  // Expired: requested once more.
  (await renewed()).refuse(refusal("expired"));
  (await renewed()).refuse({ ...refusal("invalid"), command: "authenticate" });
  await peer.settle(tt);
  assert.equal(calls(), 4);
  env.advance(8000);
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
  assert.deepEqual(errors, ["unauthorized authenticate"]);
  assert.equal(tt.state, "online");
});

test("a session that ends with its credentials is followed by one with others", async (t) => {
  const session = await expiring(t, [{ token: 1 }, { token: 2 }]);
  const reset = session.tt.once("reset");
  const next = await reconnect(session, 4004);
  assert.deepEqual((await next.admit({ session: "secret-2" })).data.credentials, { token: 2 });
  await reset;
});

test("credentials that cannot change are not renewed", async (t) => {
  const { env, peer, tt } = await online(t, { credentials: { token: "a" }, clock_interval_ms: QUIET_MS }, { expires_in: 60, heartbeat_ms: QUIET_MS });
  env.advance(59_000);
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("an anonymous session that gained an identity keeps it in the next session", async (t) => {
  const session = await online(t, { user: undefined });
  const { tt, peer } = session;
  const done = tt.authenticate({ password: "p" });
  const { id } = await peer.next("authenticate");
  peer.send("welcome", { user: "1:7", session: "secret-1", resumed: false, attributes: {}, services: {} }, id);
  await done;
  assert.equal(tt.user, "1:7");
  const next = await reconnect(session, 4004);
  assert.deepEqual((await next.admit()).data, { user: "1:7", credentials: { password: "p" } });
});

test("after a change of the password the next session has the new one, after a refused change the one of before", async (t) => {
  const session = await online(t, { user: "1:7", credentials: { password: "old" } });
  const { tt, peer } = session;
  const refused = assert.rejects(tt.authenticate({ password: "wrong", new_password: "new" }), { code: "unauthorized" });
  peer.send("error", { code: "unauthorized", message: "no" }, (await peer.next("authenticate")).id);
  await refused;
  const second = await reconnect(session, 4004);
  assert.deepEqual((await second.admit({ session: "secret-2" })).data.credentials, { password: "old" });
  const done = tt.authenticate({ password: "old", new_password: "new" });
  const { data, id } = await second.next("authenticate");
  assert.deepEqual(data, { credentials: { password: "old", new_password: "new" } });
  second.send("welcome", { user: "1:7", session: "secret-2", resumed: false, attributes: {}, services: {} }, id);
  await done;
  const third = await reconnect({ ...session, peer: second }, 4004);
  assert.deepEqual((await third.admit()).data, { user: "1:7", credentials: { password: "new" } });
});

/** A storage of the platform, in memory. */
function storage() {
  const map = new Map();
  return { getItem: (key) => map.get(key) ?? null, setItem: (key, value) => void map.set(key, value), removeItem: (key) => void map.delete(key), map };
}

/** A page with a guest; resolves with its claim when the server has welcomed it. */
async function guest(t, server, options, user, token) {
  const env = new ManualEnvironment();
  const tt = client(t, server, { user: undefined, guest: true, environment: env, ...options });
  const before = tt.user;
  const peer = await server.accept();
  const { data } = await peer.admit({ user, token });
  await tt.ready;
  return { tt, peer, env, server, claim: data, before };
}

test("a guest comes back as itself: in a later session, and in a later page", async (t) => {
  const server = await serve(t);
  const guest_storage = storage();
  const first = await guest(t, server, { guest_storage }, "guest:a", "token-1");
  assert.deepEqual(first.claim, { credentials: { guest: true } });
  assert.equal(first.tt.user, "guest:a");
  const reset = first.tt.once("reset");
  const next = await reconnect(first, 4004);
  assert.deepEqual((await next.admit({ user: "guest:a", token: "token-2" })).data, { credentials: { token: "token-1" } });
  await reset;
  first.tt.close();
  const second = await guest(t, server, { guest_storage }, "guest:a", "token-3");
  assert.deepEqual(second.claim, { credentials: { token: "token-2" } });
  assert.deepEqual([first.before, second.before], [undefined, "guest:a"]);
  // Another name is another guest, and so is one whose token is not stored.
  assert.deepEqual((await guest(t, server, { guest_storage, guest: "second" }, "guest:b", "t")).claim, { credentials: { guest: true } });
  assert.deepEqual((await guest(t, server, { guest_storage: null }, "guest:c", "t")).claim, { credentials: { guest: true } });
  assert.equal(guest_storage.map.size, 2);
});

test("a guest whose token is not accepted any more is a new guest, and one that is banned is none", async (t) => {
  for (const [reason, again] of [["invalid", true], ["expired", true], ["revoked", false]]) {
    const server = await serve(t);
    const guest_storage = storage();
    (await guest(t, server, { guest_storage }, "guest:a", "token-1")).tt.close();
    const tt = client(t, server, { user: undefined, guest: true, guest_storage });
    tt.on("error", () => {});
    const peer = await server.accept();
    peer.send("idyou", {});
    await peer.next("idme");
    peer.send("error", refusal(reason));
    if (!again) {
      await assert.rejects(tt.ready, (error) => error instanceof TurntableError && error.details.reason === reason);
      continue;
    }
    assert.deepEqual((await peer.next("idme")).data, { credentials: { guest: true } });
    peer.welcome({ user: "guest:b", token: "token-2" });
    await tt.ready;
    assert.match([...guest_storage.map.values()][0], /token-2/);
  }
});

test("a storage that denies access does not keep a guest out", async (t) => {
  const server = await serve(t);
  const denied = () => {
    throw new Error("denied");
  };
  const { tt } = await guest(t, server, { guest_storage: { getItem: denied, setItem: denied, removeItem: denied } }, "guest:a", "token-1");
  assert.equal(tt.user, "guest:a");
});

test("a guest has neither a user nor credentials of the program", () => {
  for (const options of [{ user: "1:1" }, { credentials: {} }]) {
    assert.throws(() => connect("ws://127.0.0.1:1", { guest: true, ...options }), TypeError);
  }
});

test("a user that was made is not made again by the next session", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const next = async (close) => {
    const peer = await close;
    peer.send("idyou", {});
    const resume = await peer.next("resume");
    peer.send("error", { code: "session_expired", message: "over", command: "resume" }, resume.id);
    const { data } = await peer.next("idme");
    return [peer, data.credentials];
  };
  const made = tt.authenticate({ password: "p", sign_up: true }, "1:jo");
  const { data, id } = await peer.next("authenticate");
  assert.equal(data.credentials.sign_up, true);
  peer.send("welcome", { user: "1:jo", session: "s", resume_ms: 60_000, heartbeat_ms: 10_000 }, id);
  await made;
  const [, credentials] = await next(reconnect(session));
  assert.deepEqual(credentials, { password: "p" });
});

test("a user that was made when the session began is not made again", async (t) => {
  const session = await online(t, { credentials: { password: "p", sign_up: true }, user: "1:jo" });
  const peer = await reconnect(session);
  peer.send("idyou", {});
  await peer.next("resume");
  peer.send("error", { code: "session_expired", message: "over", command: "resume" });
  const { data } = await peer.next("idme");
  assert.deepEqual(data.credentials, { password: "p" });
});
