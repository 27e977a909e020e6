//! Polls: what waits for a client goes out with the answers to its own calls.
//!
//! A poll's line has no socket. A request brings calls, and is answered when
//! all of them are, with everything that waits then. One request is carried out
//! at a time, so its answer has the answers to its own calls, whatever else its
//! client sent meanwhile. A request that is numbered is answered again as it
//! was when its number comes again: an answer that was lost costs nothing.

use std::collections::VecDeque;
use std::net::IpAddr;

use actix::{Context, Handler, Message};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::dialect::{Dialect, Reader};
use crate::gateway::door::{Command, DoorKind, DoorLine};
use crate::gateway::frame::Frame;
use crate::gateway::lifecycle::Since;
use crate::gateway::peers::Place;
use crate::gateway::slots::Key;
use crate::gateway::{Gateway, Timer};
use turntable_core::id::SessionId;
use turntable_core::packet::{ClientPacket, ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::greeting::Greeting;
use turntable_wire::json_v1;
use turntable_wire::remote_call;

/// Requests of one session that may wait for the one before them.
const WAITING_MAX: usize = 8;

/// What a poll keeps.
#[derive(Debug, Default)]
pub struct PollLine {
    /// The request that is carried out.
    current: Option<Exchange>,
    /// Calls of it that were not answered.
    missing: Vec<RequestId>,
    waiting: VecDeque<Exchange>,
    answered: Option<Answered>,
    /// Unix ms of the last request.
    heard_ms: u64,
}

/// The last numbered request and its answer.
#[derive(Debug)]
pub struct Answered {
    batch: u64,
    /// What the request said it had received, where it took the session over.
    received: Option<u64>,
    body: Bytes,
}

/// A request on its way through.
#[derive(Debug)]
struct Exchange {
    commands: Vec<Command>,
    batch: Option<u64>,
    received: Option<u64>,
    respond: oneshot::Sender<Result<Bytes, Refused>>,
}

/// Why a request is not carried out.
#[derive(Debug)]
pub enum Refused {
    /// With this error.
    Error(ErrorBody),
    /// Its number is older than one that was answered.
    Stale,
}

/// A request to the poll door. One for a new line counts in the census already.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Poll {
    /// The session's name; that of a new one where there is no place.
    pub id: SessionId,
    /// Where it is.
    pub place: Option<Place>,
    /// Whose request it is.
    pub address: IpAddr,
    /// How many messages of the session have come, where the client says so.
    pub received: Option<u64>,
    /// The `id` of a call that asked for the session.
    pub resume_id: Option<RequestId>,
    /// What it brings.
    pub commands: Vec<Command>,
    /// Its number.
    pub batch: Option<u64>,
    /// The answer, a list of entries.
    pub respond: oneshot::Sender<Result<Bytes, Refused>>,
}

impl Handler<Poll> for Gateway {
    type Result = ();

    fn handle(&mut self, poll: Poll, _: &mut Context<Self>) {
        if self.is_draining {
            if poll.place.is_none() {
                self.context.census.leave(poll.address);
            }
            let error = ErrorBody::new(ErrorCode::Unavailable, "the server is stopping");
            let _ = poll.respond.send(Err(Refused::Error(error)));
            return;
        }
        if self.has_moved(&poll) {
            let body = format!("[{}]", close_entry(CloseReason::Replaced));
            let _ = poll.respond.send(Ok(body.into()));
            return;
        }
        let slot = match poll.place {
            None => self.open_poll(poll.id, poll.address),
            Some(place) => self.poll_of(place, &poll),
        };
        let exchange = Exchange {
            commands: poll.commands,
            batch: poll.batch,
            received: poll.received,
            respond: poll.respond,
        };
        match slot {
            Some(slot) => self.queue_exchange(slot, exchange, poll.resume_id),
            None => exchange.refuse(ErrorBody::new(
                ErrorCode::SessionExpired,
                "this session is over, or not all of it is there any more; begin a new one",
            )),
        }
    }
}

impl Exchange {
    fn refuse(self, error: ErrorBody) {
        // Whoever asked may have gone meanwhile.
        let _ = self.respond.send(Err(Refused::Error(error)));
    }
}

