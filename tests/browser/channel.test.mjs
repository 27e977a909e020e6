/** A channel to which the operator subscribes a user, in the user's pages. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

const TRANSPORTS = ["websocket", "tunnel", "longpoll", "poll"];

scene("a channel to which the operator subscribes a user is an event with its object, over every transport", async ({ server, open }) => {
  const visitor = await open("/tunnel/send?d=[]");
  // The document's icon.
  visitor.allow(/^console: Failed to load resource: .* 404/);
  const operate = async (method, parameters) => {
    const answer = await fetch(`${server.management_url}/rpc/channel/${method}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(parameters) });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  };
  const begin = (name) =>
    visitor.page.evaluate(
      async ({ name, transport }) => {
        const { connect } = await import("/turntable.js");
        const tt = connect(undefined, { user: "1:900", transports: [transport], poll: { heartbeat_ms: 100 } });
        const seen = { tt, paths: [], heard: [], channels: [] };
        (window.clients ??= {})[name] = seen;
        tt.on("channel", (channel) => {
          seen.paths.push(channel.path);
          seen.channels.push(channel);
          channel.on("message", ({ data }) => seen.heard.push(data));
        });
        await tt.ready;
      },
      { name, transport: name.split(" ")[0] },
    );
  for (const transport of TRANSPORTS) await begin(transport);
  assert.equal(await operate("subscribe", { userId: "1:900", channelId: "news" }), TRANSPORTS.length);
  const given = (name) => visitor.until((name) => window.clients[name].paths.length === 1, name);
  const heard = (name, list) => visitor.until(([name, list]) => JSON.stringify(window.clients[name].heard) === list, [name, JSON.stringify(list)]);
  for (const transport of TRANSPORTS) await given(transport);
  await operate("publish", { channelId: "news", message: "first" });
  for (const transport of TRANSPORTS) await heard(transport, ["first"]);
  // Sessions that begin later.
  for (const transport of TRANSPORTS) await begin(`${transport} later`);
  for (const transport of TRANSPORTS) await given(`${transport} later`);
  await visitor.page.evaluate(() => window.clients.poll.channels[0].leave());
  await operate("publish", { channelId: "news", message: "second" });
  for (const transport of TRANSPORTS) {
    await heard(`${transport} later`, ["second"]);
    if (transport !== "poll") await heard(transport, ["first", "second"]);
  }
  assert.deepEqual(await visitor.page.evaluate(() => window.clients.poll.heard), ["first"]);
  await visitor.page.evaluate(() => Object.values(window.clients).forEach(({ tt }) => tt.close()));
});
