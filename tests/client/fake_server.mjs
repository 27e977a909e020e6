// A small turntable server with every transport, for the client's tests. Its
// sessions number their messages and are resumed by any transport. Tests can
// inject faults.

import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { Decoder, Encoder } from "../../static/vendor/msgpack/index.mjs";

const CLIENT_COMMANDS = [
  "idme", "resume", "subscribe", "unsubscribe", "status", "joingame", "leavegame", "game", "declineinvite", "joinchannel",
  "leavechannel", "publish", "call", "reply", "set", "provide", "time", "lookup", "authenticate", "bye", , , , , , , "block",
];
const SERVER_COMMANDS = [
  "idyou", "welcome", "userchange", "invite", "invitereply", "joined", "memberchange", "game", "message", "call", "reply",
  "error", "attributes", "service", "time", "goaway", , , , , "profiles",
];
const V2 = "turntable.v2.msgpack";

let sessions = 0;

class Session {
  constructor() {
    sessions += 1;
    this.secret = `session-${sessions}`.padEnd(22, "x");
    this.user = null;
    // The session's messages after its welcome; earlier messages are not retained.
    this.log = [];
    this.written = 0;
    this.connection = null;
    this.commands = [];
    /** How many commands were taken, as in `welcome`. */
    this.accepted = 0;
    this.batch = { number: -1, answer: "" };
  }

  /** Sends to the client now, or after it has resumed. */
  send(command, data, id) {
    this.log.push({ command, data, ...(id !== undefined && { id }) });
    this.pump();
  }

  pump() {
    while (this.connection && this.written < this.log.length) {
      this.written += 1;
      this.connection.write(this.log[this.written - 1], this.written);
    }
  }

  attach(connection, received) {
    this.connection?.replaced();
    this.connection = connection;
    if (received !== undefined) this.written = received;
    this.pump();
  }
}

