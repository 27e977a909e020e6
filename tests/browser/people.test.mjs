/** Names, colours, notes, scores and the status of users, in all pages that show them; the chat. */

import assert from "node:assert/strict";

import { connect } from "../../static/turntable.js";
import { defaultProfile } from "../../static/demo/profile.js";
import { WebSocket } from "../client/harness.mjs";
import { scene } from "./harness.mjs";

const SETTINGS = { TURNTABLE_PRESENCE__GRACE_MS: "300" };

/** @param {import("./harness.mjs").Visitor} visitor */
async function rename(visitor, name, note) {
  await visitor.see("profile-name").fill(name);
  if (note !== undefined) await visitor.see("profile-note").fill(note);
  await visitor.see("profile-save").click();
  await visitor.reads("me", name);
}

/** @param {import("./harness.mjs").Visitor} visitor */
async function add(visitor, friend) {
  await visitor.see("add-id").fill(friend);
  await visitor.see("add").click();
  await visitor.see(`friend-${friend}`).waitFor();
}

scene("a name is shown at once in the lobby, the friend list and both games", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await add(mel, "1:200");
  const tom = await open("/", { user: "1:200" });
  await mel.reads("friend-1:200", defaultProfile("1:200").name);
  await rename(tom, "Tom Turner");
  await mel.reads("friend-1:200", "Tom Turner");
  await tom.see("profile-colour").fill("#123456");
  await mel.until(() => document.querySelector('[data-friend="1:200"] .avatar').style.getPropertyValue("--colour") === "#123456");
  const zoe = await open("/", { user: "1:300" });
  await zoe.reads("online", "Tom Turner");

  await tom.page.goto(tom.page.url().replace("/?", "/four/?room=garden&"));
  await tom.reads("seat-0", "Tom Turner");
  await zoe.reads("open-games", "Tom Turner");
  await mel.page.goto(mel.page.url().replace("/friends/?", "/four/?room=garden&"));
  await mel.reads("seat-0", "Tom Turner");
  await mel.reads("members", "Tom Turner");
  await mel.reads("status", "It is the turn of Tom Turner.");

  await mel.page.goto(mel.page.url().replace("/four/?room=garden", "/strike/?room=yard"));
  await tom.page.goto(tom.page.url().replace("/four/?room=garden", "/strike/?room=yard"));
  await mel.reads("feed", "Tom Turner entered");
  await mel.reads("members", "Tom Turner");
});

scene("the friend list shows what a friend plays, and the score as it changes", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await add(mel, "1:200");
  const tom = await open("/four/?room=garden", { user: "1:200" });
  await mel.reads("friend-1:200", "plays Four · 0 points");
  const zoe = await open("/four/?room=garden", { user: "1:300" });
  await zoe.until(() => window.__demo.seat() === 1);
  for (const [player, column] of [[tom, 0], [zoe, 1], [tom, 0], [zoe, 1], [tom, 0], [zoe, 1], [tom, 0]]) {
    await player.until(() => window.__demo.myTurn());
    await player.see(`column-${column}`).click();
    await player.until(() => !window.__demo.myTurn());
  }
  await mel.reads("friend-1:200", "plays Four · 1 point");
  await zoe.reads("score-1:200", "1");
  await tom.see("leave").click();
  await mel.until(() => !document.querySelector('[data-friend="1:200"]').textContent.includes("plays"));
  // A page that is closed plays nothing either, once its seat is free.
  await zoe.close();
  await add(mel, "1:300");
  const again = await open("/", { user: "1:300" });
  await mel.reads("friend-1:300", "online");
  await again.reads("connection-state", "online");
  await mel.until(() => !document.querySelector('[data-friend="1:300"]').textContent.includes("plays"));
}, { settings: { TURNTABLE_ROOM__SEAT_MS: "3000" } });

