// Runs examples/chromie: its server program, and its client over one transport; prints `ok`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { begin } from "../../examples/chromie/client.mjs";

const [url, management, port, transport] = process.argv.slice(2);
const folder = fileURLToPath(new URL("../../examples/chromie/", import.meta.url));

/** A program of the example: its lines are awaited in any order. */
function start(program, ...args) {
  const child = spawn(process.execPath, [`${folder}${program}`, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = [];
  let changed = () => {};
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    changed();
  });
  const line = async (wanted) => {
    while (!lines.includes(wanted)) await new Promise((resolve) => (changed = resolve));
    lines.splice(lines.indexOf(wanted), 1);
  };
  const match = async (pattern) => {
    let found;
    while (!(found = lines.find((line) => pattern.test(line)))) await new Promise((resolve) => (changed = resolve));
    lines.splice(lines.indexOf(found), 1);
    return pattern.exec(found)[1];
  };
  return { child, line, match, lines, ended: once(child, "exit") };
}

/** What the server calls, and a way to await it. */
function inbox() {
  const all = [];
  let changed = () => {};
  return {
    take: (entry) => {
      all.push(entry);
      changed();
    },
    next: async () => {
      while (all.length === 0) await new Promise((resolve) => (changed = resolve));
      return all.shift();
    },
  };
}

/** The client of the example, with credentials that are given in turn. */
async function open(...credentials) {
  const [dialogs, messages, friends, started] = [inbox(), inbox(), inbox(), inbox()];
  const $av = begin(
    url,
    {
      showAuthDialog: (login, error) => {
        dialogs.take(error?.code);
        const next = credentials.shift();
        if (next) login(next);
      },
      start: (av) => started.take(av),
      chat: { sendMessage: (message) => messages.take(message), sendFile: () => {} },
      friends: {
        newFriend: (args) => {
          friends.take(args);
          return `hello ${args.name}`;
        },
      },
    },
    { transports: [transport], WebSocket, poll: { heartbeat_ms: 50 } },
  );
  return { $av, dialogs, messages, friends, started };
}

const called = (of, event) =>
  new Promise((resolve) => {
    const stop = of[event]((detail) => {
      stop();
      resolve(detail);
    });
  });
const outcome = (call) => new Promise((resolve) => call((...all) => resolve(all)));

let server = start("server.mjs", url, management, port, "0");
await server.line(`listening on http://127.0.0.1:${port}/`);
const page = await server.match(/^the page is at (.*)$/);
// A target that names no file is refused, and ends nothing.
for (const target of ["static/a%2fb.js", "nothing", "static/nothing.js"]) assert.equal((await fetch(`${page}${target}`)).status, 404);
assert.equal((await fetch(page)).status, 200);
// What the server asks is not there.
assert.equal((await fetch(`${page}check`, { method: "POST", body: "{}" })).status, 404);

// Not authenticated, a wrong password, the right one.
const pomke = await open({ username: "Pomke", password: "wrong" }, { username: "Pomke", password: "open sesame" });
const $av = pomke.$av;
assert.equal(await pomke.started.next(), $av);
assert.deepEqual([await pomke.dialogs.next(), await pomke.dialogs.next()], [undefined, "unauthorized"]);
assert.deepEqual([$av.authenticated, $av.connected, $av.user], [true, true, "1:pomke"]);
// The factory's attributes and services are there with the first welcome.
assert.deepEqual([$av.get("username"), $av.get("email")], ["Pomke", "pomke@example.com"]);
assert.deepEqual([$av.forum.enabled, $av.chat.enabled], [true, true]);

// Services: with a callback, as a promise, and their errors.
assert.deepEqual(await outcome((done) => $av.forum.createPost({ title: "test post", body: "something" }, done)), [{ number: 1 }]);
assert.deepEqual(await $av.forum.listPosts(), [{ number: 1, author: "Pomke", title: "test post", body: "something" }]);
const [error] = await outcome((done) => $av.forum.createPost({}, done));
assert.deepEqual([error.code, error.message], ["refused", "a post needs a title"]);
await assert.rejects($av.forum.nonsense(), { code: "not_found" });
await assert.rejects($av.call("nosuch:x"), (refusal) => ["not_found", "forbidden"].includes(refusal.code));

// Live attributes: the server watches, calls the client, gets its answer, and sets.
const confirmed = new Promise((resolve) => $av.watch("confirmed", resolve));
assert.equal((await outcome((done) => $av.set({ email: "p@example.org" }, done)))[1], undefined);
assert.deepEqual(await pomke.friends.next(), { name: "Melanie", why: "p@example.org is known to her" });
assert.equal(await confirmed, "p@example.org");
await server.line("confirmation sent to p@example.org");
await server.line("Pomke says: hello Melanie");
// An unchanged value fires nothing.
await $av.set({ email: "p@example.org" });
await $av.set({ username: "Pom" });

