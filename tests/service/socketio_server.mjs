// A stand-alone socket.io server that turntable connects to; it prints its port and what it
// does not answer. `npm` is one of npm's socket.io, the other kinds break the protocol.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";

const [kind, port] = process.argv.slice(2);
const http = createServer();

function service(socket) {
  socket.on("forum:createPost", (args, { user }, answer) => answer({ by: user, args }));
  socket.on("forum:bytes", (args, _caller, answer) => answer(Buffer.isBuffer(args) && args));
  socket.on("forum:fail", (code, _caller, answer) => answer({ error: { code, message: "no" } }));
  socket.on("forum:slow", (_args, { id }) => console.log(`slow ${id}`));
  socket.on("$av:cancel", ({ id }) => console.log(`cancelled ${id}`));
}

if (kind === "npm") {
  const io = new Server(http);
  for (const namespace of ["/", "/forum"]) {
    io.of(namespace)
      .use(({ handshake }, next) => next(handshake.auth.token === "secret" ? undefined : new Error("wrong token")))
      .on("connection", service);
  }
} else {
  // The silent one is given up after 200 ms.
  const handshake = { sid: "x", upgrades: [], pingInterval: kind === "silent" ? 100 : 25_000, pingTimeout: 100, maxPayload: 1e6 };
  new WebSocketServer({ server: http }).on("connection", (socket) => {
    socket.send(`0${JSON.stringify(handshake)}`);
    socket.on("message", (data) => {
      const text = String(data);
      if (text.startsWith("40")) socket.send('40{"sid":"y"}');
      const id = /^42(\d+)\[/.exec(text)?.[1];
      if (id === undefined) return;
      if (kind === "twice") for (let n = 0; n < 2; n += 1) socket.send(`43${id}["done"]`);
      if (kind === "flood") for (let n = 0; n < 200; n += 1) socket.send('42["news"]');
      if (kind === "garbage") socket.send("49{");
    });
  });
}
http.listen(Number(port), "127.0.0.1", () => console.log(http.address().port));
