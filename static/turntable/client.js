/**
 * The client object of a program. It connects the session with the features
 * built on it and emits the events.
 * @module
 */

import { ClientState } from "./client_state.js";
import { Dispatcher } from "./dispatcher.js";
import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import { Features } from "./features.js";
import { Heartbeat } from "./heartbeat.js";
import { addressed, checkInterval, resolveOptions } from "./options.js";
import { PageLifecycle } from "./page_lifecycle.js";
import { stub } from "./services.js";
import { Session } from "./session.js";
import { SessionStore } from "./session_store.js";
import { textAndSize } from "./transports/transport.js";

/** @import { Attributes } from "./attributes.js" */
/** @import { Channel, ChannelOptions } from "./channel.js" */
/** @import { Clock } from "./clock.js" */
/** @import { Disconnection } from "./disconnection.js" */
/** @import { ClientEvents, ConnectOptions, Limits, StateChange, Welcome } from "./events.js" */
/** @import { Friends } from "./friends.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { DirectConnection, Functions, Provided, ServiceInfo } from "./services.js" */
/** @import { StoredSession } from "./session_store.js" */
/** @import { TransportName } from "./transports/registry.js" */

/** @extends {Emitter<ClientEvents>} */
export class Client extends Emitter {
  #session;
  #features;
  #heartbeat;
  #state;
  /** @type {Welcome | undefined} */
  #welcome;
  /** @type {string | undefined} */
  #user;
  /** The kind of the last welcome. @type {"first" | "resumed" | "reset"} */
  #kind = "first";
  #dispatcher;
  #page;
  /** @type {SessionStore | undefined} */
  #store;
  /** The transport of the last welcome. @type {TransportName | undefined} */
  #transport;
  #encoding;
  #closing = false;

