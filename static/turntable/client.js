/**
 * The one object a program holds: it puts the session and what is built on it
 * together, and tells what happens.
 * @module
 */

import { Attributes } from "./attributes.js";
import { Channels } from "./channel.js";
import { Clock } from "./clock.js";
import { travelled } from "./doors/door.js";
import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import { Friends } from "./friends.js";
import { Inbox } from "./inbox.js";
import { Kept } from "./kept.js";
import { Life } from "./life.js";
import { Memory } from "./memory.js";
import { settle } from "./options.js";
import { Page } from "./page.js";
import { Pulse } from "./pulse.js";
import { Rooms } from "./room.js";
import { Services, stub } from "./services.js";
import { Session } from "./session.js";

/** @import { Channel, ChannelOptions } from "./channel.js" */
/** @import { DoorName } from "./doors/choice.js" */
/** @import { ClientEvents, ConnectOptions, StateChange, Welcome } from "./events.js" */
/** @import { Down } from "./line.js" */
/** @import { Record as Remembered } from "./memory.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { Functions, ServiceInfo } from "./services.js" */

/** @extends {Emitter<ClientEvents>} */
export class Client extends Emitter {
  #session;
  #kept;
  #rooms;
  #channels;
  #services;
  #pulse;
  #life;
  /** @type {Welcome | undefined} */
  #welcome;
  /** @type {string | undefined} */
  #user;
  /** How the last welcome came about, until it has been told. @type {"first" | "resumed" | "reset"} */
  #how = "first";
  #inbox;
  #page;
  /** @type {Memory | undefined} */
  #memory;
  /** The door of the last welcome. @type {DoorName | undefined} */
  #door;
  #wire;

  /** The first welcome; rejects where the client is closed before it. @readonly @type {Promise<Welcome>} */
  ready;
  /** @readonly @type {Friends} */
  friends;
  /** @readonly @type {Attributes} */
  attributes;
  /** @readonly @type {Clock} */
  clock;

