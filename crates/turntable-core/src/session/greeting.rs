//! A connection before identification.
//!
//! It may send `idme`, `resume` and `time`, and errors up to its error budget. Its
//! state is small, because thousands of connections may never identify.

use std::borrow::Cow;

use crate::id::{SessionId, UserId};
use crate::limit::Limit;
use crate::packet::{Beginning, ClientPacket, ErrorBody, ServerPacket};
use crate::payload::Payload;
use crate::rate::Bucket;
use crate::reason::{CloseReason, ErrorCode};
use crate::session::Refusal;
use crate::session::settings::{LimitSettings, SessionSettings};

/// The state of an unidentified connection.
#[derive(Debug, Default)]
pub struct Greeting {
    errors: Bucket,
    time: Bucket,
}

/// The action for a command of an unidentified connection.
#[derive(Debug)]
pub enum GreetingStep {
    /// The client identifies.
    Identify {
        /// The claimed user; `None` where the credentials say it, or the portal
        /// issues one.
        user: Option<UserId>,
        /// Its credentials.
        credentials: Option<Payload>,
        /// What it begins with.
        beginning: Beginning,
    },
    /// The client resumes a session.
    Resume {
        /// The session.
        session: SessionId,
        /// The number of its messages that the client has received.
        received: u64,
        /// Which attempt of the client to have it on a connection it is.
        attempt: Option<u32>,
    },
    /// Answer immediately.
    Answer(ServerPacket),
    /// The client closes in order.
    Bye,
}

impl Greeting {
    /// Handles a decoded command.
    ///
    /// # Errors
    /// The error for the client, and whether it closes the connection.
    pub fn receive(
        &mut self,
        packet: ClientPacket,
        now_ms: u64,
        settings: &SessionSettings,
        limits: &LimitSettings,
    ) -> Result<GreetingStep, Refusal> {
        match packet {
            ClientPacket::IdMe {
                user,
                credentials,
                attributes,
                status,
            } => Ok(GreetingStep::Identify {
                user,
                credentials,
                beginning: Beginning { attributes, status },
            }),
            ClientPacket::Resume {
                session,
                received,
                attempt,
            } => Ok(GreetingStep::Resume {
                session,
                received,
                attempt,
            }),
            ClientPacket::Time { t0, .. } => match self.time.take(limits.time, now_ms) {
                Ok(()) => Ok(GreetingStep::Answer(ServerPacket::Time {
                    t0,
                    t1_ms: now_ms,
                    t2_ms: now_ms,
                })),
                Err(retry_ms) => Err(self.refuse(
                    ErrorBody::new(
                        ErrorCode::RateLimited,
                        "too many time requests; wait retry_ms",
                    )
                    .of("time")
                    .with("retry_ms", retry_ms)
                    .by(Limit::Time),
                    now_ms,
                    settings,
                )),
            },
            ClientPacket::Bye => Ok(GreetingStep::Bye),
            other => Err(self.refuse(not_identified(other.name()), now_ms, settings)),
        }
    }

    /// Charges an error to the connection's budget. An error in a command that
    /// requires identification is reported as missing identification.
    pub fn refuse(&mut self, error: ErrorBody, now_ms: u64, settings: &SessionSettings) -> Refusal {
        let error = match error.command.as_deref() {
            None | Some("idme" | "resume" | "time" | "bye") => error,
            Some(waiting) => not_identified(waiting.to_owned()),
        };
        let charged = self.errors.take(settings.error_budget(), now_ms);
        Refusal::new(error, charged, CloseReason::TooManyErrors)
    }

    /// Charges an identification that was refused for its credentials or its user; the
    /// last one closes the connection for a reason.
    pub fn refuse_credentials(
        &mut self,
        error: ErrorBody,
        close: Option<CloseReason>,
        now_ms: u64,
        settings: &SessionSettings,
    ) -> Refusal {
        let mut refusal = self.refuse(error, now_ms, settings);
        if close.is_some() {
            refusal.close = close;
        }
        refusal
    }
}

fn not_identified(command: impl Into<Cow<'static, str>>) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotIdentified,
        "not identified; send idme or resume first; before, only time and bye are accepted",
    )
    .of(command)
}
