//! Carries out what the life of a session asks for (`turntable_core::session`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::accept::Resume;
use crate::gateway::connection::Phase;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::inspection::past::Cause;
use crate::gateway::moving::Task;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::transport::notice::Notice;
use crate::gateway::transport::{Attachment, Dispatch, Hooks};
use crate::gateway::turn::Timer;
use crate::gateway::work::Effect;
use crate::portal::operator_call::OperatorCall;
use turntable_core::call::{AvatarCall, RoomCall};
use turntable_core::id::SessionId;
use turntable_core::key::{ConnKey, SessionSlot, UserNumber};
use turntable_core::packet::{ErrorBody, RequestId, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::greeting::Greeting;
use turntable_core::session::life::{Effect as LifeEffect, Input, Life};

/// Attributes by name.
pub(crate) type Attributes = Vec<(Box<str>, Payload)>;

/// What belongs to an input of a session's life, for its effects.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// The user's attributes.
    pub(crate) attributes: Attributes,
    /// The `id` of the command.
    pub(crate) id: Option<RequestId>,
    /// Why the avatar refused.
    pub(crate) error: Option<Box<ErrorBody>>,
    /// From where on the session is resumed.
    pub(crate) from: Option<ResumeFrom>,
    /// Whether a resumed session's client gets a `welcome`.
    pub(crate) is_welcomed: bool,
    /// Who ends the session, where the input does not say it.
    pub(crate) cause: Option<Cause>,
    /// The call of an operator that ends it.
    pub(crate) operator: Option<Arc<OperatorCall>>,
    /// Messages that the connection before never wrote.
    pub(crate) unwritten: RefCell<Vec<Frame>>,
}

