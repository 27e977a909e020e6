// A client that sees the forum go and come, and posts whenever it is there.
//
//     node client.mjs [URL]

import { ClientAvatar } from "../../static/turntable.js";

const [url = "http://127.0.0.1:8080"] = process.argv.slice(2);
const $av = ClientAvatar(url, { user: "1:12345" });

const post = () =>
  $av.forum.createPost({ title: "test post", body: "something" }, (r, error) => {
    console.log(error ? `no post: ${error.message}` : `post ${r.number}`);
  });

$av.forum.onEnable(() => {
  console.log("forum is up");
  post();
});
$av.forum.onDisable(() => console.log("forum is down"));
$av.onConnect(() => {
  console.log(`connected, forum is ${$av.forum.enabled ? "up" : "down"}`);
  post();
});
$av.connect();
