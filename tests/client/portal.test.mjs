// The portal: the server side of avatars in a program of one's own.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { Portal, TurntableError } from "../../static/turntable-portal.js";
import { WebSocket, serve } from "./harness.mjs";

const SECRET = `whsec_${Buffer.from("x".repeat(32)).toString("base64")}`;

/** An HTTP server that is closed after the test. */
async function listen(t, listener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** A portal with its listener, a scripted server for its services, and a management listener. */
async function begin(t, answer = () => [200, true], options = {}) {
  const server = await serve(t);
  const calls = [];
  const management = await listen(t, async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const call = [request.url, JSON.parse(body)];
    calls.push(call);
    const [status, result] = answer(...call);
    response.writeHead(status).end(JSON.stringify(result));
  });
  const errors = [];
  const portal = new Portal(server.url, { token: "T", secret: SECRET, management, connection: { WebSocket, transports: ["websocket"], reconnect: false }, ...options });
  portal.onError = (error) => errors.push(error.message);
  t.after(() => portal.client.close());
  const url = await listen(t, portal.listener);
  const post = async (path, body, headers = {}) => {
    const response = await fetch(`${url}${path}`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });
    const text = await response.text();
    return [response.status, text === "" ? undefined : JSON.parse(text)];
  };
  const event = (body, { at = Date.now() / 1000, secret = SECRET } = {}) => {
    const text = JSON.stringify(body);
    const second = String(Math.floor(at));
    const key = Buffer.from(secret.slice("whsec_".length), "base64");
    const code = createHmac("sha256", key).update(`${body.id}.${second}.${text}`).digest("base64");
    return post("/webhook", text, { "webhook-id": body.id, "webhook-timestamp": second, "webhook-signature": `v1,AAAA v1,${code}` });
  };
  /** Admits the session of the services and confirms what it provides. */
  const provide = async (peer) => {
    const { data, id } = await peer.next("provide");
    peer.send("reply", {}, id);
    return data.services;
  };
  return { server, portal, errors, calls, url, post, event, provide };
}

/** Lets a user in, and its factory run. */
async function avatarOf(session, id = "1:1", attributes = {}) {
  const made = session.post("/avatar", { user: id, roles: [], attributes });
  return { made, answer: await made };
}

test("checkers are asked in order, the first success wins, and one that fails is neither", async (t) => {
  const { portal, post, errors } = await begin(t);
  const seen = [];
  const check = (credentials) => post("/check", { user: null, credentials, address: "192.0.2.1" });
  portal.credentialCheckers = [
    (credentials, claim) => {
      seen.push(["cookie", claim]);
      if (credentials.cookie === "bad") throw new Error("the table of cookies is away");
      return credentials.cookie === "c" && "1:1";
    },
    async ({ password }) => {
      seen.push("password");
      return password === "p" ? { id: "1:2", username: "Mel", roles: ["player"], expires_in: 60 } : null;
    },
  ];
  assert.deepEqual(await check({ cookie: "c", password: "p" }), [200, { user: "1:1" }]);
  assert.deepEqual(seen.splice(0), [["cookie", { user: null, address: "192.0.2.1" }]]);
  assert.deepEqual(await check({ password: "p" }), [200, { user: "1:2", roles: ["player"], expires_in: 60 }]);
  assert.deepEqual(await check({ password: "x" }), [401, { reason: "invalid" }]);
  // Neither a refusal nor a success: another one may accept, and nobody is refused for a fault.
  assert.deepEqual(await check({ cookie: "bad", password: "p" }), [200, { user: "1:2", roles: ["player"], expires_in: 60 }]);
  assert.deepEqual(await check({ cookie: "bad" }), [503, undefined]);
  assert.deepEqual(errors, Array(2).fill("the table of cookies is away"));
});

test("the factory runs with the checker's user, and its plan waits until its services are provided", async (t) => {
  const session = await begin(t);
  const { server, portal, post, provide } = session;
  portal.credentialCheckers = [() => ({ id: "1:1", username: "Pomke" })];
  const users = [];
  portal.avatarFactory = async (user, avatar) => {
    users.push([user, avatar.user, avatar.get("rank")]);
    avatar.addService("forum", { createPost: (args, caller) => [args, caller.user, caller.get("username")], hidden: 7 });
    await avatar.set({ username: user.username ?? "nobody" });
    assert.equal(avatar.get("username"), user.username ?? "nobody");
  };
  await post("/check", { user: null, credentials: {}, address: null });
  let answered = false;
  const first = avatarOf(session, "1:1", { rank: 3 }).then(({ answer }) => {
    answered = true;
    return answer;
  });
  const peer = await server.accept();
  peer.send("idyou", {});
  const { data } = await peer.next("idme");
  assert.deepEqual(data, { user: "service:portal", credentials: { token: "T" } });
  // The avatar of the services themselves has no plan, and waits for nothing.
  assert.deepEqual(await post("/avatar", { user: "service:portal", roles: [], attributes: {} }), [200, {}]);
  assert.equal(answered, false);
  peer.welcome({ user: "service:portal" });
  assert.deepEqual(await provide(peer), { forum: ["createPost"] });
  assert.deepEqual(await first, [200, { attributes: { username: "Pomke" }, services: ["forum"] }]);
  // Another user, of whom the program knows the id only: the service is provided already.
  assert.deepEqual((await avatarOf(session, "1:2")).answer, [200, { attributes: { username: "nobody" }, services: ["forum"] }]);
  assert.deepEqual(users, [[{ id: "1:1", username: "Pomke" }, "1:1", 3], [{ id: "1:2" }, "1:2", undefined]]);
  peer.send("call", { f: "forum:createPost", args: 5, user: "1:1" }, 9);
  assert.deepEqual(await peer.next("reply"), { command: "reply", data: [5, "1:1", "Pomke"], id: 9 });
});