  /**
   * @param {string | URL | undefined} url
   * @param {ConnectOptions} options
   */
  constructor(url, options) {
    super();
    const { session, memory, clock_interval_ms } = settle(url, options);
    const { environment: env, timeout_ms } = session;
    this.#user = options.user;
    this.#wire = options.wire ?? "v1";
    this.#memory = memory && new Memory(memory);
    const remembered = this.#memory?.recall();
    this.#session = new Session(session, {
      opening: () => this.#life.enter("connecting", {}),
      welcome: (welcome, how) => this.#welcomed(welcome, how),
      online: () => this.#online(),
      message: (command, data, id) => this.#message(command, data, id),
      down: (down, fatal) => this.#down(down, fatal),
      fault: (error) => this.#fault(error),
      heard: () => this.#pulse.heard(),
      counted: () => this.#memory?.touch(),
      traffic: ({ direction, kind, what, bytes }) => {
        if (!this.heeds("frame")) return;
        this.emit("frame", { direction, kind, ...travelled(what, bytes), at: env.unix() });
      },
    });
    this.#pulse = new Pulse(
      { environment: env, interval_ms: clock_interval_ms },
      () => this.clock.pulse(),
      () => this.#session.line.drop(4008, "no sign of life from the server"),
    );
    this.#kept = new Kept(this.#session);
    this.clock = new Clock(this.#session, { environment: env, timeout_ms });
    this.friends = new Friends(this.#session, this.#kept);
    this.attributes = new Attributes(this.#session);
    this.#services = new Services(this.#session, this.#kept);
    this.#channels = new Channels(this.#session, this.#kept);
    this.#rooms = new Rooms({
      session: this.#session,
      kept: this.#kept,
      clock: this.clock,
      user: () => this.user ?? "",
      fault: (error) => this.#fault(error),
    });
    this.#life = new Life((change) => this.emit("state", change));
    this.ready = this.#life.ready;
    this.#inbox = new Inbox({
      emit: (event, detail) => this.emit(event, detail),
      join: (channel, options) => this.join(channel, options),
      decline: (channel) => this.decline(channel),
      goaway: (reconnect_ms, url) => this.#session.line.goaway(reconnect_ms, url),
      friends: this.friends,
      rooms: this.#rooms,
      channels: this.#channels,
      services: this.#services,
      attributes: this.attributes,
      clock: this.clock,
    });
    this.#page = new Page(() => this.#session.line.hurry(), this.#memory);
    this.#memory?.begin(() => this.#place());
    const begin = (/** @type {Remembered | undefined} */ record) => {
      this.attributes.recall(record?.welcome?.attributes);
      if (record) this.#session.recall(record);
      if (this.#life.state !== "closed") this.#session.line.open();
    };
    if (remembered instanceof Promise) void remembered.then(begin);
    else begin(remembered);
  }

  get state() {
    return this.#life.state;
  }

  /** Who this is; before the welcome, who it asked to be. @returns {string | undefined} */
  get user() {
    return this.#welcome?.user ?? this.#user;
  }

  /** The session's secret: who has it is this user. @returns {string | undefined} */
  get session() {
    return this.#session.secret;
  }

  /** Name and version of the server. @returns {string | undefined} */
  get server() {
    return this.#welcome?.server;
  }

  /** The server's limits by name. @returns {Record<string, number>} */
  get limits() {
    return this.#welcome?.limits ?? {};
  }

  /** The door in use: `websocket`, `tunnel`, `longpoll` or `poll`. @returns {DoorName | undefined} */
  get door() {
    return this.#door;
  }

  get heartbeat_ms() {
    return this.#welcome?.heartbeat_ms ?? 0;
  }

  /** Whether the server has accepted this user. */
  get authenticated() {
    return this.#welcome !== undefined && Boolean(this.#welcome.user) && this.#life.state !== "closed";
  }

  /**
   * Sends a command of the protocol, awaiting no answer. Offline it is queued.
   * Throws a TurntableError where that cannot be.
   * @param {string} command
   * @param {any} [data]
   */
  send(command, data) {
    this.#session.post(command, data);
  }

  /**
   * Sends a command of the protocol and awaits its answer.
   * @param {string} command
   * @param {any} [data]
   * @returns {Promise<any>} rejects with a TurntableError
   */
  request(command, data) {
    return this.#session.ask(command, data);
  }

  /**
   * Asks at intervals while the poll is the door in use: the server can only
   * answer there. The other doors need none, and nothing is sent by them.
   * @param {number} ms 0: only when there is something to send
   */
  heartbeat(ms) {
    this.#session.line.heartbeat(ms);
  }

  /** Ends the session in order: offline at once for everybody, no reconnection. */
  close() {
    if (this.#life.state === "closed") return;
    this.#session.end();
    this.#memory?.forget();
    this.#close({ reason: "bye", code: 1000 }, new TurntableError("unavailable", "the client was closed"));
  }

  /**
   * Gives a session without identity one.
   * @param {object} credentials
   * @returns {Promise<Welcome>}
   */
  authenticate(credentials) {
    return this.#session.ask("authenticate", { credentials });
  }

  /**
   * Joins a room, creating it where there is none. Kept over reconnections.
   * @param {string} channel
   * @param {JoinOptions} [options]
   * @returns {Promise<Room>}
   */
  join(channel, options = {}) {
    return this.#rooms.join(channel, options);
  }

  /**
   * The room, where it is joined.
   * @param {string} channel
   * @returns {Room | undefined}
   */
  room(channel) {
    return this.#rooms.get(channel);
  }

  /**
   * Declines an invitation.
   * @param {string} channel
   */
  decline(channel) {
    this.send("declineinvite", { channel });
  }

  /**
   * Joins a channel. Kept over reconnections.
   * @param {string} path
   * @param {ChannelOptions} [options]
   * @returns {Promise<Channel>}
   */
  channel(path, options = {}) {
    return this.#channels.join(path, options);
  }

  /**
   * Calls a function of a service, `service:function`.
   * @param {string} f
   * @param {any} [args]
   * @returns {Promise<any>}
   */
  call(f, args) {
    return this.#services.call(f, args);
  }

  /**
   * A service as an object: `tt.service("forum").createPost(args)`.
   * @param {string} name
   * @returns {Record<string, (args?: any) => Promise<any>>}
   */
  service(name) {
    return stub(this.#services, name);
  }

  /** What services the server offers. @returns {ReadonlyMap<string, ServiceInfo>} */
  get services() {
    return this.#services.known;
  }

  /**
   * Offers functions to the server. Kept over reconnections.
   * @param {string} name of the service
   * @param {Functions} functions each takes the call's one argument
   * @returns {Promise<void>} once it has been announced
   */
  provide(name, functions) {
    return this.#services.provide(name, functions);
  }

  /**
   * @param {any} welcome
   * @param {{first: boolean, resumed: boolean, sent: number}} how
   */
  #welcomed(welcome, { first, resumed, sent }) {
    this.#welcome = welcome;
    this.#how = first ? "first" : resumed ? "resumed" : "reset";
    if (!resumed) {
      this.#rooms.reset();
      this.#channels.reset();
    }
    const { live, name } = this.#session.door;
    // By the poll nothing is said unasked, and so nobody is asked unasked.
    if (live) this.#pulse.start(welcome.heartbeat_ms);
    this.#walk(/** @type {DoorName} */ (name));
    this.clock.begin(sent, welcome.time, live);
    welcome.time ??= Math.round(this.clock.now());
    this.attributes.welcomed(welcome.attributes, resumed);
    this.#services.begin(welcome.services);
    // What shall be so comes before what was queued: actions need their room.
    this.#kept.restore(resumed);
    this.friends.restore(resumed);
  }

  /** @param {DoorName} door */
  #walk(door) {
    const previous = this.#door;
    this.#door = door;
    if (door !== previous) this.emit("door", { door, previous, wire: door === "websocket" ? this.#wire : "v1" });
  }

  /** What is kept over a reload of the page. */
  #place() {
    const place = this.#session.place;
    return place && { ...place, welcome: { ...place.welcome, attributes: Object.fromEntries(this.attributes.all) } };
  }

  #online() {
    const welcome = /** @type {Welcome} */ (this.#welcome);
    this.#life.welcomed(welcome);
    this.emit("welcome", welcome);
    if (this.#how !== "first") this.emit(this.#how, welcome);
  }

  /**
   * @param {string} command
   * @param {any} data
   * @param {any} id
   */
  #message(command, data, id) {
    if (command === "welcome") {
      this.#welcome = data;
      this.attributes.begin(data.attributes);
      this.#services.begin(data.services);
    }
    this.#inbox.give(command, data, id);
    this.emit("message", { command, data, ...(id !== undefined && { id }) });
  }

  /**
   * @param {Down} down
   * @param {TurntableError | undefined} fatal
   */
  #down({ code, reason, text, retry_ms }, fatal) {
    this.#pulse.stop();
    this.clock.reset();
    const about = { reason, code, ...(text && { message: text }) };
    if (retry_ms !== undefined) {
      this.#life.enter("offline", { ...about, retry_ms });
      return;
    }
    const error = fatal ?? new TurntableError("unavailable", text || `closed by the server: ${reason}`, { details: { code, reason } });
    if (fatal) this.#fault(fatal);
    this.#close(about, error);
  }

  /**
   * @param {Omit<StateChange, "state" | "previous">} about
   * @param {TurntableError} error
   */
  #close(about, error) {
    this.#pulse.stop();
    this.clock.reset();
    this.#page.end();
    this.#memory?.forget();
    this.#kept.end(error);
    this.friends.end(error);
    this.#life.closed(about, error);
    this.#rooms.end();
    this.#channels.end();
  }

  /** @param {TurntableError} error */
  #fault(error) {
    if (this.heeds("error")) this.emit("error", error);
    else console.warn(`turntable: ${error.command ?? "error"}: ${error.code}: ${error.message}`);
  }
}

/**
 * Begins to connect, and returns at once.
 * @param {string | URL} [url] of the server: ws, wss, http or https; by default
 *   `/ws` on the page's own host
 * @param {ConnectOptions} [options]
 * @returns {Client}
 */
export function connect(url, options = {}) {
  return new Client(url, options);
}
