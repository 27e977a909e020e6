/**
 * Dispatches each received message to its handler.
 * @module
 */

/** @import { Attributes } from "./attributes.js" */
/** @import { Channels } from "./channels.js" */
/** @import { Clock } from "./clock.js" */
/** @import { ClientEvents } from "./events.js" */
/** @import { Friends } from "./friends.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { Rooms } from "./rooms.js" */
/** @import { Services } from "./services.js" */

/**
 * @typedef {object} Handlers
 * @property {<K extends keyof ClientEvents>(event: K, detail: ClientEvents[K]) => void} emit
 * @property {(channel: string, options: JoinOptions) => Promise<Room>} join
 * @property {(channel: string) => void} decline
 * @property {(reconnect_ms: number, url: string | undefined) => void} goaway
 * @property {Friends} friends
 * @property {Rooms} rooms
 * @property {Channels} channels
 * @property {Services} services
 * @property {Attributes} attributes
 * @property {Clock} clock
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
    switch (command) {
      case "welcome":
        to.emit("welcome", data);
        break;
      case "userchange":
        to.friends.changed(data);
        break;
      case "profiles":
        to.friends.profilesChanged(data);
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
        if (data?.epoch === undefined) to.rooms.joined(data, id);
        else to.channels.joined(data, id);
        break;
      case "invitereply":
        to.rooms.message(command, data);
        to.emit("invitereply", data);
        break;
      case "memberchange":
        if (data?.epoch === undefined) to.rooms.message(command, data);
        else to.channels.memberChange(data);
        break;
      case "game":
        to.rooms.message(command, data);
        break;
      case "message":
        to.channels.message(data);
        break;
      case "call":
        if (data?.f === "user:message") to.emit("usermessage", data.args);
        void to.services.called(data, id);
        break;
      case "attributes":
        to.attributes.changed(data);
        break;
      case "service":
        to.services.changed(data);
        to.emit("service", data);
        break;
      case "time":
        to.clock.answered(data);
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