  /** The first welcome; rejects if the client is closed before it. @readonly @type {Promise<Welcome>} */
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
    const { session, store, clock_interval_ms } = resolveOptions(url, options);
    const env = session.environment;
    this.#user = options.user ?? session.guest?.user;
    this.#encoding = options.encoding ?? "v1";
    this.#store = store && new SessionStore(store);
    const stored = this.#store?.load();
    this.#session = new Session(session, {
      status: () => this.friends.chosen,
      connecting: () => this.#state.set("connecting", {}),
      welcome: (welcome, how) => this.#welcomed(welcome, how),
      online: () => this.#online(),
      message: (command, data, id) => this.#message(command, data, id),
      disconnected: (disconnection, fatal) => this.#disconnected(disconnection, fatal),
      error: (error) => {
        this.#features.channels.failed(error);
        this.#report(error);
      },
      // An answer to a poll answers every probe.
      activity: () => (this.#session.transport.push ? this.#heartbeat.activity() : this.#heartbeat.answered()),
      rated: () => this.#heartbeat.answered(),
      sent: () => this.#heartbeat.attend(),
      changed: () => this.#store?.changed(),
      traffic: ({ direction, kind, content, bytes }) => {
        if (!this.hasListeners("frame")) return;
        this.emit("frame", { direction, kind, ...textAndSize(content, bytes), at: env.unix() });
      },
    });
    this.#heartbeat = new Heartbeat(
      { environment: env, interval_ms: clock_interval_ms },
      {
        attentive: () => this.#page.visible && (this.#session.awaiting || this.#features.rooms.playing),
        awaiting_since: () => this.#session.awaiting_since,
        probe: () => {
          // A clock exchange over poll measures nothing.
          if (!this.#session.transport.push) return this.#session.connection.probe();
          return this.clock.probe();
        },
        steady: (steady) => this.#state.steady(steady),
        dead: () => this.#session.connection.drop(4008, "no answer of the server to a probe"),
      },
    );
    this.#features = new Features(this.#session, session, {
      user: () => this.user ?? "",
      report: (error, heard) => this.#report(error, heard),
      channels: {
        listening: () => this.hasListeners("channel"),
        given: (channel) => this.emit("channel", channel),
      },
    });
    this.friends = this.#features.friends;
    this.attributes = this.#features.attributes;
    this.clock = this.#features.clock;
    this.#state = new ClientState((change) => this.emit("state", change));
    this.ready = this.#state.ready;
    this.#dispatcher = new Dispatcher({
      emit: (event, detail) => this.emit(event, detail),
      join: (channel, options) => this.join(channel, options),
      decline: (channel) => this.decline(channel),
      goaway: (reconnect_ms, url) => this.#session.connection.goaway(reconnect_ms, url),
      features: this.#features,
    });
    this.#page = new PageLifecycle({
      changed: (network) => this.#changed(network),
      hidden: () => this.#store?.release(),
      restored: () => {
        if (this.#store?.reclaim() === false) this.#session.forget();
      },
    });
    this.#store?.start(() => this.#snapshot());
    const begin = (/** @type {StoredSession | undefined} */ record) => {
      this.attributes.restore(record?.welcome?.attributes);
      if (record) this.#session.restore(record);
      if (!this.#closing) this.#session.connection.open();
    };
    if (stored instanceof Promise) void stored.then(begin);
    else begin(stored);
  }

  /** The state of the connection. */
  get state() {
    return this.#state.current;
  }

  /** The user's id; before the welcome, the requested one, or the guest's of before. @returns {string | undefined} */
  get user() {
    return this.#welcome?.user ?? this.#user;
  }

  /** The session's secret; it grants access to the session. @returns {string | undefined} */
  get session() {
    return this.#session.secret;
  }

  /** Name and version of the server. @returns {string | undefined} */
  get server() {
    return this.#welcome?.server;
  }

  /** The server's limits by name; empty before the first welcome. @returns {Limits} */
  get limits() {
    return this.#welcome?.limits ?? {};
  }

  /** The transport in use: `websocket`, `tunnel`, `longpoll` or `poll`. @returns {TransportName | undefined} */
  get transport() {
    return this.#transport;
  }

  /** The server's heartbeat in ms; 0 before the first welcome. */
  get heartbeat_ms() {
    return this.#welcome?.heartbeat_ms ?? 0;
  }

  /** Time until the next attempt to connect in ms, while `state` is `offline`. @returns {number | undefined} */
  get retry_in_ms() {
    return this.#session.connection.retry.in_ms;
  }

  /** Whether the server has accepted this user. */
  get authenticated() {
    return this.#welcome !== undefined && Boolean(this.#welcome.user) && this.#state.current !== "closed";
  }

  /**
   * Sends a protocol command without waiting for an answer. While offline it is
   * queued. Throws a TurntableError if it can be neither sent nor queued.
   * @param {string} command
   * @param {any} [data]
   */
  send(command, data) {
    this.#session.send(command, data);
  }

  /**
   * Sends a protocol command and waits for its answer.
   * @param {string} command
   * @param {any} [data]
   * @returns {Promise<any>} rejects with a TurntableError
   */
  request(command, data) {
    return this.#session.request(command, data);
  }

  /**
   * Sets the polling interval. It applies to the transport `poll` only, where
   * the server can only answer requests; other transports ignore it.
   * @param {number} ms 0: requests are sent only with messages
   * @throws {TypeError} for anything but a number from 0
   */
  heartbeat(ms) {
    checkInterval(ms);
    this.#session.connection.heartbeat(ms);
  }

  /**
   * While offline, tries to connect now instead of in `retry_in_ms`. While online,
   * checks whether the server answers.
   */
  retryNow() {
    this.#changed(false);
  }

  /** Ends the session: the user is offline immediately, and the client does not reconnect. */
  close() {
    if (this.#closing) return;
    this.#session.close();
    this.#store?.clear();
    this.#close({ reason: "bye", code: 1000 }, new TurntableError("unavailable", "the client was closed"));
  }

  /**
   * Identifies an anonymous session, or renews its credentials.
   * @param {object} credentials
   * @returns {Promise<Welcome>}
   */
  authenticate(credentials) {
    return this.#session.authenticate(credentials);
  }

  /**
   * Joins a room, which the first member creates; joins again after a reconnection.
   * @param {string} channel
   * @param {JoinOptions} [options]
   * @returns {Promise<Room>}
   */
  join(channel, options) {
    return this.#features.rooms.join(channel, options ?? {});
  }

  /**
   * A joined room: the object of the holder that joined first.
   * @param {string} channel
   * @returns {Room | undefined} undefined if the room is not joined
   */
  room(channel) {
    return this.#features.rooms.get(channel);
  }

  /**
   * Declines an invitation.
   * @param {string} channel
   */
  decline(channel) {
    this.send("declineinvite", { channel });
  }

  /**
   * Joins a channel; joins again after a reconnection.
   * @param {string} path
   * @param {ChannelOptions} [options]
   * @returns {Promise<Channel>}
   */
  channel(path, options) {
    return this.#features.channels.join(path, options ?? {});
  }

  /**
   * Calls a function of a service, or one that another user offers.
   * @param {string} f `service:function`
   * @param {any} [args]
   * @param {{user?: string}} [options] user: whose function it is; undefined: a service's
   * @returns {Promise<any>} rejects with a TurntableError
   */
  call(f, args, { user } = {}) {
    return this.#features.services.call(f, args, user);
  }

  /**
   * A service as an object: `tt.service("forum").createPost(args)`.
   * @param {string} name
   * @returns {Record<string, (args?: any) => Promise<any>>}
   */
  service(name) {
    return stub(this.#features.services, name);
  }

  /**
   * Asks for a direct connection to a service whose `services` entry has a `url`: the
   * service is shown the token.
   * @param {string} service
   * @returns {Promise<DirectConnection>} rejects with a TurntableError
   */
  direct(service) {
    return this.#features.services.direct(service);
  }

  /** The server's services by name. @returns {ReadonlyMap<string, ServiceInfo>} */
  get services() {
    return this.#features.services.known;
  }

  /**
   * Provides functions that the server can call. The client provides them again
   * after a reconnection.
   * @param {string} name of the service
   * @param {Functions} functions each receives the call's argument,
   *   and the user and an abort signal
   * @returns {Promise<Provided>} the names of which the client is an instance now, and those that are
   *   functions of its user, when the server has confirmed
   */
  provide(name, functions) {
    return this.#features.services.provide(name, functions);
  }

  /**
   * Ends what `provide` began: the server gives the client no more calls of the
   * service, and those that it has are answered.
   * @param {string} name of the service
   * @returns {Promise<void>} resolves when they are answered
   */
  withdraw(name) {
    return this.#features.services.withdraw(name);
  }

  /**
   * @param {any} welcome
   * @param {{first: boolean, resumed: boolean, sent: number}} how
   */
  #welcomed(welcome, { first, resumed, sent }) {
    this.#welcome = welcome;
    this.#kind = first ? "first" : resumed ? "resumed" : "reset";
    if (!resumed) this.#features.reset();
    const { push, name } = this.#session.transport;
    this.#heartbeat.start(welcome.heartbeat_ms);
    this.#setTransport(/** @type {TransportName} */ (name));
    // A listener may have closed the client, here and wherever an event was emitted.
    if (this.#closing) return;
    this.clock.start(sent, welcome.time, push);
    welcome.time ??= Math.round(this.clock.now());
    this.attributes.welcomed(welcome.attributes, resumed);
    if (this.#closing) return;
    this.#features.services.replace(welcome.services);
    // Joins go before the queued messages: actions require membership.
    this.#features.restore(resumed);
    this.friends.restore(resumed);
  }

  /**
   * The session has another identity, or the same for longer.
   * @param {Welcome} welcome
   */
  #welcomedAgain(welcome) {
    // What belonged to the user before, the server has left. What is watched goes on.
    const is_another = this.#welcome?.user !== welcome.user;
    this.#welcome = welcome;
    if (is_another) this.#features.reset();
    this.attributes.replace(welcome.attributes);
    this.#features.services.replace(welcome.services);
    // A listener may have closed the client.
    if (is_another && !this.#closing) this.#features.restore(false);
  }

  /**
   * The network or the visibility of the page has changed.
   * @param {boolean} network whether it is another network
   */
  #changed(network) {
    this.clock.check();
    this.#session.check();
    this.#heartbeat.attend();
    this.#heartbeat.check();
    this.#session.connection.changed(network);
  }

  /** @param {TransportName} transport */
  #setTransport(transport) {
    const previous = this.#transport;
    this.#transport = transport;
    const encoding = transport === "websocket" ? this.#encoding : "v1";
    if (transport !== previous) this.emit("transport", { transport, previous, encoding });
  }

  /** What is stored for the next page. */
  #snapshot() {
    const snapshot = this.#session.snapshot;
    return snapshot && { ...snapshot, welcome: { ...snapshot.welcome, attributes: Object.fromEntries(this.attributes.all) } };
  }

  #online() {
    const welcome = /** @type {Welcome} */ (this.#welcome);
    this.#state.welcomed(welcome);
    this.emit("welcome", welcome);
    if (this.#kind !== "first") this.emit(this.#kind, welcome);
  }

  /**
   * @param {string} command
   * @param {any} data
   * @param {any} id
   */
  #message(command, data, id) {
    if (command === "time") this.#heartbeat.answered();
    if (command === "welcome") this.#welcomedAgain(data);
    this.#dispatcher.dispatch(command, data, id);
    this.emit("message", { command, data, ...(id !== undefined && { id }) });
  }

  /**
   * @param {Disconnection & {details?: any}} disconnection
   * @param {TurntableError | undefined} fatal
   */
  #disconnected({ code, reason, text, details: said, retry_ms }, fatal) {
    this.#heartbeat.stop();
    this.clock.reset();
    const details = { reason, code, ...(text && { message: text }), ...(said && { details: said }) };
    if (retry_ms !== undefined) {
      this.#state.set("offline", { ...details, retry_ms });
      return;
    }
    const error = fatal ?? new TurntableError("unavailable", text || `closed by the server: ${reason}`, { details: { code, reason, ...said } });
    if (fatal) this.#report(fatal);
    this.#close(details, error);
  }

  /**
   * Nothing is emitted behind the `closed` state.
   * @param {Omit<StateChange, "state" | "previous">} details
   * @param {TurntableError} error
   */
  #close(details, error) {
    if (this.#closing) return;
    this.#closing = true;
    this.#heartbeat.stop();
    this.clock.reset();
    this.#page.close();
    this.#store?.clear();
    this.#features.close(error);
    this.#state.closed(details, error);
    this.mute();
    this.#session.gate.closed = true;
  }

  /**
   * @param {TurntableError} error of no call
   * @param {boolean} [heard] whether a listener of another event has it: then the console does not need it
   */
  #report(error, heard = false) {
    if (this.#state.current === "closed") return;
    if (this.hasListeners("error")) this.emit("error", error);
    // What close() drops needs no line each.
    else if (!heard && !this.#session.ending) console.warn(`turntable: ${error.command ?? "error"}: ${error.code}: ${error.message}`);
  }
}

/**
 * Creates a client and starts connecting. Throws a TypeError for invalid options.
 * @param {string | URL | ConnectOptions} [url] of the server: ws, wss, http or https; by default
 *   `/ws` on the page's host. May be left out before the options.
 * @param {ConnectOptions} [options]
 * @returns {Client}
 */
export function connect(url, options) {
  return new Client(...addressed(url, options));
}