scene("status, note and name survive a reload and are the same in all tabs", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await add(mel, "1:200");
  const tom = await open("/friends/", { user: "1:200" });
  await rename(tom, "Tom", "Reading");
  await tom.see("status-busy").click();
  await mel.reads("friend-1:200", "busy");
  await mel.reads("friend-1:200", "Reading");
  const second = await open("/friends/", { user: "1:200" });
  await second.reads("me", "Tom");
  await second.page.locator('[data-status="busy"][aria-pressed="true"]').waitFor();
  await second.see("status-idle").click();
  await tom.page.locator('[data-status="idle"][aria-pressed="true"]').waitFor();
  await second.close();
  await tom.page.reload();
  await tom.page.locator('[data-status="idle"][aria-pressed="true"]').waitFor();
  assert.equal(await tom.see("profile-note").inputValue(), "Reading");
  await mel.reads("friend-1:200", "idle");
  await tom.see("profile-note").fill("");
  await tom.see("profile-save").click();
  await mel.until(() => !document.querySelector('[data-friend="1:200"]').textContent.includes("Reading"));
}, { settings: SETTINGS });

scene("what the user has entered stays until it is saved, whatever changes meanwhile", async ({ open }) => {
  const tom = await open("/friends/", { user: "1:200" });
  await tom.reads("connection-state", "online");
  const name = tom.see("profile-name");
  await name.fill("Tom Turner");
  await tom.see("profile-note").fill("Reading");
  // The colour is saved at once.
  await tom.see("profile-colour").fill("#123456");
  await tom.until(() => document.querySelector("#profile-avatar .avatar").style.getPropertyValue("--colour") === "#123456");
  const tab = await open("/friends/", { user: "1:200" });
  await rename(tab, "Thomas");
  await tom.reads("me", "Thomas");
  assert.deepEqual([await name.inputValue(), await tom.see("profile-note").inputValue()], ["Tom Turner", "Reading"]);
  await tom.see("profile-save").click();
  await tom.reads("me", "Tom Turner");
  await tab.reads("me", "Tom Turner");
  // A field that nothing was entered in follows.
  await tab.until(() => document.querySelector("#profile-note").value === "Reading");
  assert.equal(await tab.see("profile-name").inputValue(), "Tom Turner");
});

scene("the profile comes back from the browser when the server has lost it", async ({ open, server }) => {
  const tom = await open("/friends/", { user: "1:200" });
  tom.allow(/ERR_CONNECTION|WebSocket|EventSource/);
  await rename(tom, "Tom", "Reading");
  await server.restart();
  await tom.reads("connection-state", "online");
  const mel = await open("/friends/", { user: "1:100" });
  await add(mel, "1:200");
  await mel.reads("friend-1:200", "Tom");
  await mel.reads("friend-1:200", "Reading");
});

scene("an invisible user is in no list, also after a reload and on other pages", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  const home = await open("/", { user: "1:101" });
  const tom = await open("/friends/", { user: "1:200" });
  await add(mel, "1:200");
  await mel.reads("friend-1:200", "online");
  await home.page.locator('[data-person="1:200"]').waitFor();
  await tom.see("chat-text").fill("h");
  await tom.see("status-invisible").click();
  await mel.reads("friend-1:200", "offline");
  await home.page.locator('[data-person="1:200"]').waitFor({ state: "detached" });
  assert.equal(await tom.see("chat-text").isDisabled(), true);
  const seen = await mel.see("log").locator("li").count();

  await tom.page.reload();
  await tom.page.locator('[data-status="invisible"][aria-pressed="true"]').waitFor();
  await tom.reads("connection-state", "online");
  await tom.page.goto(tom.page.url().replace("/friends/", "/four/").replace("?", "?room=hidden&"));
  await tom.until(() => window.__demo.synced());
  const third = await open("/", { user: "1:200" });
  await third.reads("connection-state", "online");
  await third.reads("online", defaultProfile("1:101").name);
  // An event that is certainly later: another user comes.
  const zoe = await open("/four/?room=open", { user: "1:300" });
  await home.page.locator('[data-person="1:300"]').waitFor();
  await home.page.locator('[data-room="four/open"]').waitFor();
  await mel.until(() => window.__demo.lobby().some(({ user }) => user === "1:300"));
  assert.equal(await home.page.locator('[data-person="1:200"], [data-room="four/hidden"]').count(), 0);
  assert.ok(!(await mel.page.evaluate(() => window.__demo.lobby().some(({ user }) => user === "1:200"))));
  assert.equal(await mel.see("log").locator("li").count(), seen, "nothing was seen of the user");
  await mel.reads("friend-1:200", "offline");
  await zoe.close();

  await third.page.goto(third.page.url().replace("/?", "/friends/?"));
  await third.see("status-online").click();
  await home.page.locator('[data-person="1:200"]').waitFor();
  await mel.reads("friend-1:200", "online");
});

