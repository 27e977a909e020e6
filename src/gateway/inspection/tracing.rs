//! A gateway traces sessions, for the operator.

use actix::{Context, Handler, Message, MessageResult};

use super::Answers;
use super::trace::{Direction, TraceReport};
use crate::clock;
use crate::gateway::transport::{Dispatch, Hooks};
use crate::gateway::work::Command;
use crate::gateway::{Gateway, Shared};
use turntable_core::key::{ConnKey, SessionKey, SessionSlot};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::session::outbox::OutboxFrame as _;
use turntable_wire::json_v1;

/// Traces a session from now on, for so many ms; 0 ends its trace. The result is Unix ms of
/// its end; `None` where the session is not here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Result<u64, ErrorBody>>")]
struct TraceSession {
    key: SessionKey,
    ms: u64,
}

impl Handler<TraceSession> for Gateway {
    type Result = MessageResult<TraceSession>;

    fn handle(&mut self, asked: TraceSession, _: &mut Context<Self>) -> Self::Result {
        let (key, now_ms) = (asked.key, clock::now_ms());
        if asked.ms == 0 {
            let is_known = self.traces.report(key, None, now_ms).is_some();
            self.traces.end(key, now_ms);
            let is_known = is_known || self.session_of_key(key).is_some();
            return MessageResult(is_known.then_some(Ok(now_ms)));
        }
        let session = self.session_of_key(key);
        let begun = session.and_then(|session| self.begin_trace(session, now_ms + asked.ms));
        MessageResult(begun)
    }
}

/// What was seen of a session, behind a message; `None` where it was not traced.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<TraceReport>")]
struct ReadTrace {
    key: SessionKey,
    behind: Option<u64>,
}

impl Handler<ReadTrace> for Gateway {
    type Result = MessageResult<ReadTrace>;

    fn handle(&mut self, asked: ReadTrace, _: &mut Context<Self>) -> Self::Result {
        let report = self.traces.report(asked.key, asked.behind, clock::now_ms());
        MessageResult(report)
    }
}

impl Gateway {
    fn begin_trace(
        &mut self,
        session: SessionSlot,
        until_ms: u64,
    ) -> Option<Result<u64, ErrorBody>> {
        let settings = self.settings.inspection;
        let limits = (settings.traces_max, settings.trace_bytes_max);
        let pure = &self.sessions.get(session)?.session;
        let traced = (pure.key, &pure.user);
        let begins = self.traces.begin(traced, until_ms, limits, clock::now_ms());
        Some(match begins {
            true => Ok(until_ms),
            false => Err(ErrorBody::new(
                ErrorCode::TooMany,
                "as many sessions of this worker are traced as may (inspection.traces_max)",
            )),
        })
    }

    /// A command of a session's client, in so many bytes, while there are traces.
    pub(in crate::gateway) fn trace_command(
        &mut self,
        session: SessionSlot,
        command: &Command,
        bytes: usize,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let now_ms = clock::now_ms();
        let Some(trace) = self.traces.active(entry.session.key, now_ms) else {
            return;
        };
        match command {
            Ok(message) => {
                let mut text = Vec::new();
                json_v1::encode_client(&message.packet, message.id.as_ref(), &mut text);
                let text = String::from_utf8_lossy(&text);
                trace.note(Direction::In, &text, bytes, now_ms);
            }
            Err(error) => {
                // What it was is not known any more.
                let text = format!("{}: {}", error.code.name(), error.message);
                trace.note(Direction::In, &text, bytes, now_ms);
            }
        }
    }

    /// Writes to a connection while there are traces.
    pub(in crate::gateway) fn flush_traced(&mut self, key: ConnKey, now_ms: u64) {
        self.trace_waiting(key, now_ms);
        self.with_at(key, now_ms, Dispatch::flush);
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let session = connection
            .session()
            .and_then(|slot| self.sessions.get(slot));
        if let Some(entry) = session
            && let Some(trace) = self.traces.active(entry.session.key, now_ms)
        {
            trace.waiting = entry.session.outbox.waiting_len();
            trace.direct = connection.queue.direct().count();
        }
    }

    /// Notes what is about to be written to a connection.
    fn trace_waiting(&mut self, key: ConnKey, now_ms: u64) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let session = connection
            .session()
            .and_then(|slot| self.sessions.get(slot));
        let Some(entry) = session else {
            return;
        };
        let Some(trace) = self.traces.active(entry.session.key, now_ms) else {
            return;
        };
        let direct = connection.queue.direct().skip(trace.direct);
        let waiting = entry.session.outbox.waiting().skip(trace.waiting);
        for frame in direct.chain(waiting) {
            if let Some(message) = frame.as_message() {
                trace.note(Direction::Out, message.text(), frame.length(), now_ms);
            }
        }
    }
}

impl Shared {
    /// Traces a session for so many ms; 0 ends its trace. Returns Unix ms of the end; `None`
    /// where there is no session of this key.
    ///
    /// # Errors
    /// `too_many` where as many sessions are traced as may.
    pub async fn trace_session(
        &self,
        key: SessionKey,
        ms: u64,
    ) -> Result<(Option<u64>, Vec<u16>), ErrorBody> {
        let Answers {
            answers,
            unanswered,
        } = self.ask_gateways(|| TraceSession { key, ms }).await;
        let found = answers.into_iter().flatten().next().transpose()?;
        Ok((found, unanswered))
    }

    /// What was seen of a session that is or was traced, behind a message.
    pub async fn session_trace(
        &self,
        key: SessionKey,
        behind: Option<u64>,
    ) -> (Option<TraceReport>, Vec<u16>) {
        let Answers {
            answers,
            unanswered,
        } = self.ask_gateways(|| ReadTrace { key, behind }).await;
        (answers.into_iter().flatten().next(), unanswered)
    }
}
