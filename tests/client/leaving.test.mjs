// A page that begins to leave in the middle of a close.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fake } from "./fake_server.mjs";

/** Calls the listeners for an event of the page. */
const listeners = new Map();
globalThis.document = {};
globalThis.addEventListener = (event, listener) => listeners.set(event, listener);
await import("../../static/turntable/goodbye.js");
delete globalThis.document;
delete globalThis.addEventListener;
const { connect } = await import("../../static/turntable.js");

test("poll: what is pending is sent where the request before it was answered when the page began to leave", async (t) => {
  const server = await fake(t);
  const [first, second] = ["a".repeat(40_000), "b".repeat(25_000)];
  let tries = 0;
  const delayed = async (url, options) => {
    if (!options.body?.includes(first)) return fetch(url, options);
    tries += 1;
    // The first try has no answer. The page begins to leave when the repetition has one.
    if (tries === 1) return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(new Error("aborted"))));
    const response = await fetch(url, options);
    await response.clone().text();
    listeners.get("pagehide")();
    return response;
  };
  const tt = connect(server.url, { user: "1:1", transports: ["poll"], fetch: delayed });
  await tt.ready;
  const { session } = server;
  const ended = new Promise((resolve) => (server.ended = resolve));
  tt.send("publish", { channel: "chat", data: first });
  await new Promise(setImmediate);
  assert.equal(tries, 1);
  tt.send("publish", { channel: "chat", data: second });
  tt.close();
  await ended;
  const published = session.commands.filter(({ command }) => command === "publish").map(({ data }) => data.data.length);
  assert.deepEqual(published, [first.length, second.length]);
});
