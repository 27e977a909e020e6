//! Connections in their table: put in, given a socket, parted from their session,
//! closed and released.

use std::sync::atomic::Ordering;

use mio::{Interest, Registry, Token};

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::connection::io::Io;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::life::Details;
use crate::gateway::table::Index;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::{Dispatch, Hooks, Loss};
use crate::gateway::turn::Timer;
use crate::gateway::work::Effect;
use crate::log_limit::LogLimit;
use turntable_core::key::ConnKey;
use turntable_core::reason::CloseReason;
use turntable_core::session::life::Input;

/// How long a closed connection waits for the other end, in ms.
const LINGER_MS: u64 = 3_000;
/// The same for a reader that was too slow, and has to read up to its close
/// frame first.
const LINGER_SLOW_MS: u64 = 30_000;

/// Each client that comes may be one of these.
static NOT_REGISTERED: LogLimit = LogLimit::new();

/// The token of a connection's socket.
fn token(key: ConnKey) -> Token {
    Token(Index::from(key).number() as usize)
}

/// Puts a connection's socket on the poll. The kernel grows send buffers to
/// megabytes, which a reader that has stopped would hold beside its outbox.
fn register(
    registry: &Registry,
    key: ConnKey,
    io: &mut Io,
    send_buffer_bytes: usize,
) -> std::io::Result<()> {
    if let Err(error) = io.limit_send_buffer(send_buffer_bytes) {
        log::debug!("a send buffer could not be limited: {error}");
    }
    let interest = Interest::READABLE | Interest::WRITABLE;
    registry.register(io.source(), token(key), interest)
}

