/** Every page loads, connects and fits, in light and dark, on desktop and phone. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

const PAGES = {
  "/": /turntable/,
  "/strike/": /Strike/,
  "/four/": /Four/,
  "/friends/": /Friends/,
  "/playground/": /Playground/,
};
const PHONE = { width: 360, height: 740 };

for (const [path, title] of Object.entries(PAGES)) {
  scene(`${path} loads and connects`, async ({ open }) => {
    const mel = await open(path, { user: "1:100" });
    await mel.reads("connection-state", "online");
    assert.equal(await mel.page.evaluate(() => window.__demo.user()), "1:100");
    assert.match(await mel.page.title(), title);
  });

  scene(`${path} fits a phone in dark mode`, async ({ open }) => {
    const mel = await open(path, { user: "1:100", viewport: PHONE, touch: true, dark: true });
    await mel.reads("connection-state", "online");
    const [wide, shown] = await mel.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= shown, `${wide} pixels of page on ${shown} of screen`);
  });
}

scene("the home page links to each demo, and the tab keeps its user", async ({ open }) => {
  const mel = await open("/", { user: "1:100" });
  for (const demo of ["strike", "four", "friends", "playground"]) {
    await mel.see(`tile-${demo}`).click();
    await mel.page.waitForURL(`**/${demo}/?user=*`);
    await mel.reads("connection-state", "online");
    assert.equal(await mel.page.evaluate(() => window.__demo.user()), "1:100");
    await mel.page.goBack();
  }
});

scene("the home page lists an open game, and its link joins it", async ({ open }) => {
  const mel = await open("/four/?room=garden", { user: "1:100" });
  await mel.until(() => window.__demo.synced());
  const tom = await open("/", { user: "1:200" });
  await tom.page.locator('[data-room="four/garden"]').click();
  await tom.until(() => Object.keys(window.__demo?.members?.() ?? {}).length === 2);
});

scene("a browser comes back as its guest, and nobody else does", async ({ open }) => {
  const mel = await open("/");
  await mel.reads("connection-state", "online");
  const user = await mel.until(() => window.__demo?.user());
  assert.match(user, /^guest:/);
  assert.equal(await mel.page.getByTestId("identity").inputValue(), user);
  await mel.page.reload();
  assert.equal(await mel.until(() => window.__demo?.state() === "online" && window.__demo.user()), user);
  // Its id alone is no proof.
  const mallory = await open("/", { user });
  await mallory.page.getByText("The server refused the connection").waitFor();
  mallory.allow(/./);
  // Another player of this browser, and back.
  const [popup] = await Promise.all([mel.page.context().waitForEvent("page"), mel.page.getByTestId("second-window").click()]);
  await popup.waitForFunction(() => window.__demo?.state() === "online");
  const second = await popup.evaluate(() => window.__demo.user());
  assert.match(second, /^guest:/);
  assert.notEqual(second, user);
  await popup.close();
  await mel.page.getByTestId("identity-new").click();
  await mel.until(() => window.__demo?.state() === "online");
  assert.notEqual(await mel.page.evaluate(() => window.__demo.user()), user);
});

scene("a page whose guest the server has lost goes on as a new one, with its name", async ({ server, open }) => {
  const mel = await open("/friends/");
  const user = await mel.until(() => window.__demo?.state() === "online" && window.__demo.user());
  await mel.page.getByTestId("profile-name").fill("Mel");
  await mel.page.getByTestId("profile-save").click();
  await mel.reads("me", "Mel");
  // Without a store the key of the guests ends with the server.
  await server.stop();
  mel.allow(/ERR_CONNECTION|WebSocket connection|Failed to load|Failed to fetch|net::/);
  await server.start();
  const other = await mel.until((before) => window.__demo?.state() === "online" && window.__demo.user() !== before && window.__demo.user(), user);
  assert.match(other, /^guest:/);
  await mel.reads("me", "Mel");
  assert.deepEqual(await mel.page.locator(".toast.bad").allTextContents(), []);
});
