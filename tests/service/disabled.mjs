// A ClientAvatar whose service the operator disables and enables; prints `ok`.

import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { ClientAvatar, connect } from "../../static/turntable.js";

const [url, management] = process.argv.slice(2);

const operate = async (method, user) => {
  const body = JSON.stringify({ name: "chat", userId: user });
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${management}/rpc/service/${method}`, { method: "POST", headers, body });
  assert.equal(answer.status, 200);
};

const service = connect(url, { user: "service:forum", credentials: { token: "secret" }, WebSocket });
await service.provide("chat", { send: (text) => `sent ${text}` });

/** An avatar whose chat is enabled, and what it has heard of it. */
async function avatar(user) {
  const $av = ClientAvatar(url, { user, WebSocket });
  const heard = [];
  let notify = () => {};
  $av.chat.onDisable(() => notify(heard.push("disable")));
  $av.chat.onEnable(() => notify(heard.push("enable")));
  const connects = [];
  await new Promise((resolve) => {
    $av.onConnect(() => resolve(connects.push("connect")));
    $av.connect();
  });
  const until = async (count) => {
    while (heard.length < count) await new Promise((resolve) => (notify = resolve));
  };
  while (!$av.chat.enabled) await new Promise((resolve) => (notify = resolve));
  heard.length = 0;
  return { $av, heard, until, connects };
}

const mel = await avatar("1:1");
const tab = await avatar("1:1");
const pomke = await avatar("1:2");
assert.equal(await mel.$av.chat.send("a"), "sent a");
await operate("disable", "1:1");
for (const { $av, heard, until } of [mel, tab]) {
  await until(1);
  assert.deepEqual([heard, $av.chat.enabled], [["disable"], false]);
  await assert.rejects($av.chat.send("b"), { code: "service_down", message: "the service is disabled for this user" });
}
assert.equal(await pomke.$av.chat.send("c"), "sent c");
const late = ClientAvatar(url, { user: "1:1", WebSocket });
await new Promise((resolve) => {
  late.onConnect(resolve);
  late.connect();
});
assert.equal(late.chat.enabled, false);
await operate("enable", "1:1");
for (const { $av, heard, until } of [mel, tab]) {
  await until(2);
  assert.deepEqual([heard, $av.chat.enabled], [["disable", "enable"], true]);
  assert.equal(await $av.chat.send("d"), "sent d");
}
assert.deepEqual([pomke.heard, mel.connects], [[], ["connect"]]);
for (const one of [mel.$av, tab.$av, pomke.$av, late]) one.disconnect();
service.close();
console.log("ok");
