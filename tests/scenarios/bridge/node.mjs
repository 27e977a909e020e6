// A bridge from the scenarios to npm's `socket.io-client`. The program prints a
// port; each connection to it controls one client. It exits at the end of its
// standard input.
//
// It receives lines of JSON, the first of which opens the client:
//   {"url", "way": "polling" | "websocket" | "both", "auth"?}
//   {"command", "data", "id"?}  emits an event; with an id it requests an acknowledgement
//   {"paused": bool}            stops or continues reading from the server
//   {"close": true}             disconnects
// It sends lines of JSON:
//   {"open": TRANSPORT} | {"refused": DATA}  the result of connecting
//   {"command", "data"}                      an event
//   {"id", "data"}                           an acknowledgement
//   {"closed": REASON}
// If the controlling connection ends, the client's sockets are destroyed: no
// further byte is sent to the server.
import http from "node:http";
import net from "node:net";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  both: ["polling", "websocket"],
};

// The TCP sockets of one client, which can be paused and destroyed together.
class Sockets extends http.Agent {
  all = new Set();
  isDestroyed = false;

  createConnection(options, done) {
    const socket = super.createConnection(options, done);
    this.all.add(socket);
    socket.once("close", () => this.all.delete(socket));
    if (this.isDestroyed) socket.destroy();
    return socket;
  }

  pause(isPaused) {
    for (const socket of this.all) isPaused ? socket.pause() : socket.resume();
  }

  destroyAll() {
    this.isDestroyed = true;
    for (const socket of this.all) socket.destroy();
  }
}

function open({ url, way, auth }, agent, send) {
  const transports = TRANSPORTS[way];
  const socket = io(url, { auth, transports, agent, forceNew: true, reconnection: false });
  socket.onAny((command, data) => send({ command, data }));
  socket.on("connect", () => {
    const { engine } = socket.io;
    const opened = () => send({ open: engine.transport.name });
    if (engine.transport.name === transports.at(-1)) opened();
    else for (const end of ["upgrade", "upgradeError"]) engine.once(end, opened);
  });
  socket.on("connect_error", ({ data, message, description, context }) =>
    send({ refused: data ?? { message: `${message}: ${description} ${context?.responseText}` } }));
  socket.on("disconnect", (closed) => send({ closed }));
  return socket;
}

function serve(connection) {
  const agent = new Sockets();
  const send = (value) => connection.writable && connection.write(`${JSON.stringify(value)}\n`);
  let socket;
  connection.setNoDelay();
  connection.on("close", () => agent.destroyAll());
  const lines = createInterface({ input: connection });
  // An error is followed by `close`; the reader emits the same error again.
  for (const emitter of [connection, lines]) emitter.on("error", () => {});
  lines.on("line", (text) => {
    const request = JSON.parse(text);
    const { command, data, id } = request;
    if (request.url) socket = open(request, agent, send);
    else if ("paused" in request) agent.pause(request.paused);
    else if (request.close) socket.disconnect();
    else if (id === undefined) socket.emit(command, data);
    else socket.emit(command, data, (answer) => send({ id, data: answer }));
  });
}

const server = net.createServer(serve);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