test("a factory that throws, an unknown path and a body that is none are answered", async (t) => {
  const { portal, post, url, errors } = await begin(t);
  portal.avatarFactory = () => {
    throw new Error("no database");
  };
  assert.deepEqual(await post("/avatar", { user: "1:1", attributes: {} }), [500, undefined]);
  assert.deepEqual(await post("/nothing", {}), [404, undefined]);
  assert.equal((await fetch(`${url}/check`)).status, 405);
  assert.deepEqual(await post("/check", "{"), [500, undefined]);
  assert.deepEqual(await post("/check", `"${"x".repeat(1_100_000)}"`), [413, undefined]);
  assert.equal(errors[0], "no database");
  assert.throws(() => portal.avatar("1:1").addService("forum", {}), /avatarFactory/);
});

test("watches hear what clients set, once, and only from the server", async (t) => {
  const session = await begin(t);
  const { portal, event, errors } = session;
  const seen = [];
  const listener = (value, key) => seen.push([key, value]);
  portal.avatarFactory = (user, avatar) => {
    avatar.watch("email", listener);
    avatar.watch(() => {
      throw new Error("a fault of the program");
    });
  };
  await avatarOf(session);
  const changed = (id, attributes, options) => event({ id, type: "user.attributes", time: 1, data: { user: "1:1", attributes } }, options);
  assert.deepEqual(await changed("a", { email: "a@b" }), [204, undefined]);
  // The same event again, an old one, and one with another secret.
  assert.deepEqual(await changed("a", { email: "a@b" }), [204, undefined]);
  assert.deepEqual(await changed("b", { email: "x" }, { at: Date.now() / 1000 - 600 }), [401, undefined]);
  assert.deepEqual(await changed("b", { email: "x" }, { secret: `whsec_${Buffer.from("y".repeat(32)).toString("base64")}` }), [401, undefined]);
  assert.deepEqual(await changed("c", { name: "Mel", email: null }), [204, undefined]);
  assert.deepEqual(seen.splice(0), [["email", "a@b"], ["email", null]]);
  assert.deepEqual(errors, Array(3).fill("a fault of the program"));
  const avatar = portal.avatar("1:1");
  assert.deepEqual([avatar.get("name"), avatar.get("email")], ["Mel", undefined]);
  // A user that is away has its watches when it comes back in its session.
  for (const type of ["user.offline", "user.online"]) await event({ id: type, type, time: 1, data: { user: "1:1" } });
  assert.equal(portal.avatar("1:1"), avatar);
  avatar.unwatch("email", listener);
  await changed("d", { email: "c@d" });
  assert.deepEqual(seen, []);
});

test("an avatar sets attributes and calls its client at the management listener", async (t) => {
  const { portal, calls } = await begin(t, (path, { f }) => {
    if (f === "friends:gone") return [503, { error: { code: "service_down", message: "nobody offers friends:gone" } }];
    return [200, path === "/rpc/user/call" ? "hello" : true];
  });
  const avatar = portal.avatar("1:1");
  assert.equal(await avatar.set({ username: "Melanie" }), true);
  assert.equal(avatar.get("username"), "Melanie");
  assert.equal(await avatar.friends.newFriend({ name: "Mel" }), "hello");
  assert.deepEqual(await new Promise((resolve) => avatar.friends.newFriend((...all) => resolve(all))), ["hello"]);
  const [error, same] = await new Promise((resolve) => avatar.friends.gone(1, (...all) => resolve(all)));
  assert.ok(error instanceof TurntableError && error === same);
  assert.deepEqual([error.code, error.message], ["service_down", "nobody offers friends:gone"]);
  // A failure that the program does not look at ends nothing.
  avatar.friends.gone();
  await assert.rejects(avatar.friends.gone(), { code: "service_down" });
  const user = { userId: "1:1" };
  assert.deepEqual(calls.slice(0, 3), [
    ["/rpc/user/setAttributes", { ...user, attributes: { username: "Melanie" } }],
    ["/rpc/user/call", { ...user, f: "friends:newFriend", args: { name: "Mel" } }],
    ["/rpc/user/call", { ...user, f: "friends:newFriend", args: null }],
  ]);
  const away = new Portal("http://127.0.0.1:9", { token: "T", management: "http://127.0.0.1:9" });
  await assert.rejects(away.avatar("1:1").set({}), { code: "unavailable" });
});

