//! A connection before anybody knows whose it is.
//!
//! It may say `idme` or `resume`, ask the `time`, and be wrong for as long as
//! its error budget lasts. It is kept small: thousands of connections may never
//! say anything.

use std::borrow::Cow;

use crate::id::{SessionId, UserId};
use crate::packet::{ClientPacket, ErrorBody, ServerPacket};
use crate::payload::Payload;
use crate::reason::{CloseReason, ErrorCode};
use crate::session::rate::Bucket;
use crate::session::settings::{LimitSettings, SessionSettings};
use crate::session::{Refusal, refuse_or_close};

/// What is known of an unidentified connection.
#[derive(Debug, Default)]
pub struct Greeting {
    errors: Bucket,
    time: Bucket,
}

/// What to do with a command of an unidentified connection.
#[derive(Debug)]
pub enum GreetingStep {
    /// The client says who it is.
    Identify {
        /// The claim.
        user: UserId,
        /// What proves it.
        credentials: Option<Payload>,
        /// Attributes to begin with.
        attributes: Vec<(Box<str>, Payload)>,
    },
    /// The client wants its session back.
    Resume {
        /// The session.
        session: SessionId,
        /// How many messages of it the client has got.
        received: u64,
    },
    /// Answer at once.
    Answer(ServerPacket),
    /// The client leaves in order.
    Bye,
}

impl Greeting {
    /// Takes a decoded command.
    ///
    /// # Errors
    /// The error to answer, and whether it ends the connection.
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
            } => Ok(GreetingStep::Identify {
                user,
                credentials,
                attributes,
            }),
            ClientPacket::Resume { session, received } => {
                Ok(GreetingStep::Resume { session, received })
            }
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
                    .with("retry_ms", retry_ms),
                    now_ms,
                    settings,
                )),
            },
            ClientPacket::Bye => Ok(GreetingStep::Bye),
            other => Err(self.refuse(not_identified(other.name()), now_ms, settings)),
        }
    }

    /// Charges an error to the connection's budget. What is wrong with a command
    /// that has to wait anyhow is not looked at yet.
    pub fn refuse(&mut self, error: ErrorBody, now_ms: u64, settings: &SessionSettings) -> Refusal {
        let error = match error.command.as_deref() {
            None | Some("idme" | "resume" | "time" | "bye") => error,
            Some(waiting) => not_identified(waiting.to_owned()),
        };
        refuse_or_close(
            &mut self.errors,
            settings.error_budget(),
            error,
            CloseReason::TooManyErrors,
            now_ms,
        )
    }
}

fn not_identified(command: impl Into<Cow<'static, str>>) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotIdentified,
        "say who you are first, with idme or resume; before, only time and bye are taken",
    )
    .of(command)
}
