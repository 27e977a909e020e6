/**
 * Dispatches each received message to its handler.
 * @module
 */

/** @import { ClientEvents } from "./events.js" */
/** @import { Features } from "./features.js" */
/** @import { JoinOptions, Room } from "./room.js" */

/**
 * @typedef {object} Handlers
 * @property {<K extends keyof ClientEvents>(event: K, detail: ClientEvents[K]) => void} emit
 * @property {(channel: string, options: JoinOptions) => Promise<Room>} join
 * @property {(channel: string) => void} decline
 * @property {(reconnect_ms: number, url: string | undefined) => void} goaway
 * @property {Features} features
 */

export class Dispatcher {
  #handlers;

  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /**
   * @param {string} command
   * @param {any} data
   * @param {any} id
   */
  dispatch(command, data, id) {
    const to = this.#handlers;
    const { attributes, channels, clock, friends, rooms, services } = to.features;
    switch (command) {
      case "welcome":
        to.emit("welcome", data);
        break;
      case "userchange":
        friends.changed(data);
        break;
      case "profiles":
        friends.profilesChanged(data);
        break;
      case "invite":
        to.emit("invite", {
          ...data,
          accept: (options = {}) => to.join(data.channel, options),
          decline: () => to.decline(data.channel),
        });
        break;
      case "joined":
        // Only channels have an epoch.
        if (data?.epoch === undefined) rooms.joined(data, id);
        else channels.joined(data, id);
        break;
      case "invitereply":
        rooms.message(command, data);
        to.emit("invitereply", data);
        break;
      case "memberchange":
        if (data?.epoch === undefined) rooms.message(command, data);
        else channels.memberChange(data);
        break;
      case "game":
        rooms.message(command, data);
        break;
      case "message":
        channels.message(data);
        break;
      case "call":
        if (data?.f === "user:message") to.emit("usermessage", data.args);
        void services.called(data, id);
        break;
      case "attributes":
        attributes.changed(data);
        break;
      case "service":
        services.changed(data);
        to.emit("service", data);
        break;
      case "time":
        clock.answered(data);
        break;
      case "goaway":
        to.goaway(data?.reconnect_ms, data?.url);
        to.emit("goaway", data);
        break;
      default:
        // Unknown command of a newer server.
        break;
    }
  }
}
