// Each request names the connection that it belongs to (`attempt`), so that the server knows late ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { fake } from "./fake_server.mjs";

for (const name of ["tunnel", "longpoll", "poll"]) {
  test(`${name}: requests have the number of their connection, which grows with each`, async (t) => {
    const server = await fake(t);
    let is_away = false;
    /** The connections that numbered requests and resumes named, in order. */
    const attempts = [];
    const tt = connect(server.url, {
      user: "1:1",
      transports: [name],
      EventSource: null,
      reconnect: { min_ms: 1, max_ms: 2 },
      fetch: (address, options) => {
        if (is_away) return Promise.reject(new Error("away"));
        const { searchParams } = new URL(address);
        if (["n", "batch", "id"].some((key) => searchParams.has(key))) attempts.push(searchParams.get("attempt"));
        return fetch(address, options);
      },
    });
    t.after(() => tt.close());
    await tt.ready;
    await tt.friends.lookup(["1:2"]);
    assert.deepEqual(new Set(attempts), new Set(["1"]));

    const lost = new Promise((resolve) => tt.on("state", ({ state }) => state !== "online" && resolve(undefined)));
    is_away = true;
    server.session.connection?.cut?.();
    const found = tt.friends.lookup(["1:2"]);
    await lost;
    attempts.length = 0;
    is_away = false;
    await found;
    const [next, ...others] = new Set(attempts.map(Number));
    assert.ok(next > 1, String(next));
    assert.deepEqual(others, []);
  });
}
