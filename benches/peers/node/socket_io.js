// The chat example of npm `socket.io`: an event `message` is sent to all, and `call` is
// acknowledged with what it brought.

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });

io.on("connection", (socket) => {
  socket.on("message", (data) => {
    io.emit("message", data);
  });
  socket.on("call", (data, answer) => answer(data));
});

http.listen(0, "127.0.0.1", () => {
  console.log(`listening socket.io http://127.0.0.1:${http.address().port}`);
});
