// npm's `socket.io-client` as a caller and as an instance of a service, with live attributes
// and channels. Prints "ok" and exits with 0 if all of it is as expected.
//
//   node tests/socketio/library/service.mjs http://127.0.0.1:8080 polling,websocket
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [, , url, names] = process.argv;
const transports = names.split(",");
const FORUM = { user: "service:forum", credentials: { token: "secret" } };
const PROVIDED = { services: { forum: ["createPost", "slow"] } };

/** A client whose events wait until they are read. */
class Client {
  constructor(auth) {
    this.events = [];
    this.waiting = [];
    this.socket = io(url, { auth, transports, forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50 });
    this.socket.onAny((name, ...args) => {
      const waiting = this.waiting.findIndex(([wanted]) => wanted === name);
      if (waiting >= 0) this.waiting.splice(waiting, 1)[0][1](args);
      else this.events.push([name, args]);
    });
  }

  /** The arguments of the next event of this name. */
  async arguments(name) {
    const at = this.events.findIndex(([known]) => known === name);
    return at >= 0 ? this.events.splice(at, 1)[0][1] : new Promise((resolve) => this.waiting.push([name, resolve]));
  }

  async next(name) {
    return (await this.arguments(name))[0];
  }

  ask(name, data) {
    return this.socket.timeout(10_000).emitWithAck(name, data);
  }

  call(f, args) {
    return this.ask("call", { f, args });
  }

  async state(service, state) {
    for (;;) if ((await this.next("service"))[service]?.state === state) return;
  }
}

async function user(auth) {
  const client = new Client(auth);
  client.welcome = await client.next("welcome");
  return client;
}

setTimeout(() => {
  console.error("no answer in time");
  process.exit(1);
}, 25_000).unref();

// Both roles.
const mel = await user({ user: "1:1" });
assert.equal(mel.welcome.services.forum.state, "disabled");
let forum = await user(FORUM);
assert.deepEqual(await forum.ask("provide", PROVIDED), { services: ["forum"], own: [] });
await mel.state("forum", "enabled");
const bytes = Buffer.from([0, 1, 254, 255]);
const created = mel.call("forum:createPost", { title: "Grüße €", bytes });
const [given, answer] = await forum.arguments("call");
assert.deepEqual([given.f, given.user, given.args.title], ["forum:createPost", "1:1", "Grüße €"]);
assert.deepEqual(Buffer.from(given.args.bytes), bytes);
answer({ number: 1, bytes });
const result = await created;
assert.equal(result.number, 1);
assert.deepEqual(Buffer.from(result.bytes), bytes);

const failed = mel.call("forum:createPost", {});
(await forum.arguments("call"))[1]({ error: { code: "refused", message: "a post needs a title" } });
assert.deepEqual((await failed).error, { code: "refused", message: "a post needs a title", command: "call" });
const empty = mel.call("forum:createPost", null);
(await forum.arguments("call"))[1]();
assert.equal(await empty, null);
assert.equal((await mel.call("forum:nosuch")).error.code, "not_found");
assert.equal((await mel.call("nosuch:f")).error.code, "not_found");

// Without an acknowledgement there is no answer.
mel.socket.emit("call", { f: "forum:createPost", args: "quiet" });
const [quiet, answerQuiet] = await forum.arguments("call");
assert.equal(quiet.args, "quiet");
answerQuiet("heard by nobody");

// Many at once, answered in another order.
const many = Array.from({ length: 40 }, (_, n) => mel.call("forum:createPost", n));
const hands = [];
while (hands.length < 40) hands.push(await forum.arguments("call"));
for (const [{ args }, done] of hands.reverse()) done(args * 2);
assert.deepEqual(await Promise.all(many), Array.from({ length: 40 }, (_, n) => n * 2));

// A deadline is reported, by the id that the call had; a late answer is discarded.
const slow = mel.call("forum:slow");
const [late, answerLate] = await forum.arguments("call");
assert.equal((await slow).error.code, "timeout");
const cancel = await forum.next("call");
assert.deepEqual([cancel.f, cancel.args.id], ["$av:cancel", late.id]);
assert.notEqual(late.id, undefined);
answerLate("late");

// The instance is lost with a call, and comes back with another session.
const open = mel.call("forum:slow");
await forum.next("call");
forum.socket.disconnect();
assert.equal((await open).error.code, "service_down");
await mel.state("forum", "disabled");
assert.equal((await mel.call("forum:createPost")).error.code, "service_down");
forum = await user(FORUM);
await forum.ask("provide", PROVIDED);
await mel.state("forum", "enabled");
const again = mel.call("forum:createPost", 7);
(await forum.arguments("call"))[1]("posted");
assert.equal(await again, "posted");

// Functions of a client, called by the service.
await mel.ask("provide", { services: { friends: ["newFriend"] } });
const asked = forum.ask("call", { f: "friends:newFriend", args: { name: "Jo" }, user: "1:1" });
const [wanted, welcomeFriend] = await mel.arguments("call");
assert.deepEqual([wanted.f, wanted.args], ["friends:newFriend", { name: "Jo" }]);
welcomeFriend("hello");
assert.equal(await asked, "hello");

// Live attributes: of the own sessions, and of a watched user.
const tab = await user({ user: "1:1", attributes: { colour: "#00ff00" } });
assert.deepEqual(await mel.next("attributes"), { colour: "#00ff00" });
assert.deepEqual(await mel.ask("set", { name: "Mel", digits: 1.5 }), {});
assert.deepEqual(await tab.next("attributes"), { name: "Mel", digits: 1.5 });
const friend = await user({ user: "1:2" });
friend.socket.emit("subscribe", ["1:1"]);
assert.deepEqual(await friend.next("userchange"), { "1:1": "online" });
assert.deepEqual(await friend.next("profiles"), { "1:1": { name: "Mel", colour: "#00ff00" } });
await tab.ask("set", { name: null });
assert.deepEqual(await mel.next("attributes"), { name: null });
assert.deepEqual(await friend.next("profiles"), { "1:1": { name: null } });
const refused = await mel.ask("set", { score: "many" });
assert.deepEqual([refused.error.code, refused.error.details.key], ["refused", "score"]);

// Channels: members, history, and what was missed.
const joined = await mel.ask("joinchannel", { channel: "chat/lobby" });
assert.deepEqual(Object.keys(joined.members), ["1:1"]);
for (let n = 1; n <= 3; n += 1) await mel.ask("publish", { channel: "chat/lobby", data: n });
const last = await friend.ask("joinchannel", { channel: "chat/lobby", history: 2 });
assert.deepEqual(Object.keys(last.members).sort(), ["1:1", "1:2"]);
assert.deepEqual((await mel.next("memberchange")).members, { "1:2": "joined" });
assert.deepEqual([(await friend.next("message")).data, (await friend.next("message")).data], [2, 3]);
await friend.ask("leavechannel", { channel: "chat/lobby" });
assert.deepEqual((await mel.next("memberchange")).members, { "1:2": "left" });
await mel.ask("publish", { channel: "chat/lobby", data: 4 });
const since = { epoch: last.epoch, offset: 3 };
const back = await friend.ask("joinchannel", { channel: "chat/lobby", since });
assert.equal(back.recovered, true);
const missed = await friend.next("message");
assert.deepEqual([missed.offset, missed.data], [4, 4]);
const lost = await tab.ask("joinchannel", { channel: "chat/lobby", since: { epoch: "another", offset: 3 } });
assert.equal(lost.recovered, false);

for (const client of [mel, tab, friend, forum]) client.socket.disconnect();
console.log("ok");
process.exit(0);
