// npm's `socket.io-client`, for the scenarios: each connection to the port that
// it prints is a client of its own. It ends with its standard input.
//
// Lines of JSON come, the first to say where to connect:
//   {"url", "way": "polling" | "websocket" | "both", "auth"?}
//   {"command", "data", "id"?}  emits, with an acknowledgement where an id is
//   {"paused": bool}            stops reading, or reads on
//   {"close": true}             says goodbye
// and lines go:
//   {"open": TRANSPORT} | {"refused": DATA}  how connecting ended
//   {"command", "data"}                      an event
//   {"id", "data"}                           an acknowledgement
//   {"closed": REASON}
// Whoever hangs up has killed the client: not another byte of it is sent.
import http from "node:http";
import net from "node:net";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  both: ["polling", "websocket"],
};

// The sockets of one client, as the kernel knows those of one process.
class Wires extends http.Agent {
  wires = new Set();
  isDead = false;

  createConnection(options, done) {
    const wire = super.createConnection(options, done);
    this.wires.add(wire);
    wire.once("close", () => this.wires.delete(wire));
    if (this.isDead) wire.destroy();
    return wire;
  }

  pause(isPaused) {
    for (const wire of this.wires) isPaused ? wire.pause() : wire.resume();
  }

  die() {
    this.isDead = true;
    for (const wire of this.wires) wire.destroy();
  }
}

function open({ url, way, auth }, agent, say) {
  const transports = TRANSPORTS[way];
  const socket = io(url, { auth, transports, agent, forceNew: true, reconnection: false });
  socket.onAny((command, data) => say({ command, data }));
  socket.on("connect", () => {
    const { engine } = socket.io;
    const opened = () => say({ open: engine.transport.name });
    if (engine.transport.name === transports.at(-1)) opened();
    else for (const end of ["upgrade", "upgradeError"]) engine.once(end, opened);
  });
  socket.on("connect_error", ({ data, message, description, context }) =>
    say({ refused: data ?? { message: `${message}: ${description} ${context?.responseText}` } }));
  socket.on("disconnect", (closed) => say({ closed }));
  return socket;
}

function serve(line) {
  const agent = new Wires();
  const say = (value) => line.writable && line.write(`${JSON.stringify(value)}\n`);
  let socket;
  line.setNoDelay();
  line.on("close", () => agent.die());
  const lines = createInterface({ input: line });
  // What breaks is closed next. The reader says it once more.
  for (const one of [line, lines]) one.on("error", () => {});
  lines.on("line", (text) => {
    const told = JSON.parse(text);
    const { command, data, id } = told;
    if (told.url) socket = open(told, agent, say);
    else if ("paused" in told) agent.pause(told.paused);
    else if (told.close) socket.disconnect();
    else if (id === undefined) socket.emit(command, data);
    else socket.emit(command, data, (answer) => say({ id, data: answer }));
  });
}

const server = net.createServer(serve);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
