/**
 * The features that the session carries: rooms, channels, services and others, and what
 * becomes of them when a session begins, goes on, or ends.
 * @module
 */

import { Attributes } from "./attributes.js";
import { Channels } from "./channels.js";
import { Clock } from "./clock.js";
import { DesiredState } from "./desired_state.js";
import { Friends } from "./friends.js";
import { Rooms } from "./rooms.js";
import { Services } from "./services.js";

/** @import { ChannelsHooks } from "./channels.js" */
/** @import { TurntableError } from "./error.js" */
/** @import { SessionOptions } from "./options.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} FeaturesHooks
 * @property {() => string} user the user's id; empty before it is known
 * @property {(error: TurntableError, heard?: boolean) => void} report an error of no call; heard:
 *   whether a listener of another event has it
 * @property {ChannelsHooks} channels
 */

export class Features {
  #desired;

  /**
   * @param {Session} session
   * @param {SessionOptions} options
   * @param {FeaturesHooks} hooks
   */
  constructor(session, { environment, timeout_ms }, { user, report, channels }) {
    this.#desired = new DesiredState(session, (error) => report(error));
    this.clock = new Clock(session, { environment, timeout_ms });
    this.friends = new Friends(session, this.#desired, (error) => report(error));
    this.attributes = new Attributes(session);
    this.services = new Services(session, this.#desired, (error) => report(error));
    this.channels = new Channels(session, channels);
    this.rooms = new Rooms({ session, clock: this.clock, user, report });
  }

  /** The server has none of the rooms, the channels and the running calls any more. */
  reset() {
    this.rooms.reset();
    this.channels.reset();
    this.services.reset();
  }

  /**
   * The session has a connection.
   * @param {boolean} resumed
   */
  restore(resumed) {
    this.#desired.restore(resumed);
    this.rooms.restore(resumed);
    this.channels.restore(resumed);
  }

  /**
   * The client is closed.
   * @param {TurntableError} error
   */
  close(error) {
    this.#desired.close(error);
    this.friends.close(error);
    this.rooms.close(error);
    this.channels.close(error);
  }
}
