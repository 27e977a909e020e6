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
