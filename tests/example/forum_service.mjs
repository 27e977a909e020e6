// Starts and stops examples/forum-service while a client is connected; prints `ok`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ClientAvatar } from "../../static/turntable.js";

const [url] = process.argv.slice(2);
const folder = fileURLToPath(new URL("../../examples/forum-service/", import.meta.url));

/** A program of the example whose lines the test reads. */
function start(program) {
  const child = spawn(process.execPath, [`${folder}${program}`, url], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const expect = async (...expected) => {
    for (const line of expected) assert.equal((await lines.next()).value, line);
  };
  return { child, expect, ended: once(child, "exit") };
}

/** Resolves with the next call of a listener of the forum. */
const next = (event) =>
  new Promise((resolve) => {
    const stop = $av.forum[event](() => {
      stop();
      resolve();
    });
  });

const $av = ClientAvatar(url, { user: "1:7" });
const connects = [];
await new Promise((resolve) => {
  $av.onConnect(() => resolve(connects.push("connect")));
  $av.connect();
});
const client = start("client.mjs");
await client.expect("connected, forum is down", "no post: the service is down: it has no instance");

for (const signal of ["SIGTERM", "SIGKILL", "SIGINT"]) {
  let up = next("onEnable");
  const forum = start("forum.mjs");
  await up;
  await client.expect("forum is up", "post 1");
  assert.deepEqual(await $av.forum.createPost({ title: "t" }), { number: 2 });
  const posts = await $av.forum.listPosts();
  assert.deepEqual(posts.map(({ author, title }) => [author, title]), [["1:12345", "test post"], ["1:7", "t"]]);
  await assert.rejects($av.forum.createPost({}), { code: "refused", message: "a post needs a title" });
  const down = next("onDisable");
  forum.child.kill(signal);
  await down;
  await client.expect("forum is down");
  await assert.rejects($av.forum.listPosts(), { code: "service_down" });
  const [code, killed_by] = await forum.ended;
  assert.deepEqual([code, killed_by], signal === "SIGKILL" ? [null, "SIGKILL"] : [0, null]);
}
assert.deepEqual(connects, ["connect"]);
client.child.kill();
await client.ended;
$av.disconnect();
console.log("ok");