test("an avatar disables a service for its user, the portal for all users", async (t) => {
  const { portal, calls } = await begin(t, (path, { name, userId }) => {
    if (userId === "1:2" || name === "gone") return [429, { error: { code: "too_many", message: "services are disabled for 1 users already" } }];
    return [200, { name, state: path === "/rpc/service/disable" ? "disabled" : "enabled" }];
  });
  const avatar = portal.avatar("1:1");
  assert.deepEqual(await avatar.disableService("chat"), { name: "chat", state: "disabled" });
  assert.deepEqual(await avatar.enableService("chat"), { name: "chat", state: "enabled" });
  assert.deepEqual(await portal.disableService("chat"), { name: "chat", state: "disabled" });
  assert.deepEqual(await portal.enableService("chat"), { name: "chat", state: "enabled" });
  assert.deepEqual(calls, [
    ["/rpc/service/disable", { name: "chat", userId: "1:1" }],
    ["/rpc/service/enable", { name: "chat", userId: "1:1" }],
    ["/rpc/service/disable", { name: "chat" }],
    ["/rpc/service/enable", { name: "chat" }],
  ]);
  const outcome = (run) => new Promise((resolve) => run((...all) => resolve(all)));
  assert.deepEqual(await outcome((callback) => avatar.disableService("chat", callback)), [{ name: "chat", state: "disabled" }]);
  assert.deepEqual(await outcome((callback) => portal.enableService("chat", callback)), [{ name: "chat", state: "enabled" }]);
  const [error, same] = await outcome((callback) => portal.avatar("1:2").enableService("chat", callback));
  assert.ok(error.code === "too_many" && error === same);
  // A failure that the program does not look at ends nothing.
  portal.avatar("1:2").disableService("chat");
  portal.disableService("gone");
  portal.enableService("gone");
  await assert.rejects(portal.disableService("gone"), { code: "too_many" });
  await assert.rejects(portal.avatar("1:2").disableService("chat"), { code: "too_many" });
});

/** Sends a request as it is. Returns the status. */
async function raw(url, head, body = "") {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.end(`${head}\r\nHost: x\r\nConnection: close\r\n\r\n${body}`);
  let text = "";
  for await (const part of socket) text += part;
  return Number(text.split(" ")[1]);
}

test("no request ends the program, whatever its target is and whatever the page's handler does", async (t) => {
  const { portal, url, errors } = await begin(t);
  assert.equal(await raw(url, "GET // HTTP/1.1"), 400);
  assert.equal(await raw(url, "POST http://[/check HTTP/1.1"), 400);
  const nexts = [
    () => {
      throw new Error("at once");
    },
    async () => {
      throw new Error("later");
    },
  ];
  for (const next of nexts) {
    const page = await listen(t, (request, response) => portal.listener(request, response, next));
    assert.equal(await raw(page, "GET /a%2fb HTTP/1.1"), 500);
  }
  assert.deepEqual(errors, ["at once", "later"]);
  const answered = await listen(t, (request, response) => portal.listener(request, response, () => response.writeHead(204).end()));
  assert.equal(await raw(answered, "GET /page HTTP/1.1"), 204);
});

test("requests for checks and avatars need the token, and are JSON", async (t) => {
  const { portal, post, event } = await begin(t, undefined, { requestToken: "R" });
  portal.credentialCheckers = [() => "1:1"];
  const claim = { user: null, credentials: {}, address: null };
  const user = { user: "1:1", attributes: { username: "admin" } };
  const authorized = { Authorization: "Bearer R" };
  for (const headers of [{}, { Authorization: "R" }, { Authorization: "Bearer" }, { Authorization: "Bearer r" }]) {
    assert.deepEqual(await post("/check", claim, headers), [401, undefined]);
    assert.deepEqual(await post("/avatar", user, headers), [401, undefined]);
  }
  assert.equal(portal.avatar("1:1").get("username"), undefined);
  assert.deepEqual(await post("/check", claim, { ...authorized, "Content-Type": "text/plain" }), [415, undefined]);
  assert.deepEqual(await post("/check", claim, authorized), [200, { user: "1:1" }]);
  assert.deepEqual(await post("/avatar", user, authorized), [200, { attributes: {}, services: [] }]);
  // Events have a signature instead.
  assert.deepEqual(await event({ id: "a", type: "user.online", time: 1, data: { user: "1:1" } }), [204, undefined]);
});

test("a user whose checker leaves the realm out has its factory run with all that the checker said", async (t) => {
  for (const realm of [undefined, "site"]) {
    const session = await begin(t, undefined, realm && { realm });
    session.portal.credentialCheckers = [() => ({ id: "pomke", username: "Pomke" })];
    const users = [];
    session.portal.avatarFactory = (user) => void users.push(user);
    // The server completes the id.
    assert.deepEqual(await session.post("/check", { user: null, credentials: {}, address: null }), [200, { user: "pomke" }]);
    const id = `${realm ?? "1"}:pomke`;
    await avatarOf(session, id);
    assert.deepEqual(users, [{ id, username: "Pomke" }]);
  }
});