impl Gateway {
    fn new_poll(&mut self, id: SessionId, address: IpAddr) -> Option<u32> {
        let poll = PollLine {
            heard_ms: clock::now_ms(),
            ..PollLine::default()
        };
        let mut connection = Connection::new(None, address, Phase::Greeting(Greeting::default()));
        connection.dialect = Dialect::Poll;
        connection.door = Some(Box::new(DoorLine::new(id, DoorKind::Poll(poll))));
        let slot = self.take_in(connection)?;
        self.context.metrics.accepted.inc();
        let key = self.connections.key(slot)?;
        let at_ms = clock::now_ms() + self.settings().poll.gone_ms;
        self.wheel.set(at_ms, Timer::Poll(key));
        Some(slot)
    }

    /// Begins a line whose client has not said who it is.
    fn open_poll(&mut self, id: SessionId, address: IpAddr) -> Option<u32> {
        let slot = self.new_poll(id, address)?;
        let welcome = self.welcome_packet(id, None, false, Vec::new());
        let mut text = Vec::new();
        json_v1::encode(&ServerPacket::Welcome(Box::new(welcome)), None, &mut text);
        let mut entry = Vec::new();
        let parts = std::str::from_utf8(&text).ok().and_then(json_v1::split);
        remote_call::connected(parts.map_or("{}", |parts| parts.data.get()), &mut entry);
        self.push_direct(slot, Frame::raw(&entry));
        Some(slot)
    }

    /// Whether the session goes on over another door, whose client has it now. A
    /// client that wants it back says how much of it has come.
    fn has_moved(&mut self, poll: &Poll) -> bool {
        let session = match poll.place {
            Some(Place::Session(place)) if poll.received.is_none() => self.slot(place),
            _ => None,
        };
        let line = session.and_then(|session| self.sessions.at(session)?.connection);
        line.is_some_and(|slot| self.poll(slot).is_none())
    }

    /// The line of a place; one that takes the session over from another door,
    /// or goes on with one that has none.
    fn poll_of(&mut self, place: Place, poll: &Poll) -> Option<u32> {
        let session = match place {
            Place::Line { key, .. } => {
                let is_there = self.connections.holds(key) && self.poll(key.slot).is_some();
                return is_there.then_some(key.slot);
            }
            Place::Session(place) => self.slot(place)?,
        };
        let line = self.sessions.at(session)?.connection;
        if let Some(slot) = line
            && let Some(known) = self.poll(slot)
        {
            // A takeover is carried out once, like all that is numbered.
            let is_again = poll.batch.is_some()
                && known.answered.as_ref().is_some_and(|answered| {
                    Some(answered.batch) == poll.batch && answered.received == poll.received
                });
            if poll.received.is_none() || is_again {
                return Some(slot);
            }
        }
        let held = self.sessions.at(session)?;
        let kept = held
            .memory
            .as_ref()
            .and_then(|memory| memory.answered.as_ref());
        let is_again = kept
            .is_some_and(|kept| poll.batch == Some(kept.batch) && poll.received == kept.received);
        let since = match poll.received {
            Some(received) if !is_again => Since::Count(received),
            _ => Since::Unwritten,
        };
        let held = self.sessions.at_mut(session)?;
        if !held.can_resume(since) {
            if let Some(slot) = line {
                self.close(slot, CloseReason::SessionExpired);
            }
            self.end_session(session);
            return None;
        }
        let (max, per_address_max) = self.context.settings.lines;
        let census = &self.context.census;
        census.enter(poll.address, max, per_address_max).ok()?;
        let slot = self.new_poll(poll.id, poll.address)?;
        self.resume_here(slot, poll.id, since, poll.resume_id.clone());
        let held = self.sessions.at_mut(session)?;
        let answered = held.memory.as_mut().and_then(|m| m.answered.take());
        if poll.received.is_none() || is_again {
            self.poll(slot)?.answered = answered;
        }
        // Else it is another client, which counts its requests anew.
        Some(slot)
    }