// Two avatars: each call reaches its own.
const cookie = await $av.account.cookie();
const melanie = await open({ username: "Melanie", password: "open sesame" });
await melanie.started.next();
await melanie.$av.chat.join();
// The program learns of the new name by a webhook.
for (const end = Date.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 10))) {
  const names = await $av.chat.join();
  if (names.includes("Pom")) break;
  assert.ok(Date.now() < end, `no Pom within 10 s; last: ${names}`);
}
await $av.chat.say({ text: "hi" });
for (const { messages } of [pomke, melanie]) assert.deepEqual(await messages.next(), { from: "Pom", text: "hi" });

// The chat is disabled and enabled: both hear it, the forum goes on, nobody reconnects.
let connects = 0;
for (const { $av: av } of [pomke, melanie]) for (const event of ["onConnect", "onDisconnect"]) av[event](() => (connects += 1));
const down = [called($av.chat, "onDisable"), called(melanie.$av.chat, "onDisable")];
server.child.stdin.write("disable chat\n");
assert.deepEqual(await Promise.all(down), [$av, melanie.$av]);
await server.line("chat is disabled");
await assert.rejects($av.chat.say({ text: "x" }), { code: "service_down" });
assert.equal((await $av.forum.listPosts()).length, 1);
const up = [called($av.chat, "onEnable"), called(melanie.$av.chat, "onEnable")];
server.child.stdin.write("enable chat\n");
await Promise.all(up);
await server.line("chat is enabled");
await $av.chat.say({ text: "again" });
for (const { messages } of [pomke, melanie]) assert.deepEqual(await messages.next(), { from: "Pom", text: "again" });

// It is disabled for one user: that one hears it, the other one goes on.
let changes = 0;
for (const event of ["onDisable", "onEnable"]) melanie.$av.chat[event](() => (changes += 1));
const downForOne = called($av.chat, "onDisable");
server.child.stdin.write("disable chat 1:pomke\n");
assert.equal(await downForOne, $av);
await server.line("chat is disabled for 1:pomke");
assert.deepEqual([$av.chat.enabled, melanie.$av.chat.enabled], [false, true]);
await assert.rejects($av.chat.say({ text: "x" }), { code: "service_down" });
await melanie.$av.chat.say({ text: "alone" });
const fromMelanie = { from: "Melanie", text: "alone" };
for (const { messages } of [pomke, melanie]) assert.deepEqual(await messages.next(), fromMelanie);
const upForOne = called($av.chat, "onEnable");
server.child.stdin.write("enable chat 1:pomke\n");
await upForOne;
await server.line("chat is enabled for 1:pomke");
await $av.chat.say({ text: "once more" });
for (const { messages } of [pomke, melanie]) assert.deepEqual(await messages.next(), { from: "Pom", text: "once more" });
assert.deepEqual([connects, changes], [0, 0]);

// Another session of the same user is the same avatar: no factory, the same attributes.
const again = await open({ cookie });
await again.started.next();
assert.deepEqual([again.$av.user, again.$av.get("username"), again.$av.get("confirmed")], ["1:pomke", "Pom", "p@example.org"]);
assert.deepEqual([await again.dialogs.next()], [undefined]);
again.$av.disconnect();

// The server program ends: its services are disabled, and back with it.
const gone = called($av.forum, "onDisable");
server.child.kill("SIGKILL");
await gone;
await server.ended;
await assert.rejects($av.forum.listPosts(), { code: "service_down" });
const back = called($av.forum, "onEnable");
server = start("server.mjs", url, management, port, "0");
await server.line(`listening on http://127.0.0.1:${port}/`);
await server.match(/^the page is at (.*)$/);
await back;
assert.deepEqual(await $av.forum.listPosts(), []);
assert.deepEqual([connects, server.lines], [0, []]);

// The terminal's client.
const terminal = start("terminal.mjs", "Melanie", "open sesame", url, ...(transport === "poll" ? [transport] : []));
for (const line of ["authenticated as 1:melanie, username Melanie", "post 1", "email is set"]) await terminal.line(line);
terminal.child.kill();
await terminal.ended;
const stranger = start("terminal.mjs", "Pomke", "guess", url, "poll");
await stranger.line("not authenticated: no checker accepts these credentials");
assert.deepEqual(await stranger.ended, [1, null]);

for (const { $av: av } of [pomke, melanie]) av.disconnect();
server.child.kill("SIGTERM");
const [code] = await server.ended;
assert.equal(code, 0);
console.log("ok");
