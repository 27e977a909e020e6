//! The life of sessions: identified, dropped, resumed, ended.
//!
//! ```text
//! Greeting -> Identifying -> Session -> (dropped -> resumed)* -> ended
//! ```

use std::collections::VecDeque;
use std::num::NonZeroU64;

use crate::clock;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::frame::{Frame, Message};
use crate::gateway::tunnel::DATAGRAMS_MAX;
use crate::gateway::{Gateway, Held, Timer};
use turntable_core::call::{AvatarCall, RoomCall};
use turntable_core::id::{MessageId, SessionId, UserId};
use turntable_core::key::SessionKey;
use turntable_core::packet::{ErrorBody, RequestId, ServerPacket, Welcome};
use turntable_core::payload::Payload;
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::Session;
use turntable_core::session::greeting::Greeting;
use turntable_core::session::outbox::Outbox;

/// From where on a client wants its session's messages again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Behind that many, as `resume` counts them.
    Count(u64),
    /// Behind so many, on a tunnel, whose header takes the place of a
    /// `welcome`.
    TunnelCount(u64),
    /// Behind a datagram.
    Datagram(MessageId),
    /// All that is kept: the client can tell which it has.
    Kept,
    /// What was never written.
    Unwritten,
}

impl Since {
    /// Whether the client is told with a `welcome` that it is in.
    const fn is_told(self) -> bool {
        matches!(self, Self::Count(_) | Self::Kept)
    }
}

impl Held {
    /// The unnumbered datagrams of its tunnel, where it has one.
    pub(super) fn datagrams(&self) -> Option<&VecDeque<(MessageId, u64)>> {
        self.memory.as_ref()?.datagrams.as_ref()
    }

    /// Notes that a client has got so many messages, the last of which will be
    /// forgotten: it may come back by the id of that one's datagram.
    pub(super) fn note_received(&mut self, received: u64) {
        let last = self.outbox.numbered_frame(received);
        let id = last.and_then(Frame::as_message).and_then(Message::told_id);
        if let (Some(id), Some(datagrams)) = (id, self.datagrams_mut()) {
            if datagrams.len() == DATAGRAMS_MAX {
                datagrams.pop_front();
            }
            datagrams.push_back((id, received));
        }
    }

    /// Whether unnumbered datagrams went out behind this one; one of them may
    /// have been a `welcome`.
    fn is_unwelcomed(&self, id: MessageId) -> bool {
        let sent = self.datagrams().into_iter().flatten().rev();
        let behind = sent.take_while(|(known, _)| *known != id).count();
        let is_known = self.datagrams().is_some_and(|sent| behind < sent.len());
        is_known && behind > 0
    }

    /// Whether a client gets all behind a point.
    pub(super) fn can_resume(&self, since: Since) -> bool {
        self.received(since)
            .is_some_and(|received| self.outbox.can_rewind(received))
    }

    /// The same, to note one.
    fn datagrams_mut(&mut self) -> Option<&mut VecDeque<(MessageId, u64)>> {
        self.memory.as_mut()?.datagrams.as_mut()
    }

    /// How many messages its client has got.
    fn received(&self, since: Since) -> Option<u64> {
        match since {
            Since::Count(received) | Since::TunnelCount(received) => Some(received),
            Since::Kept => self.outbox.acknowledged(),
            Since::Unwritten => Some(self.outbox.sent()),
            Since::Datagram(id) => {
                let direct = self.datagrams().into_iter().flatten();
                let direct = direct.rev().find(|(known, _)| *known == id);
                match direct {
                    Some((_, number)) => Some(*number),
                    None => self
                        .outbox
                        .find(|frame| frame.as_message().is_some_and(|message| message.is(id))),
                }
            }
        }
    }
}