impl Gateway {
    /// Takes an input of a session's life, and leaves its effects.
    pub(crate) fn step(&mut self, session: SessionSlot, input: Input, details: Details) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let before = entry.session.life();
        let effects = entry
            .session
            .step(input, clock::now_ms(), &self.settings.session);
        if entry.session.life() == Life::Ended && before != Life::Ended {
            self.note_over(session, before, input, &details);
        }
        let details = Rc::new(details);
        self.push_effects(
            effects
                .into_iter()
                .map(|effect| Effect::Life(session, effect, details.clone())),
        );
    }

    /// Carries out one effect of a session's life.
    pub(crate) fn carry_out_life(
        &mut self,
        session: SessionSlot,
        effect: LifeEffect,
        details: &Details,
    ) {
        match effect {
            LifeEffect::Register => self.register(session),
            LifeEffect::Carry(connection) => self.carry(session, connection, details),
            LifeEffect::Rewind(received) => self.rewind(session, received),
            LifeEffect::Welcome {
                connection,
                resumed,
            } => self.welcome(session, connection, resumed, details),
            LifeEffect::WelcomeAgain => self.welcome_again(session, details),
            LifeEffect::GoAway(connection) => self.send_away(session, connection),
            LifeEffect::Release(connection) => self.detach(connection),
            LifeEffect::Close { connection, reason } => {
                if reason == CloseReason::Replaced {
                    self.note_dropped(session, connection, Some(reason));
                }
                // Its end is written before anything of the connection that
                // takes the session over.
                self.push_effects([Effect::Close(connection, reason), Effect::Flush(connection)]);
            }
            LifeEffect::Report { connected } => {
                if self.is_reported(session, connected) {
                    self.report(session, connected);
                }
            }
            LifeEffect::ArmExpiry(at_ms) => {
                let settings = &self.settings.session;
                if let Some(entry) = self.sessions.get_mut(session) {
                    entry.allow_backlog(settings.outbox_bytes_max, settings.replay_bytes_max);
                }
                self.wheel.set(at_ms, Timer::Expire(session));
            }
            LifeEffect::Continue(connection) => self.continue_session(session, connection),
            LifeEffect::RefuseIdentify(connection) => self.refuse_identify(connection, details),
            LifeEffect::RefuseResume(connection) => {
                self.refuse_resume(connection, details.id.clone());
            }
            LifeEffect::Forget { is_bye } => self.forget(session, is_bye),
        }
    }

    fn register(&mut self, session: SessionSlot) {
        if let Some(entry) = self.sessions.get(session) {
            let id = entry.session.id;
            self.shared.peers.put(id, self.sessions.place(session));
            log::debug!("session {id:?} begins");
        }
        self.check_idle(session, clock::now_ms());
        self.join_by_operator(session);
    }

    fn carry(&mut self, session: SessionSlot, connection: ConnKey, details: &Details) {
        let settings = self.settings.clone();
        if let Some(entry) = self.sessions.get_mut(session)
            && details.from.is_some()
        {
            entry.allow_backlog(
                settings.session.outbox_bytes_max,
                settings.session.replay_bytes_max,
            );
            entry.detached = None;
            self.shared.metrics.resumed.inc();
            log::debug!("session {:?} is resumed", entry.session.id);
            if entry.has_changes() {
                self.lists.changed.push(session);
            }
            self.move_share(session, connection);
        }
        let Some(carrier) = self.connections.get_mut(connection) else {
            return;
        };
        if carrier.is_closing() {
            return;
        }
        carrier.phase = Phase::Attached(session);
        if let Some(permit) = &mut carrier.permit {
            permit.identified();
        }
        if let Some(under) = carrier.transport.carrier()
            && let Some(under) = self.connections.get_mut(under)
            && let Some(permit) = &mut under.permit
        {
            permit.identified();
        }
        self.note_carried(session, connection, details.from.is_none());
        self.with(connection, |connection, cx| {
            let attachment = details.from.map_or(Attachment::New, Attachment::Resumed);
            Dispatch::on_attached(connection, attachment, cx);
            cx.mark_dirty();
        });
        self.pause_in_turn(session);
    }

    fn rewind(&mut self, session: SessionSlot, received: u64) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.note_received(received);
        let is_log = |frame: &Frame| matches!(frame, Frame::Log(_));
        let watching: FxHashSet<UserNumber> = match entry.session.outbox.retained().any(is_log) {
            true => entry.session.watching.iter().copied().collect(),
            false => FxHashSet::default(),
        };
        let watches = &self.subscriptions.watches;
        let restore = |frame: Frame, frames: &mut VecDeque<Frame>| match frame {
            Frame::Log(log) => {
                let again = |changes| watches.frame_again(changes, &watching);
                frames.extend(log.iter().map(again));
            }
            frame => frames.push_back(frame),
        };
        let waited = entry.session.outbox.waiting_bytes();
        entry.session.outbox.rewind(received, restore);
        let again = entry.session.outbox.waiting_bytes().saturating_sub(waited);
        self.pay_by_address(session, again);
    }

    /// A connection carries the session now, and takes what its client sent behind
    /// the command; unless it was lost on the way.
    fn continue_session(&mut self, session: SessionSlot, connection: ConnKey) {
        let carried = self
            .connections
            .get(connection)
            .and_then(|connection| connection.session());
        if carried == Some(session) {
            self.push_effects([Effect::Continue(connection)]);
        } else {
            self.step(session, Input::Lost(connection), Details::default());
        }
    }

    /// Brings a connection to the session that its client wants, on whatever
    /// worker that is.
    pub(crate) fn resume(&mut self, connection: ConnKey, resume: Resume) {
        if !self.may_identify(connection) {
            return;
        }
        if let Some(worker) = self.worker_elsewhere(resume.session) {
            let task = Task::Resume(resume.clone());
            if self.move_connection(connection, worker, task) {
                return;
            }
        }
        self.resume_here(connection, resume);
    }

    /// The same for a client that can identify in another way.
    pub(crate) fn recover(
        &mut self,
        connection: ConnKey,
        name: SessionId,
        from: ResumeFrom,
        otherwise: Notice,
    ) {
        if !self.may_identify(connection) {
            return;
        }
        let otherwise = match self.worker_elsewhere(name) {
            Some(worker) if self.can_move(connection) => {
                let task = Task::Recover {
                    session: name,
                    from,
                    otherwise,
                };
                self.move_connection(connection, worker, task);
                return;
            }
            _ => otherwise,
        };
        let can_resume = self
            .session_here(name)
            .and_then(|session| self.sessions.get(session))
            .is_some_and(|entry| entry.can_resume(from));
        if can_resume {
            let resume = Resume {
                session: name,
                from,
                attempt: None,
                id: None,
            };
            self.resume_here(connection, resume);
        } else {
            self.push_effects([Effect::Notice(connection, otherwise)]);
        }
    }

    /// Resumes a session of this worker.
    pub(crate) fn resume_here(&mut self, connection: ConnKey, resume: Resume) {
        if !self.may_identify(connection) {
            return;
        }
        let Resume {
            session: name,
            from,
            attempt,
            id,
        } = resume;
        let session = self.session_here(name);
        let Some((session, entry)) =
            session.and_then(|session| Some((session, self.sessions.get(session)?)))
        else {
            return self.refuse_ended(connection, name, id);
        };
        let charged = self.charge_resume(connection);
        if let Err(error) = charged.and_then(|()| self.take_return(session, connection)) {
            return self.refuse_again(connection, &error.of("resume"), id);
        }
        let received = entry.received(from);
        let is_unwelcomed = match from {
            ResumeFrom::Message(id) => entry.is_unwelcomed(id),
            _ => false,
        };
        let before = entry.session.connection();
        // The connection before may have a `welcome` that it never wrote.
        let unwritten = match before.and_then(|before| self.connections.get_mut(before)) {
            Some(before) if !from.is_welcomed() => {
                let direct = before.queue.take_direct().into_iter();
                direct.filter(|f| f.as_message().is_some()).collect()
            }
            _ => Vec::new(),
        };
        let details = Details {
            id,
            is_welcomed: from.is_welcomed() || (unwritten.is_empty() && is_unwelcomed),
            from: Some(from),
            unwritten: RefCell::new(unwritten),
            ..Details::default()
        };
        let input = Input::Resume {
            connection,
            received,
            attempt,
        };
        self.step(session, input, details);
    }

    fn refuse_resume(&mut self, connection: ConnKey, id: Option<RequestId>) {
        let error = ErrorBody::new(
            ErrorCode::SessionExpired,
            "this session cannot be resumed; identify with idme",
        )
        .of("resume");
        self.refuse_again(connection, &error, id);
    }

    /// The session is over. Its client learns why, as it would have with a connection.
    fn refuse_ended(&mut self, connection: ConnKey, name: SessionId, id: Option<RequestId>) {
        let end = self.shared.ended.get_final(name);
        let (Some(end), Some(carrier)) = (end, self.connections.get_mut(connection)) else {
            return self.refuse_resume(connection, id);
        };
        if carrier.is_closing() {
            return;
        }
        self.with(connection, |connection, cx| {
            // An answer that has not begun does: what follows is in it.
            Dispatch::on_attached(connection, Attachment::New, cx);
            if let Some(error) = end.error {
                let packet = ServerPacket::Error(Box::new(error.of("resume")));
                cx.send_direct(connection, &packet, id.as_ref());
            }
        });
        self.push_effects([Effect::Close(connection, end.reason)]);
    }

    fn refuse_identify(&mut self, connection: ConnKey, details: &Details) {
        if let Some(error) = &details.error {
            self.claim_has_waited(connection, Some(error.code));
            self.refuse_again(connection, error, details.id.clone());
            self.claim_is_refused(connection);
        }
    }

    /// Refuses a client, which may identify in another way.
    pub(super) fn refuse_again(&mut self, key: ConnKey, error: &ErrorBody, id: Option<RequestId>) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.is_closing() {
            return;
        }
        if !connection.is_greeting() {
            connection.phase = Phase::Greeting(Greeting::default());
        }
        self.push_effects([Effect::Continue(key)]);
        self.refuse_greeting(key, error.clone(), id);
    }

    /// Reports to the owners of what a session is in that it has a connection
    /// again, or none.
    pub(crate) fn report(&mut self, session: SessionSlot, connected: bool) {
        self.report_providing(session, connected);
        self.report_member(session, connected);
        let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        else {
            return;
        };
        let (owners, user) = (&self.shared.owners, &entry.session.user);
        owners.avatar(
            user,
            match connected {
                true => AvatarCall::Resume { caller },
                false => AvatarCall::Detach { caller },
            },
        );
        // Its members are sent that the user is away, or back.
        let members = |room| self.shared.reach.of_room(room);
        self.pay_deliveries(session, entry.session.rooms().map(members).sum());
        for room in entry.session.rooms() {
            let user = user.clone();
            let call = match connected {
                true => RoomCall::Resume { caller, user },
                false => RoomCall::Detach { caller, user },
            };
            owners.room(room, call);
        }
    }

    /// The session is over: its owners and this gateway forget it.
    fn forget(&mut self, session: SessionSlot, is_bye: bool) {
        let is_listed = self.leave_everything(session, is_bye);
        self.pending.forget(session);
        let entry = match is_listed {
            true => self.sessions.take(session),
            false => self.sessions.remove(session),
        };
        let Some(entry) = entry else {
            return;
        };
        self.shared.metrics.sessions.dec();
        self.saving.unreported.remove(&session);
        let id = entry.session.id;
        if self.shared.peers.remove(id, self.sessions.place(session)) {
            log::debug!("session {id:?} ends");
        }
    }

    /// More waited for a client than may, with this connection or without one.
    pub(crate) fn overflowed(&mut self, session: SessionSlot, connection: Option<ConnKey>) {
        self.step(session, Input::Overflowed(connection), Details::default());
    }

    /// A client ends its session.
    pub(crate) fn bye(&mut self, session: SessionSlot) {
        // What was sent before the end is still to arrive.
        if let Some(entry) = self.sessions.get(session)
            && let Some(connection) = entry.session.connection()
        {
            self.flush_connection(connection);
        }
        self.step(session, Input::Bye, Details::default());
    }
}
