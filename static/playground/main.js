/** The page Playground: one bare line by any door, all that travels on it, any command. */

import { byId, element } from "../demo/element.js";
import { currentUser, isUser, link, randomUser } from "../demo/identity.js";
import { loadFriends } from "../demo/friend-list.js";
import { WAYS, wayOfAddress } from "../demo/door.js";
import { BareLine } from "./bare-line.js";
import { FrameLog } from "./frame-log.js";
import { templates } from "./templates.js";

const STATES = { connecting: "connecting", open: "not identified", online: "online", closed: "not connected" };
const DOTS = { connecting: "connecting", open: "idle", online: "online", closed: "offline" };

for (const anchor of document.querySelectorAll("a[data-demo]")) {
  anchor.setAttribute("href", link(anchor.getAttribute("href")));
}

const self = currentUser();
const friend = loadFriends(self)[0] ?? randomUser();
let state = "closed";

byId("url").value = new URL("../ws", location.href).href.replace(/^http/, "ws").replace(/\?.*$/, "");
byId("user").value = self;

const log = new FrameLog(byId("frames"), showCount);
byId("door").append(...Object.entries(WAYS).filter(([name]) => name !== "auto").map(([name, { label }]) => element("option", { value: name }, label)));
byId("door").value = wayOfAddress() === "auto" ? "websocket" : wayOfAddress();

const socket = new BareLine({
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
  measured: showClock,
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
    error.textContent = "A user is realm:name, for example 1:12345.";
    error.hidden = false;
    byId("user").focus();
    return;
  }
  open();
});

function open() {
  socket.open(byId("url").value.trim(), { encoding: "v1", ...WAYS[byId("door").value].options });
}

/** What only the poll has is shown with the poll alone. */
function showDoor() {
  byId("asking").hidden = byId("door").value !== "poll";
}
byId("door").addEventListener("change", showDoor);
showDoor();
byId("heartbeat").addEventListener("change", () => socket.heartbeat());
byId("ask").addEventListener("click", () => {
  if (!socket.raw("[]")) refuse("Connect first.");
});
byId("disconnect").addEventListener("click", () => socket.close());
addEventListener("securitypolicyviolation", (event) => {
  if (event.effectiveDirective !== "connect-src" && event.effectiveDirective !== "default-src") return;
  log.add("note", `This page's security policy does not let it connect to ${event.blockedURI}: open the Playground of that server instead.`);
});

/* The composer */

function known() {
  return { user: byId("user").value.trim(), friend, session: socket.session, received: socket.received, now: Math.round(performance.now()) };
}

function chosen() {
  return templates(known()).find(({ command }) => command === byId("template").value);
}

function fill() {
  const { data, about, id } = chosen();
  byId("data").value = JSON.stringify(data, null, 2);
  byId("about").textContent = about;
  byId("with-id").checked = id;
  byId("data-error").hidden = true;
}

byId("template").append(...templates(known()).map(({ number, command }) => element("option", { value: command }, `${number} · ${command}`)));
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
    refuse(`Not JSON: ${error.message}`);
    return;
  }
  const withId = byId("with-id").checked;
  const id = byId("id").value;
  const message = { command: byId("template").value, data, ...(withId ? { id: /^\d+$/.test(id) ? Number(id) : id } : {}) };
  if (!socket.send(JSON.stringify(message))) {
    refuse("Connect first.");
    return;
  }
  byId("data-error").hidden = true;
  if (withId && /^\d+$/.test(id)) byId("id").value = String(Number(id) + 1);
}

function refuse(text) {
  byId("data-error").textContent = text;
  byId("data-error").hidden = false;
}

byId("send-raw").addEventListener("click", () => {
  if (!socket.raw(byId("raw").value)) refuse("Connect first.");
});

/* The frames */

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
  byId("pause").textContent = log.paused ? `Go on (${log.held.length})` : "Pause";
  byId("count").textContent = `${shown} shown`;
}

/* Figures */

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function showBytes() {
  byId("received").textContent = size(log.bytes.in);
  byId("sent").textContent = size(log.bytes.out);
}

function showClock() {
  const best = socket.best;
  if (!best) return;
  byId("latency").textContent = `${best.latency.toFixed(1)} ms`;
  const ahead = best.offset + performance.now() - Date.now();
  byId("offset").textContent = `${ahead >= 0 ? "+" : "−"}${Math.abs(ahead).toFixed(1)} ms`;
}

setInterval(() => {
  const best = socket.best;
  if (best) byId("server-clock").textContent = new Date(performance.now() + best.offset).toISOString().slice(11, 22);
}, 100);

open();

/** What the page knows, for tests; reading it changes nothing. */
Object.defineProperty(window, "__demo", {
  value: Object.freeze({
    state: () => state,
    user: () => byId("user").value,
    frames: () => log.entries.map(({ frame }) => ({ ...frame, time: frame.time.toISOString() })),
    shown: () => log.shown.map(({ direction, kind, text, command, bytes }) => ({ direction, kind, text, command, bytes })),
    latency: () => socket.best?.latency ?? NaN,
  }),
});
