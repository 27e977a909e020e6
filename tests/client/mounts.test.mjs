// Components that use one room or channel, and mount and unmount in random order, as in the strict mode of
// frameworks. One of the client's goals (docs/client.md).

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { figure } from "./figure.mjs";
import { online } from "./harness.mjs";

const MEMBERS = { "1:1": { state: "joined" } };

/** A server's view of one room: the seat, and what it sends. */
function roomServer(peer, random, refuse) {
  const state = { seat: false, number: 0 };
  void (async () => {
    for (;;) {
      const { command, data, id } = await peer.next();
      // Answers take a moment, in order.
      if (random() < 0.7) await sleep(random() * 3);
      if (command === "joingame" || command === "joinchannel") {
        if (refuse()) peer.send("error", { code: "room_full", message: "full", command }, id);
        else {
          state.seat = true;
          peer.send("joined", { channel: data.channel, ...(command === "joingame" ? { self: "1:1", members: MEMBERS } : { epoch: "e", offset: state.number, recovered: false }) }, id);
        }
      } else if (command === "leavegame" || command === "leavechannel") {
        state.seat = false;
        peer.send("reply", {}, id);
      } else if (id !== undefined) peer.send("reply", {}, id);
    }
  })();
  state.emit = () => {
    if (!state.seat) return;
    state.number += 1;
    const { number } = state;
    peer.send("game", { channel: "C", actions: [{ timestamp: 1, from: "1:2", data: number }] });
    peer.send("message", { channel: "C", id: `m${number}`, offset: number, from: "1:2", time: 1, data: number });
  };
  return state;
}

for (const [kind, open] of Object.entries({ room: (tt, options) => tt.join("C", options), channel: (tt, options) => tt.channel("C", options) })) {
  for (const style of ["leave", "signal"]) {
    test(`${kind}, by ${style}: 48 components mount and unmount in random order; every holder hears exactly what it should`, { timeout: 60_000 }, async (t) => {
      let components = 0;
      for (let seed = 1; seed <= 20; seed += 1) {
        let value = seed * 7919;
        const random = () => (value = (value * 48271) % 2147483647) / 2147483647;
        const fast = { per_second: 1e6, burst: 1e6 };
        const { tt, peer } = await online(t, {}, { limits: { rates: { room: fast, channel: fast } } });
        const server = roomServer(peer, random, () => random() < 0.2);
        const event = kind === "room" ? "action" : "message";
        const component = () => {
          const own = { outcome: undefined, heard: [], mounted: true, stop: undefined };
          const controller = new AbortController();
          let place;
          own.joining = open(tt, style === "signal" ? { signal: controller.signal } : {}).then(
            (joined) => {
              own.outcome = "in";
              place = joined;
              if (!own.mounted) return style === "leave" ? Promise.all([place.leave(), place.leave()]) : undefined;
              own.stop = place.on(event, ({ data }) => own.heard.push(data));
              return undefined;
            },
            (error) => {
              own.outcome = error.name === "AbortError" ? error.name : error.code;
            },
          );
          own.unmount = () => {
            own.mounted = false;
            own.stop?.();
            if (style === "signal") controller.abort();
            // Twice: the second releases nothing of another component's.
            else for (let times = 0; times < 2; times += 1) place?.leave().catch(() => {});
          };
          return own;
        };
        const all = [];
        // Strict mode mounts, unmounts and mounts again at once.
        for (let count = 0; count < 16; count += 1) {
          const twice = component();
          twice.unmount();
          all.push(twice, component());
          if (random() < 0.5) await sleep(random() * 4);
          server.emit();
          const living = all.filter(({ mounted }) => mounted);
          if (random() < 0.6) living[Math.floor(random() * living.length)]?.unmount();
          all.push(component());
        }
        await Promise.all(all.map(({ joining }) => joining));
        await tt.request("lookup", []);
        const inside = () => all.filter(({ mounted, outcome }) => mounted && outcome === "in");
        const before = all.map(({ heard }) => heard.length);
        server.emit();
        await tt.request("lookup", []);
        const expected = inside();
        for (const [index, own] of all.entries()) {
          assert.equal(own.heard.length - before[index], expected.includes(own) ? 1 : 0, `seed ${seed}, component ${index}: ${own.outcome}`);
          // In order, without a repetition or a gap.
          assert.deepEqual(own.heard, own.heard.map((_, step) => own.heard[0] + step), `seed ${seed}`);
          assert.ok(["in", "room_full", "AbortError"].includes(own.outcome), own.outcome);
        }
        assert.equal(server.seat, expected.length > 0, `seed ${seed}: the server's seat`);
        for (const own of inside()) own.unmount();
        await sleep(5);
        await tt.request("lookup", []);
        await tt.request("lookup", []);
        assert.equal(server.seat, false, `seed ${seed}: a seat that nobody holds`);
        tt.close();
        components += all.length;
      }
      figure(t, `48 mounts and unmounts 20 times, ${kind}, by ${style}`, `${components} components heard what they should`, "all");
    });
  }
}
