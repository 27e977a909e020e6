// A stand-alone service: it connects to a server and offers the functions of `forum`.
//
//     node forum.mjs [URL]
//
// The token is that of [services.forum]; FORUM_TOKEN replaces the example's.
// Ctrl-C stops it in order: no more calls, those that it has are answered, then it ends.

import { TurntableError, connect } from "../../static/turntable.js";

const [url = "http://127.0.0.1:8080"] = process.argv.slice(2);

/** @type {{number: number, author: string, title: string, body: string}[]} */
const posts = [];
const POSTS_MAX = 1000;

const functions = {
  /** @param {{title?: string, body?: string}} post */
  createPost(post, { user }) {
    const { title, body = "" } = post ?? {};
    if (!title) throw new TurntableError("refused", "a post needs a title");
    posts.push({ number: (posts.at(-1)?.number ?? 0) + 1, author: user, title: String(title), body: String(body) });
    if (posts.length > POSTS_MAX) posts.shift();
    return { number: posts.at(-1).number };
  },

  listPosts() {
    return posts;
  },
};

const forum = connect(url, {
  user: "service:forum",
  credentials: { token: process.env.FORUM_TOKEN ?? "change-me" },
});
forum.on("state", ({ state, reason, message }) => console.log(`forum is ${state}${reason ? `: ${message ?? reason}` : ""}`));
forum.on("error", ({ code, message }) => console.error(`${code}: ${message}`));
try {
  await forum.provide("forum", functions);
} catch (error) {
  console.error(`${url} does not take this service: ${error.message}. Its configuration needs [services.forum] with this token, as turntable.toml has it.`);
  process.exit(1);
}
console.log("forum is provided");

async function stop() {
  await forum.withdraw("forum");
  forum.close();
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
