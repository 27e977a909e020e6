/** The Friends page while the stand-alone service `forum` comes, goes and returns. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

import { connect } from "../../static/turntable.js";
import { WebSocket } from "../client/harness.mjs";
import { scene } from "./harness.mjs";

const folder = mkdtempSync(join(tmpdir(), "turntable-forum-"));
const config = join(folder, "config.toml");
writeFileSync(config, `[services.forum]\nproviders = ["service:forum"]\ntoken = "secret"\n`);
after(() => rmSync(folder, { recursive: true }));

/** A provider that keeps its posts in `posts`. */
async function forum(url, posts) {
  const service = connect(url, { user: "service:forum", credentials: { token: "secret" }, WebSocket });
  await service.ready;
  await service.provide("forum", {
    createPost: ({ title, text }) => {
      if (title === "no") throw new Error("this title is not accepted");
      return posts.push({ title, text });
    },
    listPosts: () => posts,
  });
  return service;
}

scene("the page shows the forum come, go and return, without a reload", async ({ open, server }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.reads("forum-state", "The service is away.");
  const posts = [{ title: "First <b>post</b>", text: "" }, null, { title: 7 }];
  let service = await forum(server.url, posts);
  await mel.reads("forum-state", "The service is there.");
  await mel.reads("posts", "First <b>post</b>");
  await mel.see("post-title").fill("Second");
  await mel.see("post-text").fill("Its text");
  await mel.see("post-send").click();
  await mel.reads("posts", "Its text");
  await mel.see("post-title").fill("no");
  await mel.see("post-send").click();
  await mel.reads("forum-error", "this title is not accepted");

  service.close();
  await mel.reads("forum-state", "The service is away.");
  await mel.see("forum-help").waitFor();
  await mel.reads("posts", "Second");
  service = await forum(server.url, [...posts, { title: "Third" }]);
  await mel.reads("posts", "Third");
  service.close();
}, { settings: { TURNTABLE_CONFIG: config } });