impl Gateway {
    /// Begins a session for a claim that stands, and asks the avatar in.
    pub(super) fn identify(
        &mut self,
        slot: u32,
        user: UserId,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        // A line that has a name already was promised it for its session.
        let name = match self.connections.at(slot).and_then(|c| c.door.as_ref()) {
            Some(door) if self.context.peers.find(door.id).is_none() => Some(door.id),
            _ => SessionId::random(),
        };
        let (Some(name), Some(key)) = (name, SessionKey::random()) else {
            return self.close(slot, CloseReason::Internal);
        };
        let session = Session::new(name, key, user.clone());
        let held = Held {
            outbox: Outbox::default(),
            connection: Some(slot),
            is_dirty: false,
            is_blocked: false,
            is_read_alone: false,
            is_live: false,
            is_idle: false,
            waiting_bytes_max: u32::try_from(self.settings().session.outbox_bytes_max)
                .unwrap_or(u32::MAX),
            mark: 0,
            changed: Vec::new(),
            unknown: 0,
            watching: Vec::new(),
            subscribed: None,
            active_ms: clock::now_ms(),
            dropped_ms: None,
            memory: None,
            backups: None,
            session,
        };
        let key = self.sessions.insert(held);
        self.context.metrics.sessions.inc();
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.phase = Phase::Identifying(key.slot);
        }
        self.attach(key.slot, attributes, id);
    }

    /// Asks the avatar to take a session in (again).
    pub(super) fn attach(
        &mut self,
        slot: u32,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        let (Some(caller), Some(held)) = (self.caller(slot), self.sessions.at(slot)) else {
            return;
        };
        let attach = AvatarCall::Attach {
            caller,
            attributes,
            id,
        };
        self.context.owners.avatar(&held.session.user, attach);
    }

    /// The avatar took the session in.
    pub(super) fn attached(
        &mut self,
        session: u32,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        let place = self.place(session);
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        let (is_first, name) = (!held.is_live, held.session.id);
        let Some(slot) = held.connection else {
            return;
        };
        if is_first {
            held.is_live = true;
            if let Some(place) = place {
                self.context.peers.put(name, place);
            }
            self.begin(slot, session);
            self.await_idle(session);
            self.open_tunnel(slot);
            log::debug!("{name:?} begins");
        }
        self.welcome(slot, session, false, attributes, id);
        if is_first {
            self.unpause(slot);
        }
    }

    /// The avatar did not take the session in.
    pub(super) fn not_attached(&mut self, session: u32, error: &ErrorBody, id: Option<RequestId>) {
        let Some(slot) = self.sessions.at(session).and_then(|held| held.connection) else {
            return;
        };
        if self.sessions.at(session).is_some_and(|held| held.is_live) {
            return self.send_error(session, error.clone(), id);
        }
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.phase = Phase::Greeting(Greeting::default());
        }
        self.forget_session(session);
        if self.refuse_opening(slot, error) {
            return;
        }
        self.refuse_direct(slot, error.clone(), id);
        self.unpause(slot);
    }

    /// A connection carries a session from here on.
    fn begin(&mut self, slot: u32, session: u32) {
        let at_ms = clock::now_ms() + self.settings().session.heartbeat_ms;
        let mut has_heartbeat = true;
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.phase = Phase::Session(session);
            // Other doors have their own signs of life.
            has_heartbeat = connection.door.is_none();
        }
        if has_heartbeat && let Some(key) = self.connections.key(slot) {
            self.wheel.set(at_ms, Timer::Heartbeat(key));
        }
    }

    fn welcome(
        &mut self,
        slot: u32,
        session: u32,
        resumed: bool,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        let Some(held) = self.sessions.at(session) else {
            return;
        };
        let (name, user) = (held.session.id, held.session.user.clone());
        let welcome = self.welcome_packet(name, Some(user), resumed, attributes);
        self.send_direct(slot, &ServerPacket::Welcome(Box::new(welcome)), id.as_ref());
    }

    /// What a client is told when it is in, or, without a user, may come in.
    pub(super) fn welcome_packet(
        &self,
        session: SessionId,
        user: Option<UserId>,
        resumed: bool,
        attributes: Vec<(Box<str>, Payload)>,
    ) -> Welcome {
        Welcome {
            user,
            session,
            resumed,
            time_ms: clock::now_ms(),
            heartbeat_ms: self.settings().session.heartbeat_ms,
            attributes,
            limits: self.settings().announced.clone(),
            server: concat!("turntable/", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// Brings a connection to the session it wants back, wherever that is.
    pub(super) fn resume(
        &mut self,
        slot: u32,
        session: SessionId,
        received: u64,
        id: Option<RequestId>,
    ) {
        match self.context.peers.find(session) {
            Some(place) if place.gateway != self.id => {
                self.hand_over(slot, place.gateway.worker, session, received, id);
            }
            _ => self.resume_here(slot, session, Since::Count(received), id),
        }
    }

    pub(super) fn resume_here(
        &mut self,
        slot: u32,
        name: SessionId,
        since: Since,
        id: Option<RequestId>,
    ) {
        let session = self
            .context
            .peers
            .find(name)
            .and_then(|place| self.slot(place));
        let expired = |gateway: &mut Self, id| {
            let error = ErrorBody::new(
                ErrorCode::SessionExpired,
                "this session cannot be resumed; identify with idme",
            )
            .of("resume");
            if !gateway.refuse_opening(slot, &error) {
                gateway.refuse_direct(slot, error, id);
            }
        };
        let Some(session) = session else {
            return expired(self, id);
        };
        let Some(held) = self.sessions.at(session) else {
            return expired(self, id);
        };
        let before = held.connection;
        let received = held
            .received(since)
            .filter(|received| held.outbox.can_rewind(*received));
        let is_whole = received.is_some();
        // What the old line never wrote of its own, its `welcome` may be there.
        let mut unwritten = match before {
            Some(before) if !since.is_told() => self.unwritten(before),
            _ => Vec::new(),
        };
        if let Some(before) = before {
            // The old connection is told first, and then the new one. Nobody
            // else sees the change.
            self.unlink(before);
            let reason = if is_whole {
                CloseReason::Replaced
            } else {
                CloseReason::SessionExpired
            };
            self.close(before, reason);
            self.flush_connection(before);
        }
        let Some(received) = received else {
            self.end_session(session);
            return expired(self, id);
        };
        let Some(held) = self.sessions.at_mut(session) else {
            return expired(self, id);
        };
        let is_unwelcomed = match since {
            Since::Datagram(datagram) => held.is_unwelcomed(datagram),
            _ => false,
        };
        held.note_received(received);
        let (watches, watching) = (&self.watches, &held.watching);
        let restore = |frame: Frame, frames: &mut VecDeque<Frame>| match frame {
            Frame::Log(log) => {
                let again = |told| watches.frame_again(told, watching);
                frames.extend(log.iter().map(again));
            }
            frame => frames.push_back(frame),
        };
        held.outbox.rewind(received, restore);
        held.connection = Some(slot);
        let settings = &self.context.settings.session;
        held.allow_backlog(settings.outbox_bytes_max, settings.replay_bytes_max);
        let was_dropped = held.dropped_ms.take().is_some();
        held.active_ms = clock::now_ms();
        self.context.metrics.resumed.inc();
        log::debug!("{name:?} is resumed");
        self.begin(slot, session);
        self.open_tunnel(slot);
        if since.is_told() || (unwritten.is_empty() && is_unwelcomed) {
            self.welcome(slot, session, true, Vec::new(), id);
        }
        for frame in unwritten.drain(..) {
            self.push_direct(slot, frame);
        }
        if was_dropped {
            self.call_owners(session, true);
        }
        if self
            .sessions
            .at(session)
            .is_some_and(|held| !held.changed.is_empty())
        {
            self.changed.push(session);
        }
        self.measure_clock(slot, session);
        self.dirty.push(slot);
    }

    /// The session has no connection any more; it waits for a while.
    pub(super) fn drop_session(&mut self, session: u32) {
        let now_ms = clock::now_ms();
        let resume_ms = self.settings().session.resume_ms;
        let Some(key) = self.sessions.key(session) else {
            return;
        };
        if let Some(held) = self.sessions.at_mut(session) {
            held.dropped_ms = NonZeroU64::new(now_ms);
            let settings = &self.context.settings.session;
            held.allow_backlog(settings.outbox_bytes_max, settings.replay_bytes_max);
        }
        // Its seats are kept even where the session itself is not.
        self.call_owners(session, false);
        if resume_ms == 0 {
            return self.end_session(session);
        }
        self.wheel.set(now_ms + resume_ms, Timer::Expire(key));
    }

    /// Tells the owners of what a session is on that it has a connection
    /// again, or none.
    fn call_owners(&mut self, session: u32, is_connected: bool) {
        let (Some(caller), Some(held)) = (self.caller(session), self.sessions.at(session)) else {
            return;
        };
        let (owners, user) = (&self.context.owners, &held.session.user);
        let avatar = if is_connected {
            AvatarCall::Resume { caller }
        } else {
            AvatarCall::Detach { caller }
        };
        owners.avatar(user, avatar);
        for room in held.session.rooms() {
            let user = user.clone();
            let call = if is_connected {
                RoomCall::Resume { caller, user }
            } else {
                RoomCall::Detach { caller, user }
            };
            owners.room(room, call);
        }
    }

    /// The session is over, with or without a connection.
    pub(super) fn end_session(&mut self, session: u32) {
        let Some(caller) = self.caller(session) else {
            return;
        };
        self.leave_everything(session, caller);
        self.forget_session(session);
    }

    /// Gives a session's slot back.
    fn forget_session(&mut self, session: u32) {
        let Some(held) = self.sessions.remove(session) else {
            return;
        };
        self.context.metrics.sessions.dec();
        if held.is_live {
            self.context.peers.remove(held.session.id);
            log::debug!("{:?} ends", held.session.id);
        }
    }

    /// The client leaves in order.
    pub(super) fn bye(&mut self, slot: u32) {
        let session = self.connections.at(slot).and_then(Connection::session);
        if let Some(session) = session {
            // What was said before the goodbye is still to be heard.
            self.flush_connection(slot);
            self.unlink(slot);
            self.end_session(session);
        }
        self.close(slot, CloseReason::Bye);
    }
}
