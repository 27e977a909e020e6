//! Commands: of clients that have not identified, and of sessions.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::accept::Resume;
use crate::gateway::connection::Phase;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::session::share::Shared;
use crate::gateway::transport::{Dispatch, Hooks};
use crate::gateway::work::{Command, Effect};
use turntable_core::call::AvatarCall;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientMessage, ClientPacket, ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::greeting::GreetingStep;
use turntable_core::session::{Refusal, address_error, bytes_error};

impl Gateway {
    /// A command of a connection's client, in so many bytes.
    pub(crate) fn command(&mut self, key: ConnKey, command: Command, bytes: usize) {
        match self
            .connections
            .get(key)
            .map(|connection| &connection.phase)
        {
            Some(Phase::Attached(session)) => {
                let session = *session;
                if let Some(entry) = self.sessions.get_mut(session) {
                    entry.session.hear();
                    let message = command.as_ref().ok();
                    entry.session.count(message.map(|message| &message.packet));
                }
                self.serve_in_turn(session, command, bytes);
            }
            Some(Phase::Greeting(_)) => {
                self.intake.serves();
                match command {
                    Ok(message) => self.greet(key, message),
                    Err(error) => {
                        let id = error.id.clone();
                        self.refuse_greeting(key, error.into(), id);
                    }
                }
            }
            _ => {}
        }
    }

    /// Counts a command. Returns its number.
    fn count_command(&self, packet: &ClientPacket) -> u8 {
        self.commands
            .get(packet.name())
            .map_or(0, |(counter, number)| {
                counter.inc();
                *number
            })
    }

    /// A command of a client that has not identified.
    fn greet(&mut self, key: ConnKey, message: ClientMessage) {
        let ClientMessage { id, packet } = message;
        self.count_command(&packet);
        let (now_ms, settings) = (clock::now_ms(), self.settings.clone());
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Phase::Greeting(greeting) = &mut connection.phase else {
            return;
        };
        let resumes = connection.transport.resumes_by_command();
        match greeting.receive(packet, now_ms, &settings.session, &settings.limits) {
            Ok(GreetingStep::Identify {
                user,
                credentials,
                beginning,
            }) => self.check(key, user, credentials.as_ref(), beginning, id),
            Ok(GreetingStep::Resume {
                session,
                received,
                attempt,
            }) if resumes => {
                let resume = Resume {
                    session,
                    from: ResumeFrom::Count(received),
                    attempt,
                    id,
                };
                self.resume(key, resume);
            }
            Ok(GreetingStep::Resume { .. }) => {
                let error = ErrorBody::new(
                    ErrorCode::BadMessage,
                    "over this transport a session is resumed by naming it when the connection \
                     begins",
                );
                self.refuse_greeting(key, error.of("resume"), id);
            }
            Ok(GreetingStep::Answer(packet)) => {
                self.with(key, |connection, cx| {
                    cx.send_direct(connection, &packet, id.as_ref());
                });
            }
            Ok(GreetingStep::Bye) => self.push_effects([Effect::Close(key, CloseReason::Bye)]),
            Err(refusal) => self.answer_greeting(key, refusal, id),
        }
    }

    /// Refuses something of a client that has not identified.
    pub(crate) fn refuse_greeting(
        &mut self,
        key: ConnKey,
        error: ErrorBody,
        id: Option<RequestId>,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Phase::Greeting(greeting) = &mut connection.phase else {
            return;
        };
        let refusal = greeting.refuse(error, clock::now_ms(), &self.settings.session);
        self.answer_greeting(key, refusal, id);
    }

    pub(super) fn answer_greeting(
        &mut self,
        key: ConnKey,
        refusal: Refusal,
        id: Option<RequestId>,
    ) {
        let Refusal { error, close } = refusal;
        let (code, limit) = (error.code, error.limit);
        let is_refused = self.with(key, |connection, cx| {
            if Dispatch::refuse(connection, &error, cx) {
                return true;
            }
            let packet = ServerPacket::Error(error);
            cx.send_direct(connection, &packet, id.as_ref());
            if let Some(reason) = close {
                cx.close(reason);
            }
            false
        });
        if is_refused == Some(false) {
            self.shared.metrics.error(code, limit);
        }
    }