    fn poll(&mut self, slot: u32) -> Option<&mut PollLine> {
        let door = self.connections.at_mut(slot)?.door.as_mut()?;
        match &mut door.kind {
            DoorKind::Poll(poll) => Some(poll),
            _ => None,
        }
    }

    fn queue_exchange(&mut self, slot: u32, exchange: Exchange, answered: Option<RequestId>) {
        let Some(poll) = self.poll(slot) else {
            return;
        };
        poll.heard_ms = clock::now_ms();
        if poll.waiting.len() >= WAITING_MAX {
            return exchange.refuse(ErrorBody::new(
                ErrorCode::TooMany,
                format!("at most {WAITING_MAX} requests of a session may wait"),
            ));
        }
        poll.waiting.push_back(exchange);
        self.next_exchange(slot);
        // A resume is answered before anything else.
        if let Some(id) = answered {
            self.answered(slot, &id);
        }
    }

    /// Carries out the next request, where none is under way.
    fn next_exchange(&mut self, slot: u32) {
        while let Some(poll) = self.poll(slot)
            && poll.current.is_none()
            && let Some(mut exchange) = poll.waiting.pop_front()
        {
            match (exchange.batch, &poll.answered) {
                (Some(batch), Some(known)) if batch == known.batch => {
                    let _ = exchange.respond.send(Ok(known.body.clone()));
                    continue;
                }
                (Some(batch), Some(known)) if batch < known.batch => {
                    let _ = exchange.respond.send(Err(Refused::Stale));
                    continue;
                }
                _ => {}
            }
            let commands = std::mem::take(&mut exchange.commands);
            poll.missing = commands.iter().filter_map(awaited).collect();
            let is_waiting = !poll.missing.is_empty();
            poll.current = Some(exchange);
            self.begin_exchange(slot, commands, is_waiting);
        }
    }

