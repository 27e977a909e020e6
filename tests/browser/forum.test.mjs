/** The Friends page while the stand-alone service of the example comes, goes and returns. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { TurntableError, connect } from "../../static/turntable.js";
import { WebSocket } from "../client/harness.mjs";
import { defaultProfile } from "../../static/demo/profile.js";
import { scene } from "./harness.mjs";

const EXAMPLE = fileURLToPath(new URL("../../examples/forum-service/", import.meta.url));
const SETTINGS = { TURNTABLE_CONFIG: `${EXAMPLE}turntable.toml` };

/** Starts the service; it ends with the test at the latest. */
function start(t, url) {
  const child = spawn(process.execPath, ["forum.mjs", url], { cwd: EXAMPLE, stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  return (signal) => {
    child.kill(signal);
    return exited;
  };
}

scene("the page shows the forum come, go and return, without a reload", async ({ open, server, t }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.reads("forum-state", "The service is away.");
  await mel.page.evaluate(() => (window.loadedOnce = true));
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    const stop = start(t, server.url);
    await mel.reads("forum-state", "The service is there.");
    await mel.see("post-title").fill(`Before ${signal}`);
    await mel.see("post-body").fill("Its <b>text</b>");
    await mel.see("post-send").click();
    await mel.reads("posts", `Before ${signal}`);
    await mel.reads("posts", "Its <b>text</b>");
    await mel.reads("posts", `by ${defaultProfile("1:100").name}`);
    await stop(signal);
    await mel.reads("forum-state", "The service is away.");
    await mel.see("forum-help").waitFor();
  }
  await mel.until(() => window.loadedOnce);
}, { settings: SETTINGS });

scene("what a forum answers is checked, and its refusals are shown", async ({ open, server, t }) => {
  const service = connect(server.url, { user: "service:forum", credentials: { token: "change-me" }, WebSocket });
  t.after(() => service.close());
  await service.ready;
  await service.provide("forum", {
    createPost: () => {
      throw new TurntableError("refused", "this title is not accepted");
    },
    listPosts: () => [{ title: "<i>First</i>", author: 7 }, null, { title: 7, body: ["x"] }],
  });
  const mel = await open("/friends/", { user: "1:100" });
  await mel.reads("posts", "<i>First</i>");
  await mel.see("post-title").fill("no");
  await mel.see("post-send").click();
  await mel.reads("forum-error", "this title is not accepted");
}, { settings: SETTINGS });

scene("posts of others appear when the list is loaded again", async ({ open, server, t }) => {
  start(t, server.url);
  const [mel, tom] = [await open("/friends/", { user: "1:100" }), await open("/friends/", { user: "1:200" })];
  await tom.reads("posts", "No posts when this list was loaded.");
  await mel.see("post-title").fill("By button");
  await mel.see("post-send").click();
  await mel.reads("posts", "By button");
  await tom.see("posts-refresh").click();
  await tom.reads("posts", "By button");
  await mel.see("post-title").fill("By focus");
  await mel.see("post-send").click();
  await mel.reads("posts", "By focus");
  await tom.page.evaluate(() => window.dispatchEvent(new Event("focus")));
  await tom.reads("posts", "By focus");
}, { settings: SETTINGS });

scene("without a connection the page does not say that the service is away", async ({ open, server }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.see("forum-help").waitFor();
  for (const pattern of [/^console: /, /^request: /, /^response: /]) mel.allow(pattern);
  await server.stop();
  await mel.reads("forum-state", "Waiting for the connection.");
  await mel.see("forum-help").waitFor({ state: "hidden" });
}, { settings: SETTINGS });