/** @param {import("node:test").TestContext} t */
export async function fake(t, { transports = ["websocket", "tunnel", "poll"], heartbeat_ms = 30_000 } = {}) {
  const server = {
    transports: new Set(transports),
    /** @type {Map<string, Session>} */
    sessions: new Map(),
    requests: [],
    /** Requests to the poll for which this is true lose their answers; those to the tunnel are lost. */
    lose: () => false,
    /** Requests to the poll for which this is true are lost. */
    loseRequest: () => false,
    /** Requests to the tunnel for which this is true lose their answers. */
    loseAnswer: () => false,
    /** The refusal of a request with messages, if any: `{status, code, details?}`, or `{status, foreign}` of a gateway. */
    refuse: () => undefined,
    /** How many entries of a poll that is answered with a close are carried out. */
    taken_max: Infinity,
    /** The error of an identification, if it is refused. */
    refuseUser: () => undefined,
    /** The error of a command that cannot be read, if any: every request of the tunnel that has it is answered with it. */
    unreadable: () => undefined,
    /** The limits in a welcome. */
    limits: {},
    /** Whether every request is lost. */
    away: false,
    /** Whether all frames of WebSockets are lost. */
    swallows: false,
    /** Whether a tunnel is opened before its client has identified. */
    opens: true,
    /** Number of messages that a channel reports as lost at a join. */
    missing: 0,
    session: undefined,
    decoder: new Decoder(),
  };
  const begin = () => {
    const session = new Session();
    server.sessions.set(session.secret, session);
    server.session = session;
    return session;
  };
  const welcome = (session, resumed = false) => ({
    command: "welcome",
    data: {
      user: session.user, session: session.secret, resumed, accepted: session.accepted, time: Date.now(), heartbeat_ms,
      attributes: {}, services: {}, limits: server.limits, server: "fake/1",
    },
  });
  /** Executes a command. Answers are added to the session's log. */
  const run = (session, { command, data, id }) => {
    if (!["idme", "time", "resume", "bye"].includes(command)) session.accepted += 1;
    session.commands.push({ command, data, ...(id !== undefined && { id }) });
    if (command === "idme") {
      const error = server.refuseUser(data);
      if (error) return { command: "error", data: { ...error, command }, ...(id !== undefined && { id }) };
      session.user = data?.user ?? data;
      return { ...welcome(session), ...(id !== undefined && { id }) };
    }
    const error = server.unreadable(command);
    if (error) session.send("error", { ...error, command }, id);
    else if (command === "time") session.send("time", { t0: data.t0, t1: Date.now(), t2: Date.now() }, id);
    else if (command === "joingame") session.send("joined", { channel: data.channel, self: session.user, members: {} }, id);
    else if (command === "joinchannel") session.send("joined", { channel: data.channel, epoch: "e", offset: (data.since?.offset ?? 0) + server.missing, recovered: server.missing === 0 }, id);
    else if (command === "publish") {
      session.send("reply", { id: "m", offset: 1, epoch: "e" }, id);
      session.send("message", { channel: data.channel, id: "01JD0000000000000000000000", offset: 1, from: session.user, time: 1, data: data.data });
    } else if (command === "bye") {
      server.sessions.delete(session.secret);
      server.ended?.(session);
    }
    else if (id !== undefined && command !== "game") session.send("reply", { echo: data }, id);
    return undefined;
  };

  const http = createServer(async (request, response) => {
    const url = new URL(request.url, "http://fake");
    let body = "";
    for await (const chunk of request) body += chunk;
    const asks = url.pathname === "/tunnel/send" && request.method === "GET";
    if (!asks) server.requests.push({ method: request.method, path: url.pathname, query: Object.fromEntries(url.searchParams), body, session: request.headers["turntable-session"] });
    const refuse = (status, code, details) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ error: { code, message: code, details } }));
    };
    if (server.away) return request.socket.destroy();
    if (asks) {
      // The client asks whether the server can be reached.
      response.writeHead(200, { "Content-Type": "application/json" });
      return response.end(url.searchParams.get("d"));
    }
    const off = (name) => !server.transports.has(name) && (refuse(404, "not_found"), true);
    if (url.pathname === "/tunnel") {
      if (off("tunnel")) return;
      if (!server.opens && !url.searchParams.has("id")) return refuse(401, "unauthorized");
      openTunnel(request, response, url.searchParams, refuse);
    } else if (url.pathname === "/tunnel/send") {
      if (off("tunnel")) return;
      if (server.lose(url, body)) return request.socket.destroy();
      const refusal = server.refuse(url, body);
      if (refusal?.foreign) return response.writeHead(refusal.status, { "Content-Type": "text/html" }).end("<h1>gateway</h1>");
      if (refusal) return refuse(refusal.status, refusal.code, refusal.details);
      const datagrams = [JSON.parse(body)].flat();
      let number = Number(url.searchParams.get("n") ?? NaN);
      const accepted = server.sessions.get(datagrams[0].tunnel)?.accepted;
      if (url.searchParams.get("n") === "unknown") {
        response.writeHead(200, { "Content-Type": "application/json" });
        return response.end(JSON.stringify({ accepted }));
      }
      if (number > accepted + 1) return refuse(409, "conflict", { accepted });
      const answers = datagrams.map(({ tunnel, path, data }) => {
        const session = server.sessions.get(tunnel);
        if (!session) return { error: { code: "session_expired", message: "gone" } };
        const error = server.unreadable(data?.command);
        if (!["idme", "time", "resume", "bye"].includes(data?.command)) {
          number += 1;
          if (error) session.accepted = Math.max(session.accepted, number - 1);
          if (error) return { error };
          if (number - 1 <= session.accepted) return { ok: true };
        }
        if (path === "/interest") {
          session.accepted += 1;
          return data?.add || data?.remove ? { ok: true } : { error: { code: "bad_message", message: "add and remove are missing" } };
        }
        if (path !== "/server") return { error: { code: "bad_message", message: "no such path" } };
        const answer = run(session, data);
        if (answer && session.connection) session.connection.write(answer, 0);
        else if (answer) {
          // Between two long polls: retained for the next one.
          session.ids += 1;
          session.datagrams.push({ id: String(session.ids), datagram: { id: String(session.ids), path: `/tunnel/${tunnel}`, data: answer } });
        }
        return { ok: true };
      });
      if (server.loseAnswer(url, body)) return request.socket.destroy();
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify(answers));
    } else if (url.pathname === "/poll") {
      if (off("poll")) return;
      pollOnce(request, response, url, body, refuse);
    } else refuse(404, "not_found");
  });

  const openTunnel = (request, response, query, refuse) => {
    const fresh = query.get("new") === "1";
    const session = fresh ? begin() : server.sessions.get(query.get("id"));
    if (!session) return refuse(410, "session_expired");
    const sse = query.get("format") === "sse";
    const datagrams = (session.datagrams ??= []);
    response.writeHead(200, { "Content-Type": sse ? "text/event-stream" : "application/json", "Access-Control-Allow-Origin": "*", Connection: "close" });
    response.write(sse ? `retry: 1000\nevent: open\ndata: {"tunnel":"${session.secret}"}\n\n` : `[{"tunnel":"${session.secret}"}`);
    let over = false;
    let ending = null;
    const end = (footer) => {
      if (over) return;
      over = true;
      if (session.connection === connection) session.connection = null;
      response.end(footer);
    };
    const connection = {
      write: (message, number) => {
        session.ids = (session.ids ?? 0) + 1;
        const id = String(session.ids);
        const { command, data } = message;
        const datagram = command === "message" ? { id, path: `/channel/${data.channel}`, from: data.from, offset: data.offset, time: data.time, data: data.data } : { id, path: `/tunnel/${session.secret}`, data: message };
        datagrams.push({ id, datagram, number });
        put(datagram);
      },
      replaced: () => connection.close(4002),
      close: (code) => end(sse ? `event: close\ndata: {"close":${code}}\n\n` : `,{"close":${code}}]`),
      cut: () => {
        over = true;
        if (session.connection === connection) session.connection = null;
        request.socket.destroy();
      },
    };
    const put = (datagram) => {
      const text = JSON.stringify(datagram);
      response.write(sse ? `id: ${datagram.id}\ndata: ${text}\n\n` : `,${text}`);
      if (!sse) ending ??= setTimeout(() => end("]"), 2);
    };
    request.socket.on("close", () => {
      if (session.connection === connection) session.connection = null;
      over = true;
    });
    const after = query.get("after");
    if (after !== null) {
      session.connection?.replaced();
      session.connection = connection;
      for (const { id, datagram } of datagrams.filter(({ id }) => Number(id) > Number(after))) put(datagram, id);
      session.pump();
    } else {
      session.attach(connection, fresh ? undefined : Number(query.get("received")));
      if (fresh) connection.write({ command: "idyou", data: {} }, 0);
    }
  };

  const pollOnce = (request, response, url, body, refuse) => {
    if (server.loseRequest(url, body)) return request.socket.destroy();
    const refusal = server.refuse(url, body);
    if (refusal) return refuse(refusal.status, refusal.code, refusal.details);
    const secret = request.headers["turntable-session"];
    let session = secret === undefined ? undefined : server.sessions.get(secret);
    if (secret !== undefined && !session) return refuse(410, "session_expired");
    const out = [];
    if (!session) {
      session = begin();
      out.push({ f: "$av:connected", args: { user: null, session: session.secret, resumed: false, time: 1 } });
    }
    const number = Number(url.searchParams.get("batch") ?? NaN);
    const respond = (text) => {
      if (server.lose(url, body)) return request.socket.destroy();
      const waiting = session.waiting > 0 ? { "Turntable-Waiting": String(session.waiting) } : {};
      response.writeHead(200, { "Content-Type": "application/json", "Turntable-Session": session.secret, ...waiting });
      response.end(text);
    };
    if (number === session.batch.number) return respond(session.batch.answer);
    if (number < session.batch.number) return refuse(409, "bad_message");
    const connection = { write: (message) => out.push(entry(message)), replaced: () => {} };
    const received = url.searchParams.get("received");
    if (received !== null) out.push(entry(welcome(session, true)));
    session.attach(connection, received === null ? undefined : Number(received));
    // A close may come before all of a request is carried out.
    const entries = JSON.parse(body).slice(0, session.closing ? server.taken_max : Infinity);
    for (const { f, args, id, r } of entries) {
      const answer = run(session, f === undefined ? { command: "reply", data: r, id } : { command: f.replace(/^\$av:/, ""), data: args, id });
      if (answer) out.push(entry(answer));
    }
    session.connection = null;
    if (session.closing) out.push({ f: "$av:close", args: { code: session.closing, reason: "closed by the test" } });
    session.closing = undefined;
    const text = JSON.stringify(out);
    if (Number.isFinite(number)) session.batch = { number, answer: text };
    respond(text);
  };

  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has(V2) ? V2 : false) });
  http.on("upgrade", (request, socket, head) => {
    server.requests.push({ method: "GET", path: "/ws", query: {}, body: "" });
    if (server.away) return socket.destroy();
    if (!server.transports.has("websocket")) return socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    if (server.transports.has("websocket without response")) server.unanswered?.(() => accept(request, socket, head));
    else accept(request, socket, head);
  });
  const accept = (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (socket) => {
      const v2 = socket.protocol === V2;
      let session;
      const connection = {
        write: ({ command, data, id }) =>
          socket.send(v2 ? new Encoder().encode(id === undefined ? [SERVER_COMMANDS.indexOf(command) + 64, data] : [SERVER_COMMANDS.indexOf(command) + 64, data, id]) : JSON.stringify({ command, data, id })),
        replaced: () => socket.close(4002),
        cut: () => socket.terminate(),
        close: (code) => socket.close(code),
      };
      socket.on("close", () => {
        if (session?.connection === connection) session.connection = null;
      });
      socket.on("message", (bytes, binary) => {
        if (server.swallows) return;
        if (binary !== v2) return socket.close(1003);
        const array = v2 ? server.decoder.decode(bytes) : undefined;
        const message = v2 ? { command: CLIENT_COMMANDS[array[0] - 1], data: array[1], id: array[2] } : JSON.parse(bytes);
        if (message.command === "resume") {
          const found = server.sessions.get(message.data.session);
          if (!found) return connection.write({ command: "error", data: { code: "session_expired", message: "gone", command: "resume" } });
          session = found;
          session.socket = socket;
          connection.write(welcome(session, true));
          session.attach(connection, message.data.received);
        } else if (message.command === "idme") {
          session = begin();
          session.socket = socket;
          const answer = run(session, message);
          connection.write(answer);
          session.attach(connection, 0);
        } else if (session) run(session, message);
        else if (message.command === "time") {
          connection.write({ command: "time", data: { t0: message.data.t0, t1: 1, t2: 1 } });
          server.probed?.(socket);
        }
      });
      connection.write({ command: "idyou", data: {} });
    });

  /** Cuts every WebSocket, probes too. */
  server.cutSockets = () => {
    for (const socket of sockets.clients) socket.terminate();
  };

  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.closeAllConnections();
    http.close();
  });
  server.url = `http://127.0.0.1:${http.address().port}`;
  return server;
}