    /// A command of a session, which was counted, in so many bytes: checked, and
    /// passed to its owner.
    pub(crate) fn serve(&mut self, session: SessionSlot, command: Command, bytes: usize) {
        self.intake.serves();
        if self.traces.is_on() {
            self.trace_command(session, &command, bytes);
        }
        let now_ms = clock::now_ms();
        let ClientMessage { id, packet } = match command {
            Ok(message) => message,
            Err(error) => {
                // It was read, and is refused in any case.
                let _ = self.take_address_bytes(session, bytes, now_ms);
                if let Some(entry) = self.sessions.get_mut(session) {
                    let limits = &self.settings.limits;
                    entry.session.pay_bytes(bytes, now_ms, limits);
                }
                let id = error.id.clone();
                return self.refuse(session, error.into(), id);
            }
        };
        let number = self.count_command(&packet);
        let taken = match packet {
            ClientPacket::Bye => Ok(()),
            _ => self.take_bytes(session, bytes, now_ms),
        };
        let settings = self.settings.clone();
        let (limits, settings) = (&settings.limits, &settings.session);
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let paid = match taken {
            Ok(()) => entry.session.pay(&packet, now_ms, limits),
            Err(error) => {
                let error = error.of(packet.name());
                Err(entry.session.refuse_bytes(error, bytes, now_ms, limits))
            }
        };
        // What the session may not send takes nothing from its neighbours.
        let shared = match paid {
            Ok(()) => self.take_share(session, &packet, now_ms),
            Err(_) => Ok(Shared::default()),
        };
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.note_command(number);
        let Shared { changes, taken } = shared.as_ref().copied().unwrap_or_default();
        let admitted = paid.and_then(|()| match shared {
            Ok(_) => entry.session.check(&packet, now_ms, settings),
            Err(error) if error.code == ErrorCode::RateLimited => {
                Err(entry.session.refuse_rate(error, now_ms, limits))
            }
            Err(error) => Err(entry.session.refuse(error, now_ms, settings)),
        });
        let was_idle =
            !matches!(packet, ClientPacket::Time { .. }) && entry.session.is_active(now_ms);
        if was_idle {
            self.report_idle(session, false);
        }
        match admitted {
            Ok(()) => self.dispatch(session, packet, id, taken),
            Err(refusal) => {
                self.give_back(session, taken);
                self.answer_refusal(session, refusal, id);
            }
        }
        if changes {
            self.settle_share(session);
        }
    }

    /// Takes bytes of what the address of a session's client may send; none where
    /// it has no connection.
    fn take_address_bytes(
        &self,
        session: SessionSlot,
        bytes: usize,
        now_ms: u64,
    ) -> Result<(), u64> {
        let permit = self
            .sessions
            .get(session)
            .and_then(|entry| self.connections.permit(entry.session.connection()?));
        let limits = &self.settings.limits;
        permit.map_or(Ok(()), |permit| {
            permit.take_bytes(bytes, limits.address_bytes, now_ms)
        })
    }

    /// Takes the bytes of a request of a session's client, all together.
    ///
    /// # Errors
    /// The error for the request; none of it may be carried out.
    pub(crate) fn take_request_bytes(
        &mut self,
        session: SessionSlot,
        bytes: usize,
    ) -> Result<(), ErrorBody> {
        let taken = self.take_bytes(session, bytes, clock::now_ms());
        taken.inspect_err(|error| self.shared.metrics.error(error.code, error.limit))
    }

    /// Pays for an answer that may be far larger than its command, with the bytes that the
    /// session and its address may send.
    pub(crate) fn pay_answer(&mut self, session: SessionSlot, bytes: usize) {
        let (now_ms, limits) = (clock::now_ms(), &self.settings.limits);
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.session.pay_bytes(bytes, now_ms, limits);
        self.pay_by_address(session, bytes);
    }

    /// Pays for what a session gets, with the bytes that its address may send.
    pub(crate) fn pay_by_address(&self, session: SessionSlot, bytes: usize) {
        let limit = self.settings.limits.address_bytes;
        if let Some(rates) = self.rates(session) {
            rates.pay_bytes(bytes, limit, clock::now_ms());
        }
    }

