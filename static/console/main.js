/**
 * The page of the management listener. The fragment of the address is the selection
 * (`route.js`); each view is a module that gets the calls and the metrics, and shows
 * itself (`page.js`).
 */

import { byId, setText } from "./dom.js";
import { access } from "./access.js";
import { Api, isUnanswered } from "./api.js";
import { audit } from "./audit.js";
import { channel } from "./channel.js";
import { channels } from "./channels.js";
import { configuration } from "./configuration.js";
import { visible } from "./format.js";
import { game } from "./game.js";
import { games } from "./games.js";
import { methods } from "./methods.js";
import { metricList } from "./metric-list.js";
import { overview } from "./overview.js";
import { absent, denied, wrong } from "./page.js";
import { parse } from "./route.js";
import { PERIOD_MS, Samples } from "./samples.js";
import { Search } from "./search.js";
import { service, services } from "./services.js";
import { session } from "./session.js";
import { sessions } from "./sessions.js";
import { tokenForm } from "./token-form.js";
import { user } from "./user.js";
import { users } from "./users.js";

/** @typedef {(page: import("./page.js").Page) => import("./page.js").View} MakeView */

/**
 * The views by the first part of the selection: the title, what each needs, the list, and
 * one entry of it.
 * @type {Record<string, {title: string, needs: string[], list: MakeView, one?: MakeView}>}
 */
const VIEWS = {
  overview: { title: "Overview", needs: [], list: overview },
  users: { title: "Users", needs: ["user/listAll", "user/getPresence"], list: users, one: user },
  sessions: { title: "Sessions", needs: ["session/listAll"], list: sessions, one: session },
  channels: { title: "Channels", needs: ["channel/listAll"], list: channels, one: channel },
  games: { title: "Games", needs: ["game/listAll", "game/get"], list: games, one: game },
  services: { title: "Services", needs: ["service/listAll"], list: services, one: service },
  configuration: { title: "Configuration", needs: ["config/get", "config/getHistory", "config/getStatus"], list: configuration },
  audit: { title: "Audit", needs: ["audit/listAll"], list: audit },
  methods: { title: "Methods", needs: [], list: methods },
  metrics: { title: "Metrics", needs: [], list: metricList },
  access: { title: "Access", needs: ["audit/getCaller"], list: access },
};

const samples = new Samples();
const api = new Api(needToken);
/** @type {import("./page.js").View|undefined} */
let shown;
/** Whether the view is that of an id in the address. */
let named = false;
/** Counts the views, so that what a view of before answers late is not shown. */
let generation = 0;
/** The look that is under way. @type {Promise<void>|undefined} */
let looking;
/** @type {number|undefined} */
let timer;
/** The form for the token, while there is one. @type {HTMLElement|undefined} */
let asking;

function show() {
  generation += 1;
  const route = parse(location.hash);
  const name = route.path[0] ?? "overview";
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : undefined;
  shown?.close?.();
  const missing = view?.needs.filter((method) => !api.method(method)) ?? [];
  const obstacle = view?.needs.map((method) => api.obstacle(method)).find((text) => text !== undefined);
  const isOne = view?.one !== undefined && route.path.length > 1;
  if (!view) shown = absent(name, [`view ${name}`]);
  else if (missing.length > 0) shown = absent(view.title, missing);
  else if (obstacle !== undefined) shown = denied(view.title, obstacle);
  else shown = (view.one && isOne ? view.one : view.list)({ api, samples, route, refresh });
  named = isOne;
  byId("view").replaceChildren(shown.node);
  document.title = `${visible(shown.title)} · turntable console`;
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("data-view") === name) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else {
      link.removeAttribute("aria-current");
    }
  }
  problem("");
  scrollTo(0, 0);
  void refresh();
}

/** Updates the view; a look that is under way ends before. */
async function refresh() {
  const [view, own] = [shown, generation];
  await looking?.catch(() => {});
  if (own !== generation) return;
  looking = (view?.update ?? (async () => {}))();
  try {
    await looking;
    if (own === generation) problem("");
  } catch (/** @type {any} */ error) {
    if (own !== generation) return;
    if (named && error.status === 400) refuse(error.message);
    else report(error);
  }
}

/** The address has an id that none can have: that is shown in place of the view, and nothing asks for it again. @param {string} message */
function refuse(message) {
  shown?.close?.();
  shown = wrong(shown?.title ?? "", message);
  byId("view").replaceChildren(shown.node);
}

/** @param {any} error */
function report(error) {
  if (error.code === "unauthorized") return;
  problem(isUnanswered(error) ? "The server does not answer. What is shown is what it was before." : error.message);
}

/** @param {string} text  empty: there is none */
function problem(text) {
  const node = byId("problem");
  node.hidden = text === "";
  setText(node, text);
}

/** Looks at the metrics and the health, then at what the view shows. */
async function look() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      // First: what is pushed behind it is later.
      const past = await pastIfMissing();
      const [metrics, health] = await Promise.all([api.metrics(), api.health()]);
      // After a restart it may be another version, with other methods.
      if (byId("health-dot").dataset.state === "closed") await load();
      if (past) samples.load(past);
      samples.push(metrics);
      healthy(health, health === "ready" ? "online" : "idle");
      await refresh();
    } catch (/** @type {any} */ error) {
      if (error.code === "unauthorized") return;
      if (isUnanswered(error)) healthy("no answer", "closed");
      report(error);
    }
  }
  timer = setTimeout(look, PERIOD_MS);
}

/** What the metrics were before: at the load of the page, and after a time without looks. Without it the page has its own looks alone. */
async function pastIfMissing() {
  if (!samples.isBehind() || api.obstacle("node/getSamples") !== undefined) return undefined;
  return api.call("node/getSamples").catch(() => undefined);
}

/** @param {string} text  @param {string} state */
function healthy(text, state) {
  byId("health-text").textContent = text;
  byId("health-dot").dataset.state = state;
}

/** Loads the methods, and shows who calls them. */
async function load() {
  await api.load();
  const caller = byId("caller");
  caller.hidden = api.caller === undefined;
  if (!api.caller) return;
  const { name, role } = api.caller;
  setText(caller, role);
  caller.title = `You act as ${visible(name)}, with the role ${role}. Replace or forget the token.`;
}

function needToken() {
  // Several calls may be refused at once; the form forgets the token that was wrong.
  if (asking?.isConnected && api.token === "") return;
  clearTimeout(timer);
  generation += 1;
  shown?.close?.();
  shown = undefined;
  healthy("no token", "idle");
  byId("caller").hidden = true;
  asking = tokenForm(api, start);
  byId("view").replaceChildren(asking);
  document.title = "turntable console";
}

/** Begins once the methods are known: at the load of the page, and with a token. */
async function start() {
  try {
    await load();
    await look();
    // Meanwhile a link may have been followed.
    if (!shown) show();
  } catch (/** @type {any} */ error) {
    report(error);
    if (error.code !== "unauthorized") timer = setTimeout(start, PERIOD_MS);
  }
}

new Search(byId("search"), api, VIEWS);
addEventListener("hashchange", () => {
  if (Object.keys(api.definitions).length > 0) show();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && shown) void look();
});
void start();
