// An instance of the forum that a test kills. It prints `up`, and `slow` for each call that
// it never answers.
//
//   node tests/service/instance.mjs KIND URL [PORT]
//
// `websocket`, `poll` and `socketio` connect to the server at the URL; the server connects
// to `socketio_server` and `http`, at the port.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { connect } from "../../static/turntable.js";

const [kind, url, port] = process.argv.slice(2);
const claim = { user: "service:forum", credentials: { token: "secret" } };
const provided = { services: { forum: ["quick", "slow"] } };

const slow = () => console.log("slow");

/** Calls `answer` with the result, unless the function is the slow one. */
function run(f, args, answer) {
  if (f === "forum:slow") slow();
  else answer(args);
}

const kinds = {
  async websocket() {
    const forum = connect(url, { ...claim, WebSocket });
    const never = () => new Promise(slow);
    await forum.provide("forum", { quick: (args) => args, slow: never });
  },

  async socketio() {
    const forum = io(url, { auth: claim, transports: ["websocket"] });
    forum.on("call", ({ f, args }, answer) => run(f, args, answer));
    await new Promise((resolve) => forum.once("welcome", resolve));
    await forum.emitWithAck("provide", provided);
  },

  async poll() {
    const post = async (entries, headers) => {
      const answer = await fetch(`${url}/poll`, { method: "POST", headers, body: JSON.stringify(entries) });
      return { session: answer.headers.get("turntable-session"), entries: await answer.json() };
    };
    const { session } = await post([
      { f: "$av:idme", args: claim, id: 1 },
      { f: "$av:provide", args: provided, id: 2 },
    ]);
    const headers = { "Turntable-Session": session };
    const go = async () => {
      let answers = [];
      for (;;) {
        const { entries } = await post(answers, headers);
        answers = [];
        for (const { f, args, id } of entries) if (id) run(f, args, (r) => answers.push({ id, r }));
        if (answers.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    void go();
  },

  async socketio_server() {
    const http = createServer();
    new Server(http).on("connection", (avatars) =>
      avatars.onAny((f, args, _caller, answer) => answer && run(f, args, answer)));
    await new Promise((resolve) => http.listen(port, "127.0.0.1", resolve));
  },

  async http() {
    const http = createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      const { f, args } = JSON.parse(body);
      run(f, args, (r) => response.end(JSON.stringify({ r })));
    });
    await new Promise((resolve) => http.listen(port, "127.0.0.1", resolve));
  },
};
await kinds[kind]();
console.log("up");
