/** The page Playground: one raw connection over any transport, its traffic, and any command. */

import { byId, element } from "../demo/dom.js";
import { claimedUser, isUser, link, randomUser } from "../demo/identity.js";
import { loadFriends } from "../demo/friend-list.js";
import { TRANSPORTS, transportFromAddress } from "../demo/transport.js";
import { RawConnection } from "./raw-connection.js";
import { FrameLog } from "./frame-log.js";
import { templates } from "./templates.js";

const STATES = { connecting: "connecting", open: "not identified", online: "online", closed: "not connected" };
const DOTS = { connecting: "connecting", open: "idle", online: "online", closed: "offline" };

for (const anchor of document.querySelectorAll("a[data-demo]")) {
  anchor.setAttribute("href", link(anchor.getAttribute("href")));
}

const self = claimedUser();
const friend = loadFriends(self)[0] ?? randomUser();
let state = "closed";

byId("url").value = new URL("../ws", location.href).href.replace(/^http/, "ws").replace(/\?.*$/, "");
byId("user").value = self;

const log = new FrameLog(byId("frames"), showCount);
byId("transport").append(...Object.entries(TRANSPORTS).filter(([name]) => name !== "auto").map(([name, { label }]) => element("option", { value: name }, label)));
byId("transport").value = transportFromAddress() === "auto" ? "websocket" : transportFromAddress();

const connection = new RawConnection({
  settings: () => ({
    user: byId("user").value.trim(),
    identify: byId("identify").value,
    clock: byId("clock").checked,
    heartbeat_ms: Number(byId("heartbeat").value),
  }),
  frame: ({ direction, kind, text, bytes }) => {
    log.add(direction, text, { kind, bytes });
    showBytes();
  },
  state: showState,
  note: (text) => log.add("note", text),
  clockChanged: showClock,
});

function showState(next, note) {
  state = next;
  byId("state").textContent = STATES[next];
  byId("dot").dataset.state = DOTS[next];
  byId("disconnect").disabled = next === "closed";
  log.add("note", note ? `${STATES[next]} (${note})` : STATES[next]);
}

byId("connect-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const error = byId("connect-error");
  error.hidden = true;
  if (byId("identify").value === "idme" && !isUser(byId("user").value.trim())) {
    error.textContent = "A user id is realm:name, for example guest:kT3v.";
    error.hidden = false;
    byId("user").focus();
    return;
  }
  open();
});

function open() {
  connection.open(byId("url").value.trim(), { encoding: "v1", ...TRANSPORTS[byId("transport").value].options });
}

/** Shows the polling controls if the transport is `poll`. */
function showPolling() {
  byId("polling").hidden = byId("transport").value !== "poll";
}
byId("transport").addEventListener("change", showPolling);
showPolling();
byId("heartbeat").addEventListener("change", () => connection.heartbeat());
byId("poll-now").addEventListener("click", () => {
  if (!connection.raw("[]")) showError("Connect first.");
});
byId("disconnect").addEventListener("click", () => connection.close());
addEventListener("securitypolicyviolation", (event) => {
  if (event.effectiveDirective !== "connect-src" && event.effectiveDirective !== "default-src") return;
  log.add("note", `The content security policy of this page blocks connections to ${event.blockedURI}. Open the Playground of that server instead.`);
});

/* Command form */

function context() {
  return { user: byId("user").value.trim(), friend, session: connection.session, received: connection.received, now: Math.round(performance.now()) };
}

function chosen() {
  return templates(context()).find(({ command }) => command === byId("template").value);
}

function fill() {
  const { data, about, id } = chosen();
  byId("data").value = JSON.stringify(data, null, 2);
  byId("about").textContent = about;
  byId("with-id").checked = id;
  byId("data-error").hidden = true;
}

byId("template").append(...templates(context()).map(({ number, command }) => element("option", { value: command }, `${number} · ${command}`)));
byId("template").value = "subscribe";
byId("template").addEventListener("change", fill);
byId("fill").addEventListener("click", fill);
fill();

byId("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
byId("data").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  send();
});

function send() {
  let data;
  try {
    data = JSON.parse(byId("data").value);
  } catch (error) {
    showError(`Invalid JSON: ${error.message}`);
    return;
  }
  const withId = byId("with-id").checked;
  const id = byId("id").value;
  const message = { command: byId("template").value, data, ...(withId ? { id: /^\d+$/.test(id) ? Number(id) : id } : {}) };
  if (!connection.send(JSON.stringify(message))) {
    showError("Connect first.");
    return;
  }
  byId("data-error").hidden = true;
  if (withId && /^\d+$/.test(id)) byId("id").value = String(Number(id) + 1);
}

function showError(text) {
  byId("data-error").textContent = text;
  byId("data-error").hidden = false;
}

byId("send-raw").addEventListener("click", () => {
  if (!connection.raw(byId("raw").value)) showError("Connect first.");
});

/* Frame list */

byId("words").addEventListener("input", () => log.setFilter({ words: byId("words").value }));
byId("direction").addEventListener("change", () => log.setFilter({ direction: byId("direction").value }));
byId("quiet").addEventListener("change", () => log.setFilter({ quiet: byId("quiet").checked }));
byId("clear").addEventListener("click", () => log.clear());
byId("pause").addEventListener("click", () => {
  log.pause(!log.paused);
  byId("pause").setAttribute("aria-pressed", String(log.paused));
});

function showCount() {
  const shown = log.shown.filter(({ direction }) => direction !== "note").length;
  byId("pause").textContent = log.paused ? `Resume (${log.buffered.length})` : "Pause";
  byId("count").textContent = `${shown} shown`;
}

/* Statistics */

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function showBytes() {
  byId("received").textContent = size(log.bytes.in);
  byId("sent").textContent = size(log.bytes.out);
}

function showClock() {
  const best = connection.best;
  if (!best) return;
  byId("latency").textContent = `${best.latency.toFixed(1)} ms`;
  const ahead = best.offset + performance.now() - Date.now();
  byId("offset").textContent = `${ahead >= 0 ? "+" : "−"}${Math.abs(ahead).toFixed(1)} ms`;
}

setInterval(() => {
  const best = connection.best;
  if (best) byId("server-clock").textContent = new Date(performance.now() + best.offset).toISOString().slice(11, 22);
}, 100);

open();

/** Read-only state of the page, for tests. */
Object.defineProperty(window, "__demo", {
  value: Object.freeze({
    state: () => state,
    user: () => byId("user").value,
    frames: () => log.entries.map(({ frame }) => ({ ...frame, time: frame.time.toISOString() })),
    shown: () => log.shown.map(({ direction, kind, text, command, bytes }) => ({ direction, kind, text, command, bytes })),
    latency: () => connection.best?.latency ?? NaN,
  }),
});
