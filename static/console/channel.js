/** One channel: who is subscribed, what it retains, and a message to all of them. */

import { element } from "./dom.js";
import { changeButton } from "./confirm.js";
import { count, moment } from "./format.js";
import { heading } from "./page.js";
import { link } from "./route.js";
import { Facts, Links, Table } from "./table.js";

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function channel({ api, route, refresh }) {
  const path = route.path[1];
  const known = { users: 0, messages: 0 };
  const facts = new Facts("channel-facts");
  const members = new Links("Nobody is subscribed.", "channel-members");
  const history = new Table(/** @type {import("./table.js").Column<any>[]} */ ([
    { title: "Offset", class: "number", text: ({ offset }) => offset },
    { title: "Time", text: ({ time }) => (typeof time === "number" ? moment(time) : undefined) },
    { title: "From", class: "name", text: ({ from }) => from ?? "the operator", href: ({ from }) => (from ? link("users", from) : undefined) },
    { title: "Data", class: "name wide", text: ({ data }) => JSON.stringify(data) },
  ]), { key: ({ id, offset }) => `${offset} ${id}`, empty: "No message is retained.", label: "Retained messages", testid: "channel-history" });
  const given = { channelId: path };
  const actions = [
    changeButton(api, "Publish", "publish", "channel/publish", () => ({
      given, title: `Publish on ${path}`, submit: "Publish",
      effect: `${count(known.users, `user on ${path} gets`, `users on ${path} get`)} this message, from the operator. Later subscribers get it too where the channel retains messages.`,
      outcome: ({ offset }) => `published, with the offset ${offset}`,
    }), refresh),
    changeButton(api, "Clear history", "clear-history", "channel/clearHistory", () => ({
      given, title: `Clear the history of ${path}`, submit: "Clear history", dangerous: true,
      effect: `Deletes ${count(known.messages, "retained message")} of ${path} for good.`,
      outcome: () => "nothing is retained any more",
    }), refresh),
    changeButton(api, "Subscribe a user", "subscribe", "channel/subscribe", () => ({
      given, title: `Subscribe a user to ${path}`, submit: "Subscribe",
      effect: `All sessions of the user are subscribed to ${path}, later ones too.`,
      outcome: (sessions) => `${count(sessions, "session")} now`,
    }), refresh),
    changeButton(api, "Unsubscribe a user", "unsubscribe", "channel/unsubscribe", () => ({
      given, title: `Unsubscribe a user from ${path}`, submit: "Unsubscribe", dangerous: true,
      effect: `Ends the subscription of a user to ${path} that the operator made.`,
      outcome: (was) => (was ? "done" : "there was no such subscription"),
    }), refresh),
  ];
  return {
    title: path,
    node: element("div.stack.wide", {}, heading(path, ...actions),
      element("div.cards", {},
        element("section.card.stack", {}, element("h2", {}, "Channel"), facts.node),
        element("section.card.stack", {}, element("h2", {}, "Who is in it"), members.node),
        element("section.card.stack.full", {}, element("h2", {}, "Retained messages, newest first"), history.node))),
    update: async () => {
      const [users, past] = await Promise.all([
        api.call("channel/getSubscribers", given),
        api.call("channel/getHistory", given),
      ]);
      [known.users, known.messages] = [users.length, past.messages.length];
      facts.show([["Users", users.length], ["Retained messages", past.messages.length], ["Offset", past.offset], ["Epoch", past.epoch]]);
      members.show(users.map((/** @type {string} */ id) => ({ text: id, href: link("users", id) })));
      history.show([...past.messages].reverse());
    },
  };
}