scene("the chat has a history, shows who types, and shows names", async ({ open }) => {
  const tom = await open("/friends/", { user: "1:200" });
  await rename(tom, "Tom");
  await tom.see("chat-text").fill("Hello <i>all</i>");
  await tom.see("chat-send").click();
  await tom.reads("chat", "Hello <i>all</i>");
  const mel = await open("/friends/", { user: "1:100" });
  await mel.reads("chat", "Hello <i>all</i>");
  await mel.reads("chat", "Tom");
  await mel.until(() => window.__demo.lobby().some(({ user }) => user === "1:200"));
  await tom.see("chat-text").pressSequentially("Wa");
  await mel.reads("typing", "Tom is typing…");
  await tom.see("chat-text").fill("");
  await mel.until(() => document.querySelector("#typing").textContent === "");
  await tom.see("chat-text").pressSequentially("Second");
  await mel.reads("typing", "Tom is typing…");
  await tom.see("chat-text").press("Enter");
  await mel.reads("chat", "Second");
  await mel.until(() => document.querySelector("#typing").textContent === "");
  await rename(tom, "Thomas");
  await mel.reads("chat", "Thomas");
  assert.equal(await mel.see("chat").locator("i").count(), 0);
  await mel.page.reload();
  await mel.until(() => document.querySelectorAll("#chat li").length === 2);
});

scene("hostile names, colours, notes and messages are text", async ({ open, server }) => {
  const html = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
  const eve = connect(server.url, { user: "1:666", WebSocket });
  await eve.ready;
  await eve.attributes.set({ name: html, colour: "red;background:url(//evil)", note: html, score: { toString: 1 }, playing: ["strike"], typing: "1e999" });
  const [chat, lobby] = [await eve.channel("demo/chat"), await eve.channel("demo/lobby")];
  await chat.publish({ text: html });
  for (const data of [null, { text: { length: 5 } }, { text: "\u202e\u200b" }, [html]]) await chat.publish(data);
  const mel = await open("/friends/", { user: "1:100" });
  const home = await open("/", { user: "1:101" });
  await mel.reads("chat", "<img src=x");
  await add(mel, "1:666");
  await mel.reads("friend-1:666", "<img src=x");
  assert.equal(await mel.page.locator("#chat li").count(), 1);
  await lobby.publish({ page: "strike", room: "yard", players: 1, tab: "e" });
  await home.reads("online", "<img src=x");
  await home.reads("open-games", "<img src=x");
  const room = await eve.join("strike/yard", { game: "strike", invite: ["1:100"] });
  room.act({ enter: {} });
  await mel.reads("invite", "<img src=x");
  await mel.see("invite-accept").click();
  await mel.until(() => document.querySelector('[data-testid="members"]')?.textContent.includes("<img src=x"));
  await eve.attributes.set({ name: 42, colour: null });
  await home.until(() => document.querySelector('[data-person="1:666"]')?.textContent.includes("1:666"));
  for (const { page } of [mel, home]) {
    assert.equal(await page.locator("img[src=x]").count(), 0);
    assert.doesNotMatch(await page.title(), /owned/);
  }
  eve.close();
});