impl Gateway {
    /// Calls a hook of a connection, or does something else with it. What that
    /// leaves is carried out behind it.
    pub(crate) fn with<R>(
        &mut self,
        key: ConnKey,
        hook: impl FnOnce(&mut Connection, &mut Cx<'_>) -> R,
    ) -> Option<R> {
        self.with_at(key, clock::now_ms(), hook)
    }

    /// The same at `now_ms`, which the caller knows.
    pub(crate) fn with_at<R>(
        &mut self,
        key: ConnKey,
        now_ms: u64,
        hook: impl FnOnce(&mut Connection, &mut Cx<'_>) -> R,
    ) -> Option<R> {
        let carrier = self.connections.get(key)?.transport.carrier();
        let (connection, carrier) = match carrier.filter(|key| self.connections.holds(*key)) {
            Some(carrier) => {
                let (connection, other) = self.connections.pair_mut(key, carrier)?;
                (connection, Some((carrier, other)))
            }
            None => (self.connections.get_mut(key)?, None),
        };
        let session = match connection.session() {
            Some(slot) => self.sessions.get_mut(slot).map(|entry| (slot, entry)),
            None => None,
        };
        let mut cx = Cx {
            key,
            now_ms,
            settings: &self.settings,
            encodings: &self.shared.encodings,
            metrics: &self.shared.metrics,
            incomplete: &self.shared.incomplete,
            session,
            carrier,
            lists: &mut self.lists,
            counters: &mut self.counters,
            effects: &mut self.hook_effects,
        };
        let result = hook(connection, &mut cx);
        self.work.extend(self.hook_effects.drain(..).rev());
        Some(result)
    }

    /// Puts a connection into the table, registers its socket and name, and
    /// begins it.
    pub(crate) fn insert(
        &mut self,
        connection: Connection,
        insertion: Insertion,
    ) -> Option<ConnKey> {
        let identifies_in_time =
            connection.is_greeting() && connection.transport.identifies_in_time();
        let is_counted = connection.permit.is_some();
        let label = connection.transport.label(connection.encoding);
        let name = connection.transport.name();
        let key = self.connections.insert(connection);
        self.shared.metrics.connections_of(label).inc();
        if is_counted {
            self.shared.metrics.connections.inc();
        }
        if let Some(name) = name {
            self.shared.peers.put_connection(name, self.id.worker, key);
        }
        self.count_socket(key);
        let io = self.connections.get_mut(key).and_then(|c| c.io.as_mut());
        let bytes = self.settings.send_buffer_bytes;
        let registered = io.map(|io| register(&self.registry, key, io, bytes));
        if let Some(Err(error)) = registered {
            self.not_registered(&error);
            self.release(key);
            return None;
        }
        self.lists.dirty.push(key);
        let is_waiting = self.await_claim(key);
        if identifies_in_time {
            self.await_identification(key);
        }
        if let Insertion::Ending(reason) = insertion {
            self.linger(key, reason);
        }
        let comes_back = self.is_draining()
            && insertion.comes_back()
            && name.is_some_and(|name| self.may_come_back(name));
        let is_refused = self.is_draining() && !comes_back;
        if is_refused {
            // Before its client could identify or resume.
            let error = self.shared.phase.refusal();
            let refuse = |connection: &mut Connection, cx: &mut Cx<'_>| {
                Dispatch::refuse(connection, &error, cx)
            };
            if self.with(key, refuse) == Some(true) {
                return Some(key);
            }
        }
        self.with(key, |connection, cx| insertion.begin(connection, cx));
        if is_refused {
            self.push_effects([Effect::Close(key, CloseReason::GoingAway)]);
        }
        if !is_waiting {
            self.make_room(key);
        }
        Some(key)
    }

    /// The kernel does not watch a socket: it has no memory, or no room for another.
    /// As many clients may come then as want to.
    fn not_registered(&self, error: &std::io::Error) {
        self.shared.metrics.refuse("registration");
        if let Some(left_out) = NOT_REGISTERED.admit(clock::now_ms()) {
            log::warn!("a connection could not be registered: {error}{left_out}");
        }
    }

    /// Gives a connection a socket, in place of the one that it has.
    pub(crate) fn give_socket(&mut self, key: ConnKey, mut io: Io) {
        drop(self.take_socket(key));
        let bytes = self.settings.send_buffer_bytes;
        if let Err(error) = register(&self.registry, key, &mut io, bytes) {
            return self.not_registered(&error);
        }
        if let Some(connection) = self.connections.get_mut(key) {
            connection.io = Some(io);
            connection.queue.set_blocked(false);
            connection.is_read_closed = false;
            self.lists.dirty.push(key);
            self.count_socket(key);
        }
    }

    /// A connection has the socket that it has now, if it has one.
    fn count_socket(&mut self, key: ConnKey) {
        let connection = self.connections.get_mut(key);
        if let Some(connection) = connection.filter(|connection| connection.io.is_some()) {
            if let Some(permit) = &connection.permit {
                permit.open_file();
            }
            self.shared.sockets.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Parts a connection with its socket, which closes unless it is used on.
    pub(crate) fn take_socket(&mut self, key: ConnKey) -> Option<Io> {
        let connection = self.connections.get_mut(key)?;
        let mut io = connection.io.take()?;
        if let Some(permit) = &connection.permit {
            permit.close_file();
        }
        self.shared.sockets.fetch_sub(1, Ordering::Relaxed);
        let _ = self.registry.deregister(io.source());
        Some(io)
    }

    /// Another connection, which has its last frame, takes a connection's socket.
    pub(crate) fn hand_socket_over(
        &mut self,
        key: ConnKey,
        mut ending: Connection,
        reason: CloseReason,
    ) {
        ending.io = self.take_socket(key);
        if ending.io.is_some() {
            self.insert(ending, Insertion::Ending(reason));
        }
    }

    /// Ends a connection's socket in order, and not the connection.
    pub(crate) fn end_socket(&mut self, key: ConnKey) {
        if let Some(mut io) = self.take_socket(key) {
            io.shutdown_write();
        }
    }

    /// A connection takes the place of another of its transport.
    pub(crate) fn merge(&mut self, from: ConnKey, into: ConnKey) {
        if !self.connections.holds(into) {
            return;
        }
        let Some(io) = self.take_socket(from) else {
            return;
        };
        let Some(other) = self.take_out(from) else {
            return;
        };
        self.with(into, |connection, cx| {
            Dispatch::on_merged(connection, other, cx);
        });
        self.push_effects([Effect::GiveSocket(into, io)]);
    }

    /// Takes a connection out of the table and its metrics.
    pub(crate) fn take_out(&mut self, key: ConnKey) -> Option<Connection> {
        let connection = self.connections.remove(key)?;
        let label = connection.transport.label(connection.encoding);
        self.shared.metrics.connections_of(label).dec();
        if connection.permit.is_some() {
            self.shared.metrics.connections.dec();
        }
        Some(connection)
    }

    /// Releases a connection. Its socket closes.
    pub(crate) fn release(&mut self, key: ConnKey) {
        drop(self.take_socket(key));
        // The hook's context is that of a connection without session or carrier.
        let Some(mut connection) = self.take_out(key) else {
            return;
        };
        if let Some(name) = connection.transport.name() {
            self.shared
                .peers
                .remove_connection(name, self.id.worker, key);
        }
        let mut cx = Cx {
            key,
            now_ms: clock::now_ms(),
            settings: &self.settings,
            encodings: &self.shared.encodings,
            metrics: &self.shared.metrics,
            incomplete: &self.shared.incomplete,
            session: None,
            carrier: None,
            lists: &mut self.lists,
            counters: &mut self.counters,
            effects: &mut self.hook_effects,
        };
        Dispatch::released(&mut connection, &mut cx);
        self.work.extend(self.hook_effects.drain(..).rev());
    }

    /// A connection is lost, without another frame.
    pub(crate) fn lose(&mut self, key: ConnKey) {
        match self.with(key, Dispatch::on_lost) {
            Some(Loss::Socket) => drop(self.take_socket(key)),
            Some(Loss::Final) => {
                self.part(key, None);
                self.release(key);
            }
            None => {}
        }
    }

    /// Takes the session off a connection that ends, for a reason or without one; it may be
    /// resumed.
    fn part(&mut self, key: ConnKey, close: Option<CloseReason>) {
        let session = match self
            .connections
            .get(key)
            .map(|connection| &connection.phase)
        {
            Some(Phase::Identifying(session) | Phase::Attached(session)) => *session,
            _ => return,
        };
        let is_retained = self.count_detached(key, session);
        self.note_dropped(session, key, close);
        self.detach(key);
        let input = match is_retained {
            true => Input::Lost(key),
            false => Input::LostForGood(key),
        };
        self.step(session, input, Details::default());
    }

    /// A connection does not carry its session any more.
    pub(crate) fn detach(&mut self, key: ConnKey) {
        let encodings = &self.shared.encodings;
        if let Some(connection) = self.connections.get_mut(key)
            && let Some(session) = connection.session()
            && let Some(entry) = self.sessions.get_mut(session)
        {
            entry.part(connection, encodings, clock::now_ms());
        }
        self.with(key, |connection, cx| {
            if matches!(connection.phase, Phase::Attached(_)) {
                Dispatch::on_detached(connection, cx);
            }
            if matches!(connection.phase, Phase::Attached(_) | Phase::Identifying(_)) {
                connection.phase = Phase::Closing;
            }
        });
    }

    /// Queues the last frame of a connection. Its session may be resumed.
    pub(crate) fn finish(&mut self, key: ConnKey, last: Frame, reason: CloseReason) {
        if self.connections.get(key).is_none_or(Connection::is_closing) {
            return;
        }
        self.part(key, Some(reason));
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.begin_closing(last);
        // Without a socket the end waits for the next request.
        let name = connection
            .transport
            .name()
            .filter(|_| connection.io.is_some());
        if let Some(name) = name {
            self.shared
                .peers
                .remove_connection(name, self.id.worker, key);
        }
        self.lists.dirty.push(key);
        self.shared.metrics.close(reason);
        log::debug!(
            "a connection is closed: {} {}",
            reason.code(),
            reason.name()
        );
        self.linger(key, reason);
        self.with(key, Dispatch::on_closing);
    }

    fn linger(&mut self, key: ConnKey, reason: CloseReason) {
        let linger_ms = match reason {
            CloseReason::TooSlow => LINGER_SLOW_MS,
            _ => LINGER_MS,
        };
        self.wheel
            .set(clock::now_ms() + linger_ms, Timer::Linger(key));
    }

    /// Closes a connection because the server stops; the one that carries it
    /// closes it.
    pub(crate) fn close_draining(&mut self, key: ConnKey) {
        let is_carried = self
            .connections
            .get(key)
            .is_none_or(|connection| connection.transport.carrier().is_some());
        if !is_carried {
            self.push_effects([Effect::Close(key, CloseReason::GoingAway)]);
        }
    }

    /// The connection takes what waits, unless it has to wait on.
    pub(crate) fn continue_connection(&mut self, key: ConnKey) {
        self.with(key, |connection, cx| {
            if !cx.is_paused(connection) {
                Dispatch::on_unpaused(connection, cx);
            }
        });
    }
}