    fn begin_exchange(&mut self, slot: u32, commands: Vec<Command>, is_waiting: bool) {
        if is_waiting && let Some(key) = self.connections.key(slot) {
            let at_ms = clock::now_ms() + self.settings().poll.answer_ms;
            self.wheel.set(at_ms, Timer::Answer(key));
        }
        let session = self.connections.at(slot).and_then(Connection::session);
        if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
            held.is_blocked = false;
        }
        self.take_all(slot, commands);
        self.dirty.push(slot);
    }

    /// A call of a poll was answered.
    pub(super) fn answered(&mut self, slot: u32, id: &RequestId) {
        if let Some(poll) = self.poll(slot)
            && let Some(at) = poll.missing.iter().position(|missing| missing == id)
        {
            poll.missing.swap_remove(at);
            self.dirty.push(slot);
        }
    }

    /// A request has waited long enough: what was not answered comes later.
    pub(super) fn answer_is_due(&mut self, key: Key) {
        if !self.connections.holds(key) {
            return;
        }
        let after_ms = self.settings().poll.answer_ms;
        let now_ms = clock::now_ms();
        if let Some(poll) = self.poll(key.slot)
            && poll.heard_ms + after_ms <= now_ms
        {
            poll.missing.clear();
            self.dirty.push(key.slot);
        }
    }

    /// A poll may have gone.
    pub(super) fn poll_is_due(&mut self, key: Key, now_ms: u64) {
        if !self.connections.holds(key) {
            return;
        }
        let gone_ms = self.settings().poll.gone_ms;
        let Some(poll) = self.poll(key.slot) else {
            return;
        };
        let at_ms = poll.heard_ms + gone_ms;
        if at_ms <= now_ms && poll.current.is_none() {
            log::debug!("a poll has gone");
            return self.lose(key.slot);
        }
        self.wheel.set(at_ms.max(now_ms + 1), Timer::Poll(key));
    }

    /// Answers the request that is carried out, when all its calls are.
    pub(super) fn flush_poll(&mut self, slot: u32) {
        let Some(line) = self.connections.at(slot) else {
            return;
        };
        let (is_paused, session) = (line.is_paused(), line.session());
        let has_backlog = line
            .door
            .as_ref()
            .is_some_and(|door| !door.backlog.is_empty());
        let Some(poll) = self.poll(slot) else {
            return;
        };
        let has_request = poll.current.is_some();
        let is_whole = has_request && poll.missing.is_empty() && !has_backlog && !is_paused;
        if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
            held.is_dirty = false;
            // Between requests changes of presence merge.
            held.is_blocked = !has_request;
        }
        if !is_whole {
            return;
        }
        if let Some(session) = session {
            self.write_changes(session, false);
        }
        self.answer(slot, session);
        self.next_exchange(slot);
    }

    fn answer(&mut self, slot: u32, session: Option<u32>) {
        let Some(exchange) = self.poll(slot).and_then(|poll| poll.current.take()) else {
            return;
        };
        if exchange.respond.is_closed() && exchange.batch.is_none() {
            // Nobody would get it; it goes out with the next answer.
            return;
        }
        let body = self.compose(slot, session);
        self.tally.sent_bytes += body.len() as u64;
        self.tally.writes += 1;
        if let (Some(batch), Some(poll)) = (exchange.batch, self.poll(slot)) {
            poll.answered = Some(Answered {
                batch,
                received: exchange.received,
                body: body.clone(),
            });
        }
        let _ = exchange.respond.send(Ok(body));
        let is_waiting = self.poll(slot).is_some_and(|poll| !poll.waiting.is_empty());
        if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
            held.is_blocked = !is_waiting;
        }
    }

    /// Everything that waits, as a list of entries.
    fn compose(&mut self, slot: u32, session: Option<u32>) -> Bytes {
        let settings = &self.context.settings.session;
        let (kept_max, waiting_max) = (settings.replay_bytes_max, settings.outbox_bytes_max);
        let Some(line) = self.connections.at_mut(slot) else {
            return Bytes::from_static(b"[]");
        };
        let direct = line.take_direct();
        let mut held = session.and_then(|session| self.sessions.at_mut(session));
        let user = held.as_ref().map(|held| &held.session.user);
        let reader = Reader::of(&self.context.dialects, line, user);
        let mut body = vec![b'['];
        let mut count = 0;
        let waiting = held.iter().flat_map(|held| held.outbox.waiting());
        for (index, frame) in direct.iter().chain(waiting).enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(frame.bytes(&reader));
            count = index + 1;
        }
        body.push(b']');
        if let Some(held) = &mut held {
            held.outbox
                .written(count - direct.len().min(count), kept_max);
            held.waiting_bytes_max = u32::try_from(waiting_max).unwrap_or(u32::MAX);
        }
        body.into()
    }

    /// Ends a poll's line: the request under way is told why.
    pub(super) fn close_poll(&mut self, slot: u32, reason: CloseReason) {
        if let Some(line) = self.connections.at_mut(slot) {
            line.push(Frame::raw(close_entry(reason).as_bytes()));
        }
        self.context.metrics.close(reason);
        self.answer(slot, None);
        let waiting = self
            .poll(slot)
            .map(|poll| std::mem::take(&mut poll.waiting));
        for exchange in waiting.into_iter().flatten() {
            exchange.refuse(ErrorBody::new(ErrorCode::SessionExpired, reason.name()));
        }
        self.lose(slot);
    }

    /// What has to outlive a poll's line.
    pub(super) fn keep_answered(&mut self, slot: u32, session: u32) {
        let answered = self.poll(slot).and_then(|poll| poll.answered.take());
        if let (Some(answered), Some(held)) = (answered, self.sessions.at_mut(session)) {
            held.memory.get_or_insert_default().answered = Some(answered);
        }
    }
}

/// What takes the place of a close frame.
fn close_entry(reason: CloseReason) -> String {
    format!(
        r#"{{"f":"$av:close","args":{{"code":{},"reason":"{}"}}}}"#,
        reason.code(),
        reason.name()
    )
}

/// The `id` of a command that is to be answered, whatever comes of it.
fn awaited(command: &Command) -> Option<RequestId> {
    match command {
        Ok(message)
            if matches!(
                message.packet,
                ClientPacket::Reply { .. } | ClientPacket::Game { .. }
            ) =>
        {
            None
        }
        Ok(message) => message.id.clone(),
        Err(error) => error.id.clone(),
    }
}
