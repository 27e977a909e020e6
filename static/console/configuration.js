/** The configuration in force: each key with its value and where that comes from; the versions, and who made them. */

import { element } from "./dom.js";
import { changeButton, permitted } from "./confirm.js";
import { checkFile } from "./config-check.js";
import { edit } from "./config-edit.js";
import { line } from "./config-outcome.js";
import { count, moment } from "./format.js";
import { heading } from "./page.js";
import { change } from "./route.js";
import { Facts, Table } from "./table.js";

/**
 * @typedef {{key: string, from: unknown, to: unknown, layer: string, restart: boolean}} Changed
 * @typedef {{version: number, at_ms: number, by: string, source: string, of?: number, changed: Changed[]}} Version
 * @typedef {{key: string, value: unknown, layer: string, origin?: string, restart: boolean}} Setting
 */

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function configuration({ api, route, refresh }) {
  const input = /** @type {HTMLInputElement} */ (element("input", {
    type: "search", placeholder: "key or value contains …", "aria-label": "Keys or values that contain", value: route.query.find ?? "",
    autocomplete: "off", spellcheck: "false", "data-testid": "find-key",
  }));
  const differs = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", "data-testid": "differs" }));
  differs.checked = route.query.differs === "1";
  const facts = new Facts("config-status");
  const warnings = element("ul.warnings", { "data-testid": "config-warnings", hidden: true });
  const known = { version: 0, settings: /** @type {Setting[]} */ ([]) };
  const table = new Table(/** @type {import("./table.js").Column<Setting>[]} */ ([
    { title: "Key", class: "name", text: ({ key }) => key },
    { title: "Value", class: "name wide", text: ({ value }) => JSON.stringify(value) },
    { title: "From", class: "name", text: ({ layer, origin }) => (origin ? `${layer}, ${origin}` : layer) },
    { title: "Takes effect", text: ({ restart }) => (restart ? "at a restart" : "at once") },
    { title: "", class: "number action", node: ({ key }) => editButton(key) },
  ]), { key: ({ key }) => key, empty: "No key is like that.", label: "Configuration", testid: "config-table" });
  const history = new Table(/** @type {import("./table.js").Column<Version>[]} */ ([
    { title: "Version", class: "number", text: ({ version }) => version },
    { title: "When", text: ({ at_ms }) => moment(at_ms) },
    { title: "Who", class: "name", text: ({ by }) => by },
    { title: "How", text: ({ source, of }) => (of === undefined ? source : `${source} to ${of}`) },
    { title: "What changed", class: "name wide", text: ({ changed }) => (changed.length === 0 ? "nothing" : changed.map(line)) },
    { title: "", class: "number action", node: ({ version }) => (version === known.version ? element("span.muted", {}, "in force") : rollback(version)) },
  ]), { key: ({ version }) => (version === known.version ? `${version} in force` : String(version)), empty: "No version is remembered.", label: "Versions", testid: "config-history" });

  /** @param {string} key */
  function editButton(key) {
    const button = element("button.compact.quiet", { type: "button", "aria-label": `Change ${key}`, "data-testid": `edit-${key}`, ...permitted(api, "config/set") }, "Change");
    button.addEventListener("click", async () => {
      const setting = known.settings.find((setting) => setting.key === key);
      if (setting && await edit(api, setting, known.version)) await refresh();
    });
    return button;
  }

  /** @param {number} version */
  function rollback(version) {
    const again = async () => {
      const [{ version: expected }, { changed, warnings }] = await Promise.all([api.call("config/getStatus"), api.call("config/checkRollback", { version })]);
      return {
        given: { version, expected }, warnings,
        effect: changed.length === 0
          ? [`Version ${version} has the values that are in force: nothing changes.`]
          : [`Puts version ${version} in force again, as a new version, and changes ${count(changed.length, "key")}:`, ...changed.map(line)],
      };
    };
    return changeButton(api, "Roll back", `rollback-${version}`, "config/rollback", async () => ({
      title: `Roll back to version ${version}`, submit: "Roll back", dangerous: true, again, outcome: applied, ...await again(),
    }), refresh);
  }

  const show = () => {
    const words = input.value.trim().toLowerCase();
    table.show(known.settings.filter(({ key, value, layer }) => (!differs.checked || layer !== "default")
      && `${key} ${JSON.stringify(value)}`.toLowerCase().includes(words)));
  };
  for (const control of [input, differs]) {
    control.addEventListener("input", () => {
      change({ find: input.value.trim(), differs: differs.checked ? "1" : "" });
      show();
    });
  }
  const reload = changeButton(api, "Reload the file", "config-reload", "config/reload", () => ({
    title: "Reload the file", submit: "Reload",
    effect: "Reads the configuration file again, and files with keys and schemas, and puts them in force. A file with an error changes nothing.",
    outcome: applied,
  }), refresh);

  const check = element("button.compact", { type: "button", "data-testid": "config-check", ...permitted(api, "config/check") }, "Check a file");
  check.addEventListener("click", () => checkFile(api));

  return {
    title: "Configuration",
    node: element("div.stack.wide", {},
      heading("Configuration", check, reload),
      element("section.card.stack", {}, facts.node, warnings),
      element("section.card.stack", {}, element("h2", {}, "What was changed, by whom"), history.node),
      element("section.card.stack", {}, element("h2", {}, "In force"),
        element("div.row.nowrap", {}, input, element("label.inline", {}, differs, "only what differs from the default")), table.node)),
    update: async () => {
      const [shown, versions, status] = await Promise.all([api.call("config/get"), api.call("config/getHistory"), api.call("config/getStatus")]);
      known.version = shown.version;
      known.settings = Object.entries(shown.settings).map(([key, setting]) => ({ key, ...setting }));
      const refused = /** @type {{at_ms: number, key: string, file: string, message: string}[]} */ (status.certificates_refused);
      facts.show([
        ["Version", `${status.version}, since ${moment(status.at_ms)}, by ${status.by} (${status.source})`],
        ["File", status.file ? `${status.file}${status.file_differs ? "; it differs from what is in force" : ""}` : "none"],
        ["Waits for a restart", status.restart.join(", ") || "nothing"],
        ["Refused configuration", status.refused ? `${moment(status.refused.at_ms)} (${status.refused.source}): ${status.refused.message}` : "none"],
        ["Refused certificate", refused.length === 0 ? "none" : refused.map(({ at_ms, key, file, message }) => `${moment(at_ms)}, ${key} = ${file}: ${message}; the one before is in force`)],
      ]);
      const texts = /** @type {string[]} */ (status.warnings);
      warnings.hidden = texts.length === 0;
      warnings.replaceChildren(...texts.map((text) => element("li.name", {}, text)));
      history.show(versions);
      show();
    },
  };
}

/** What was put in force. @param {{version: number, changed: Changed[]}} result */
function applied({ version, changed }) {
  return changed.length === 0 ? "nothing changed" : `version ${version} is in force, with ${count(changed.length, "other value")}`;
}
