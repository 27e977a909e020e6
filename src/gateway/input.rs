//! What clients send: from a readable socket to the owner of each command.
//!
//! Everything here is bounded per turn. A connection that waits for its
//! identification reads nothing on, so commands sent right behind `idme` are
//! taken after its `welcome`.

use std::ops::ControlFlow;

use mio::event::Event;

use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::dialect::Dialect;
use crate::gateway::door::Command;
use crate::gateway::frame::Frame;
use crate::gateway::{Gateway, Timer};
use turntable_core::packet::{ClientMessage, ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::Refusal;
use turntable_core::session::greeting::{Greeting, GreetingStep};
use turntable_wire::json_v1;
use turntable_wire::msgpack_v2;
use turntable_wire::websocket::{DecodeLimits, Decoder, Message, Role};

/// Reads of one connection in one turn; what is left comes behind the others.
const READS_MAX: usize = 4;

impl Gateway {
    /// A socket can be read or written.
    pub(super) fn socket_event(&mut self, event: &Event) {
        let slot = event.token().0 as u32;
        if event.is_writable()
            && let Some(connection) = self.connections.at_mut(slot)
            && connection.is_blocked
        {
            connection.is_blocked = false;
            self.dirty.push(slot);
            let session = connection.session();
            if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
                held.is_blocked = false;
                if !held.changed.is_empty() {
                    self.changed.extend(session);
                }
            }
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            if let Some(connection) = self.connections.at_mut(slot) {
                connection.is_read_closed |= event.is_read_closed() || event.is_error();
            }
            self.read(slot);
        }
    }

    /// Reads what was left by the turns before. Returns whether there is more.
    pub(super) fn read_on(&mut self) -> bool {
        for slot in std::mem::take(&mut self.unread) {
            if let Some(connection) = self.connections.at_mut(slot)
                && std::mem::take(&mut connection.has_unread)
            {
                self.read(slot);
            }
        }
        !self.unread.is_empty()
    }

    /// Sees to it that a connection is read next turn.
    pub(super) fn mark_unread(&mut self, slot: u32) {
        if let Some(connection) = self.connections.at_mut(slot)
            && !std::mem::replace(&mut connection.has_unread, true)
        {
            self.unread.push(slot);
        }
    }

    fn read(&mut self, slot: u32) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..READS_MAX {
            let Some(connection) = self.connections.at_mut(slot) else {
                break;
            };
            if connection.is_paused() {
                // Read when the pause ends: the socket tells it only once.
                connection.has_unread = true;
                break;
            }
            if connection
                .door
                .as_ref()
                .is_some_and(|door| !door.has_frames())
            {
                self.read_door(slot, &mut buffer);
                break;
            }
            match connection.read(&mut buffer) {
                Ok(None) => break,
                Ok(Some(0)) | Err(_) => {
                    self.lose(slot);
                    break;
                }
                Ok(Some(count)) => {
                    self.tally.received_bytes += count as u64;
                    self.was_read = true;
                    let is_read_closed = connection.is_read_closed;
                    self.feed(slot, buffer.get_mut(..count).unwrap_or_default());
                    // Read short of the buffer, the socket is empty, and tells
                    // when it is not; but of its end it told already.
                    if count < buffer.len() && !is_read_closed {
                        break;
                    }
                }
            }
            self.mark_unread(slot);
        }
        self.buffer = buffer;
    }

    /// Ends the pause of a connection: what was held back comes first.
    pub(super) fn unpause(&mut self, slot: u32) {
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        if connection.door.is_some() {
            self.take_backlog(slot);
            self.resume_carrier(slot);
        } else if let Some(mut held) = connection.held.take() {
            self.feed(slot, &mut held);
        }
        if let Some(connection) = self.connections.at_mut(slot)
            && std::mem::take(&mut connection.has_unread)
        {
            self.mark_unread(slot);
        }
    }

    /// Takes bytes of a connection.
    pub(super) fn feed(&mut self, slot: u32, input: &mut [u8]) {
        let mut held;
        let mut rest = input;
        // A client may put as many as it likes behind each other.
        while self.feed_to_resume(slot, rest) {
            held = self
                .connections
                .at_mut(slot)
                .and_then(|connection| connection.held.take())
                .unwrap_or_default();
            if held.is_empty() {
                return;
            }
            rest = &mut held;
        }
    }

    /// Takes bytes up to a `resume`, which is carried out here. Returns whether
    /// it was; what is behind it is held.
    fn feed_to_resume(&mut self, slot: u32, input: &mut [u8]) -> bool {
        let limits = DecodeLimits {
            message_bytes_max: self.settings().message_bytes_max,
        };
        let Some(connection) = self.connections.at_mut(slot) else {
            return false;
        };
        connection.was_heard = true;
        // Taken out for the call, as a message may do anything to its connection.
        let idle = Decoder::new(Role::Server);
        let mut decoder = std::mem::replace(&mut connection.decoder, idle);
        let result = decoder.feed(input, &limits, &mut |message| self.message(slot, message));
        match result {
            Ok(consumed) => self.keep(slot, decoder, input.get(consumed..).unwrap_or_default()),
            Err(error) => {
                self.close(slot, error.into());
                false
            }
        }
    }

    /// Puts the decoder back, with what it was not to read yet. Returns whether
    /// a `resume` was carried out.
    fn keep(&mut self, slot: u32, decoder: Decoder, rest: &[u8]) -> bool {
        let resume = self.resuming.take();
        let Some(connection) = self.connections.at_mut(slot) else {
            return false;
        };
        connection.decoder = decoder;
        if !rest.is_empty() && !connection.is_closing() {
            connection.held = Some(rest.into());
        }
        let Some((session, received, id)) = resume else {
            self.run_errand();
            return false;
        };
        self.resume(slot, session, received, id);
        true
    }

    fn message(&mut self, slot: u32, message: Message<'_>) -> ControlFlow<()> {
        let Some(connection) = self.connections.at_mut(slot) else {
            return ControlFlow::Break(());
        };
        if connection.is_closing() {
            if matches!(message, Message::Close { .. }) {
                self.lose(slot);
                return ControlFlow::Break(());
            }
            return ControlFlow::Continue(());
        }
        let is_echo = matches!(connection.phase, Phase::Echo);
        let dialect = connection.dialect;
        let is_engine = connection.door.is_some();
        match message {
            message if is_engine => self.engine_frame(slot, message),
            Message::Text(text) if is_echo => self.send_back(slot, text.as_bytes(), true),
            Message::Binary(bytes) if is_echo => self.send_back(slot, bytes, false),
            Message::Text(_) if dialect == Dialect::MsgpackV2 => {
                self.close(slot, CloseReason::Unsupported);
            }
            Message::Text(text) => self.command(slot, text),
            Message::Binary(bytes) if dialect == Dialect::MsgpackV2 => {
                self.command_v2(slot, bytes);
            }
            Message::Binary(_) => self.close(slot, CloseReason::Unsupported),
            Message::Ping(payload) => self.push_direct(slot, Frame::pong(payload)),
            Message::Pong(payload) => self.pong(slot, payload),
            Message::Close { code, .. } => self.close_back(slot, code),
        }
        match self.connections.at(slot) {
            Some(connection)
                if connection.is_paused() || self.resuming.is_some() || self.errand.is_some() =>
            {
                ControlFlow::Break(())
            }
            Some(_) => ControlFlow::Continue(()),
            None => ControlFlow::Break(()),
        }
    }

    fn send_back(&mut self, slot: u32, payload: &[u8], text: bool) {
        self.push_direct(slot, Frame::echo(payload, text));
    }

    /// Sends a ping that measures the way there and back.
    pub(super) fn ping(&mut self, slot: u32) {
        // Microseconds: the mark is also the time it was sent.
        let mark = (clock::now_exact_ms() * 1000.0) as u64;
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.ping = mark;
        }
        self.push_direct(slot, Frame::ping(mark));
    }

    fn pong(&mut self, slot: u32, payload: &[u8]) {
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        // A pong that nobody asked for says that its sender lives, no more.
        if connection.ping == 0 || payload != connection.ping.to_be_bytes() {
            return;
        }
        let sent_ms = std::mem::take(&mut connection.ping) as f64 / 1000.0;
        let session = connection.session();
        if let Some(held) = session.and_then(|session| self.sessions.at_mut(session))
            && held.session.has_rooms()
        {
            let now_ms = clock::now_exact_ms();
            held.session
                .clock()
                .round_trip((now_ms - sent_ms).max(0.0), now_ms);
        }
    }

    /// While a session is in a room its connection is pinged in a fixed
    /// cadence, to know the way to its client.
    pub(super) fn measure_clock(&mut self, slot: u32, session: u32) {
        if self
            .connections
            .at(slot)
            .is_some_and(|line| line.door.is_some())
        {
            // Only WebSockets have pings that the other end answers by itself.
            return;
        }
        let is_in_room = self
            .sessions
            .at(session)
            .is_some_and(|held| held.session.has_rooms());
        let key = self.connections.key(slot);
        let connection = self.connections.at_mut(slot);
        let (true, Some(key), Some(connection)) = (is_in_room, key, connection) else {
            return;
        };
        // Other doors have no such pings.
        if connection.door.is_some() || std::mem::replace(&mut connection.is_measured, true) {
            return;
        }
        // One ping at a time: an answer on its way is as good.
        if connection.ping == 0 {
            self.ping(slot);
        }
        let at_ms = clock::now_ms() + self.settings().session.clock_ping_ms;
        self.wheel.set(at_ms, Timer::ClockPing(key));
    }

    fn command_v2(&mut self, slot: u32, bytes: &[u8]) {
        let limits = msgpack_v2::DecodeLimits {
            depth_max: self.settings().session.depth_max,
            message_bytes_max: self.settings().message_bytes_max,
        };
        self.take(slot, msgpack_v2::decode(bytes, &limits));
    }

    fn command(&mut self, slot: u32, text: &str) {
        let limits = json_v1::DecodeLimits {
            depth_max: self.settings().session.depth_max,
        };
        self.take(slot, json_v1::decode(text, &limits));
    }

    /// A command of a line, from whatever door it came.
    pub(super) fn take(&mut self, slot: u32, command: Command) {
        let now_ms = clock::now_ms();
        match command {
            Err(error) => {
                let id = error.id.clone();
                self.refuse(slot, error.into(), id);
            }
            Ok(message) => {
                if let Some(counter) = self.commands.get(message.packet.name()) {
                    counter.inc();
                }
                match self.connections.at(slot).map(|c| &c.phase) {
                    Some(Phase::Greeting(_)) => self.greet(slot, message, now_ms),
                    Some(Phase::Session(session)) => {
                        let session = *session;
                        self.serve(slot, session, message, now_ms);
                    }
                    _ => {}
                }
            }
        }
    }

    fn greet(&mut self, slot: u32, message: ClientMessage, now_ms: u64) {
        let ClientMessage { id, packet } = message;
        let settings = &self.context.settings;
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        let has_door = connection.door.is_some();
        let Phase::Greeting(greeting) = &mut connection.phase else {
            return;
        };
        match greeting.receive(packet, now_ms, &settings.session, &settings.limits) {
            Ok(GreetingStep::Identify {
                user,
                credentials,
                attributes,
            }) => match self.context.portal.identify(&user, credentials.as_ref()) {
                Ok(()) => self.identify(slot, user, attributes, id),
                Err(error) => self.refuse(slot, error.of("idme"), id),
            },
            // The connection may move to another worker, so the decoder has to
            // be back in its place first.
            Ok(GreetingStep::Resume { session, received }) if !has_door => {
                self.resuming = Some((session, received, id));
            }
            Ok(GreetingStep::Resume { session, received }) if self.carrier(slot).is_some() => {
                self.resume_namespace(slot, session, received, id);
            }
            Ok(GreetingStep::Resume { .. }) => {
                let error = ErrorBody::new(
                    ErrorCode::BadMessage,
                    "over this door a session is resumed by naming it when the line begins",
                );
                self.refuse(slot, error.of("resume"), id);
            }
            Ok(GreetingStep::Answer(packet)) => self.send_direct(slot, &packet, id.as_ref()),
            Ok(GreetingStep::Bye) => self.close(slot, CloseReason::Bye),
            Err(refusal) => self.answer_refusal(slot, refusal, id),
        }
    }

    /// Refuses a command of a connection in any phase.
    pub(super) fn refuse(&mut self, slot: u32, error: ErrorBody, id: Option<RequestId>) {
        let now_ms = clock::now_ms();
        let settings = &self.context.settings.session;
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        let refusal = match &mut connection.phase {
            Phase::Greeting(greeting) => greeting.refuse(error, now_ms, settings),
            Phase::Session(session) => match self.sessions.at_mut(*session) {
                Some(held) => held.session.refuse(error, now_ms, settings),
                None => return,
            },
            _ => return,
        };
        self.answer_refusal(slot, refusal, id);
    }

    /// Refuses something before there is a session.
    pub(super) fn refuse_direct(&mut self, slot: u32, error: ErrorBody, id: Option<RequestId>) {
        if let Some(connection) = self.connections.at_mut(slot)
            && !matches!(connection.phase, Phase::Greeting(_))
        {
            connection.phase = Phase::Greeting(Greeting::default());
        }
        self.refuse(slot, error, id);
    }

    pub(super) fn answer_refusal(&mut self, slot: u32, refusal: Refusal, id: Option<RequestId>) {
        let Refusal { error, close } = refusal;
        self.context.metrics.error(error.code);
        let packet = ServerPacket::Error(error);
        if let ServerPacket::Error(error) = &packet
            && self.refuse_opening(slot, error)
        {
            return;
        }
        match self.connections.at(slot).and_then(Connection::session) {
            Some(session) => self.send(session, &packet, id.as_ref()),
            None => self.send_direct(slot, &packet, id.as_ref()),
        }
        if let Some(reason) = close {
            self.flush_connection(slot);
            self.close(slot, reason);
        }
    }
}
