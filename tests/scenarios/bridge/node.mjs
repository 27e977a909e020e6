// npm's `socket.io-client`, for the scenarios: each connection to the port that
// it prints is a client of its own. It ends with its standard input.
//
// It reads lines of JSON, of which the first one says where to connect:
//   {"url", "mode": "polling" | "websocket" | "upgrade", "auth"?}
//   {"command", "data", "id"?}  emits; with an id it requests an acknowledgement
//   {"paused": bool}            stops reading, or reads again
//   {"close": true}             disconnects
// and writes lines:
//   {"open": TRANSPORT} | {"refused": DATA}  how connecting ended
//   {"command", "data"}                      an event
//   {"id", "data"}                           an acknowledgement
//   {"closed": REASON}
// When the connection to this program ends, the client sends nothing more.
import http from "node:http";
import net from "node:net";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

// The sockets of one client; this process runs many clients.
class Connections extends http.Agent {
  connections = new Set();
  isDead = false;

  createConnection(options, done) {
    const connection = super.createConnection(options, done);
    this.connections.add(connection);
    connection.once("close", () => this.connections.delete(connection));
    if (this.isDead) connection.destroy();
    return connection;
  }

  pause(isPaused) {
    for (const connection of this.connections) isPaused ? connection.pause() : connection.resume();
  }

  die() {
    this.isDead = true;
    for (const connection of this.connections) connection.destroy();
  }
}

function open({ url, mode, auth }, agent, write) {
  const transports = TRANSPORTS[mode];
  const socket = io(url, { auth, transports, agent, forceNew: true, reconnection: false });
  socket.onAny((command, data) => write({ command, data }));
  socket.on("connect", () => {
    const { engine } = socket.io;
    const opened = () => write({ open: engine.transport.name });
    if (engine.transport.name === transports.at(-1)) opened();
    else for (const end of ["upgrade", "upgradeError"]) engine.once(end, opened);
  });
  socket.on("connect_error", ({ data, message, description, context }) =>
    write({ refused: data ?? { message: `${message}: ${description} ${context?.responseText}` } }));
  socket.on("disconnect", (closed) => write({ closed }));
  return socket;
}

function serve(line) {
  const agent = new Connections();
  const write = (value) => line.writable && line.write(`${JSON.stringify(value)}\n`);
  let socket;
  line.setNoDelay();
  line.on("close", () => agent.die());
  const lines = createInterface({ input: line });
  // An error is followed by `close`. The reader repeats it.
  for (const one of [line, lines]) one.on("error", () => {});
  lines.on("line", (text) => {
    const message = JSON.parse(text);
    const { command, data, id } = message;
    if (message.url) socket = open(message, agent, write);
    else if ("paused" in message) agent.pause(message.paused);
    else if (message.close) socket.disconnect();
    else if (id === undefined) socket.emit(command, data);
    else socket.emit(command, data, (answer) => write({ id, data: answer }));
  });
}

const server = net.createServer(serve);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