function entry({ command, data, id }) {
  if (command === "call") return { ...data, id };
  if (id === undefined) return { f: `$av:${command}`, args: data };
  return command === "error" ? { id, error: data } : { id, r: data };
}

/** An EventSource over fetch. Like a browser's, it reconnects by itself. */
export function eventSource(record = []) {
  return class FakeEventSource extends EventTarget {
    constructor(url) {
      super();
      this.url = url;
      this.readyState = 0;
      this.abort = new AbortController();
      record.push(this);
      void this.run();
    }
    close() {
      this.readyState = 2;
      this.abort.abort();
    }
    async run() {
      const { EventStream } = await import("../../static/turntable/transports/event_stream.js");
      try {
        const response = await fetch(this.url, { signal: this.abort.signal });
        if (!response.ok) {
          this.readyState = 2;
          return this.onerror?.({});
        }
        this.readyState = 1;
        const stream = new EventStream();
        for await (const bytes of response.body) {
          for (const { type, data, id } of stream.push(bytes)) this.dispatchEvent(new MessageEvent(type, { data, lastEventId: id }));
        }
      } catch {
        // Handled like the end of the stream: a browser would reconnect.
      }
      if (this.readyState === 2) return;
      this.readyState = 0;
      this.onerror?.({});
    }
  };
}
