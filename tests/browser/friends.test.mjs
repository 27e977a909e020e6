/** Presence of friends, status changes, and invitations to games. */

import assert from "node:assert/strict";

import { defaultProfile } from "../../static/demo/profile.js";
import { scene } from "./harness.mjs";

/** The nickname of a user that has chosen none. */
const nameOf = (/** @type {string} */ user) => defaultProfile(user).name;

/** A short grace period, so that a closed page is offline soon. */
const SETTINGS = { TURNTABLE_PRESENCE__GRACE_MS: "300" };

/**
 * @param {import("./harness.mjs").Visitor} visitor
 * @param {string} friend
 */
async function add(visitor, friend) {
  await visitor.see("add-id").fill(friend);
  await visitor.see("add").click();
  await visitor.see(`friend-${friend}`).waitFor();
}

scene("a page shows when a friend goes online, busy and offline", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.reads("connection-state", "online");
  await add(mel, "1:200");
  await mel.reads("friend-1:200", "offline");
  await mel.reads("summary", "0 of 1 online");

  const tom = await open("/friends/", { user: "1:200" });
  await mel.reads("friend-1:200", "online");
  await mel.reads("summary", "1 of 1 online");
  await mel.reads("log", `${nameOf("1:200")} is online`);

  for (const state of ["busy", "idle", "online"]) {
    await tom.see(`status-${state}`).click();
    await mel.reads("friend-1:200", state);
  }
  await tom.see("status-invisible").click();
  await mel.reads("friend-1:200", "offline");
  await tom.see("status-online").click();
  await mel.reads("friend-1:200", "online");

  await tom.close();
  await mel.reads("friend-1:200", "offline");
  await mel.reads("log", `${nameOf("1:200")} is offline`);
}, { settings: SETTINGS });

scene("a friend with two tabs is offline only after the last one closes", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await add(mel, "1:200");
  const first = await open("/friends/", { user: "1:200" });
  await mel.reads("friend-1:200", "online");
  const second = await open("/friends/", { user: "1:200" });
  await second.reads("connection-state", "online");
  await first.close();
  // An event that is certainly later: a third user goes online.
  await add(mel, "1:300");
  const third = await open("/friends/", { user: "1:300" });
  await mel.reads("friend-1:300", "online");
  await third.close();
  await mel.reads("friend-1:300", "offline");
  await mel.reads("friend-1:200", "online");
  assert.equal(await mel.see("log").getByText(`${nameOf("1:200")} is offline`).count(), 0);
  await second.close();
  await mel.reads("friend-1:200", "offline");
}, { settings: SETTINGS });

scene("a friend in a game is shown as busy", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await add(mel, "1:200");
  const tom = await open("/four/?room=garden", { user: "1:200" });
  await mel.reads("friend-1:200", "busy");
  await tom.see("leave").click();
  await mel.reads("friend-1:200", "online");
});

scene("an invited friend accepts and joins the game", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  const tom = await open("/friends/", { user: "1:200" });
  await add(mel, "1:200");
  await mel.reads("friend-1:200", "online");
  await mel.see("invite-four-1:200").click();
  await mel.page.waitForURL("**/four/**");
  await tom.reads("invite", nameOf("1:100"));
  await tom.see("invite-accept").click();
  await tom.page.waitForURL("**/four/**");
  await tom.until(() => window.__demo.seat() === 1);
  await mel.reads("status", "Your turn");
});

scene("an invitation waits for an offline friend, and can be declined", async ({ open }) => {
  const mel = await open("/four/?room=garden&invite=1:200", { user: "1:100" });
  await mel.until(() => window.__demo.synced());
  const tom = await open("/friends/", { user: "1:200" });
  await tom.see("invite-decline").click();
  await mel.reads("toasts", `${nameOf("1:200")} declined your invitation.`);
});

scene("the list survives a reload, and a malformed id is explained", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await add(mel, "1:200");
  await mel.page.reload();
  await mel.reads("friend-1:200", "offline");
  await mel.see("add-id").fill("nonsense");
  await mel.see("add").click();
  await mel.reads("add-error", "realm:name");
  await mel.see("remove-1:200").click();
  await mel.see("friend-1:200").waitFor({ state: "detached" });
});
