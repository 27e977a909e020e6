// The service `forum`. Each function gets the call's argument and the avatar of the caller.

import { TurntableError } from "../../static/turntable-portal.js";

/** @type {{number: number, author: string, title: string, body: string}[]} */
const posts = [];
const POSTS_MAX = 1000;

export const service = {
  createPost({ title, body = "" } = {}, avatar) {
    if (!title) throw new TurntableError("refused", "a post needs a title");
    const number = (posts.at(-1)?.number ?? 0) + 1;
    posts.push({ number, author: avatar.get("username"), title: String(title), body: String(body) });
    if (posts.length > POSTS_MAX) posts.shift();
    return { number };
  },

  listPosts: () => posts,
};