    /// Takes what a session gets without it being necessary from the bytes that its address
    /// may send, and has the session pay for it where `is_paid`. Returns whether the address
    /// had room for it; else nothing is charged.
    pub(crate) fn take_past(&mut self, session: SessionSlot, bytes: usize, is_paid: bool) -> bool {
        let now_ms = clock::now_ms();
        let limit = self.settings.limits.address_bytes;
        let rates = self.rates(session);
        let has_room = rates.is_none_or(|rates| rates.take_bytes(bytes, limit, now_ms).is_ok());
        if !has_room {
            self.shared.metrics.limit(Limit::AddressBytes);
        } else if let Some(entry) = self.sessions.get_mut(session).filter(|_| is_paid) {
            let limits = &self.settings.limits;
            entry.session.pay_bytes(bytes, now_ms, limits);
        }
        has_room
    }

    /// Takes bytes of what a session may send, and of what its address may.
    fn take_bytes(
        &mut self,
        session: SessionSlot,
        bytes: usize,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        let limits = &self.settings.limits;
        let Some(entry) = self.sessions.get_mut(session) else {
            return Ok(());
        };
        entry.received_bytes += bytes as u64;
        // What the session may not send is not taken from its neighbours.
        let taken = entry.session.take_bytes(bytes, now_ms, limits);
        taken.map_err(bytes_error)?;
        let taken = self.take_address_bytes(session, bytes, now_ms);
        taken.map_err(address_error)
    }

    /// Refuses what an owner refused as too often, which is charged as a command over
    /// its rate is: a room that others have filled must not close who plays in it.
    pub(crate) fn refuse_rate(
        &mut self,
        session: SessionSlot,
        error: ErrorBody,
        id: Option<RequestId>,
    ) {
        let limits = &self.settings.limits;
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let refusal = entry.session.refuse_rate(error, clock::now_ms(), limits);
        self.answer_refusal(session, refusal, id);
    }

    /// Refuses a command of a session, which is charged to its error budget.
    pub(crate) fn refuse(&mut self, session: SessionSlot, error: ErrorBody, id: Option<RequestId>) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let refusal = entry
            .session
            .refuse(error, clock::now_ms(), &self.settings.session);
        self.answer_refusal(session, refusal, id);
    }

    /// Refuses a command of a session that its owner was not called for.
    pub(crate) fn refuse_unowned(
        &mut self,
        session: SessionSlot,
        error: ErrorBody,
        id: Option<RequestId>,
    ) {
        let name = error.command.as_deref();
        let taken = id
            .as_ref()
            .and_then(|id| self.pending.refused(session, id, name));
        self.give_back(session, taken.unwrap_or_default());
        self.refuse(session, error, id);
    }

    fn answer_refusal(&mut self, session: SessionSlot, refusal: Refusal, id: Option<RequestId>) {
        let Refusal { error, close } = refusal;
        self.shared.metrics.error(error.code, error.limit);
        self.note_error(session, &error);
        if close == Some(CloseReason::RateLimited) {
            self.shared.metrics.limit(Limit::Flood);
        }
        self.send(session, &ServerPacket::Error(error), id.as_ref());
        let connection = self
            .sessions
            .get(session)
            .and_then(|entry| entry.session.connection());
        if let (Some(reason), Some(connection)) = (close, connection) {
            self.flush_connection(connection);
            self.push_effects([Effect::Close(connection, reason)]);
        }
    }

    /// Tells the avatar that a session sends nothing, or something again.
    pub(crate) fn report_idle(&mut self, session: SessionSlot, idle: bool) {
        let caller = self.sessions.caller(session);
        if let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) {
            if idle {
                let (settings, limits) = (&self.settings.session, &self.settings.limits);
                let now_ms = clock::now_ms();
                entry.session.forget_full_rates(now_ms, settings, limits);
            }
            let call = AvatarCall::Idle { caller, idle };
            let user = &entry.session.user;
            self.shared.owners.avatar(user, call);
            let watchers = self.shared.reach.of_user(user);
            self.pay_deliveries(session, watchers);
        }
    }
}
