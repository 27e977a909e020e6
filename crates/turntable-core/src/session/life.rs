//! The life of a session, from the identification to the end.
//!
//! ```text
//!                 refused, or lost
//!            ┌───────────────────────────────► Ended
//!            │                                   ▲
//!  Attaching ┴─ admitted ─► Attached ────────────┤ bye, end, a resume that is not
//!                            │    ▲              │ possible; without a connection
//!                      lost  ▼    │ resume       │ also overflow and expiry
//!                          Detached ─────────────┘
//! ```
//!
//! An input and `now` go in, effects come out in the order in which they have to
//! be carried out. A session has at most one connection; a connection that takes
//! it over replaces the one before.

use smallvec::SmallVec;

use crate::key::ConnKey;
use crate::reason::CloseReason;
use crate::session::Session;
use crate::session::outbox::OutboxFrame;
use crate::session::settings::SessionSettings;

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The avatar of its user has not admitted it yet.
    Attaching(ConnKey),
    /// A connection carries it.
    Attached(ConnKey),
    /// It has no connection and may be resumed.
    Detached {
        /// For how many ms from then on, as it was configured then.
        resume_ms: u32,
        /// Unix ms when its connection was lost.
        since_ms: u64,
    },
    /// It is over.
    Ended,
}

/// What happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The avatar admitted it, for the first time or again.
    Admitted,
    /// The avatar refused it.
    Refused,
    /// This connection is gone.
    Lost(ConnKey),
    /// This connection is gone, and the session may not wait for another.
    LostForGood(ConnKey),
    /// This connection's client wants the session.
    Resume {
        /// The connection.
        connection: ConnKey,
        /// How many messages the client has; `None` where that is not known.
        received: Option<u64>,
        /// Which attempt of its client it is, where it counts them.
        attempt: Option<u32>,
    },
    /// The client ends the session.
    Bye,
    /// More waited in the outbox than may, when this connection carried the
    /// session, or none.
    Overflowed(Option<ConnKey>),
    /// It has no connection, and what it holds is needed.
    Evicted,
    /// The timer of its expiry came due.
    ExpiryDue,
    /// The server ends the session.
    End(CloseReason),
    /// The server stops: the connection is going to be closed, and the session may
    /// be resumed elsewhere.
    Drain,
}

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Clients can find the session by its id from now on.
    Register,
    /// This connection carries the session from now on.
    Carry(ConnKey),
    /// The outbox goes back to the message behind so many.
    Rewind(u64),
    /// This connection's client gets its first `welcome`.
    Welcome {
        /// The connection.
        connection: ConnKey,
        /// Whether the session is resumed.
        resumed: bool,
    },
    /// The client gets one `welcome` more, which is a message of the session: with or
    /// without a connection, it is counted and retained.
    WelcomeAgain,
    /// This connection's client gets a `goaway`.
    GoAway(ConnKey),
    /// The connection does not carry the session any more.
    Release(ConnKey),
    /// The connection ends for this reason.
    Close {
        /// The connection.
        connection: ConnKey,
        /// Why.
        reason: CloseReason,
    },
    /// Avatar and rooms learn that the session has a connection again, or none.
    Report {
        /// Whether it has one.
        connected: bool,
    },
    /// The session expires at this time unless it is resumed.
    ArmExpiry(u64),
    /// This connection takes what its client sent behind the command that brought
    /// it here. Nothing of the step follows.
    Continue(ConnKey),
    /// This connection's client gets the error with which it was refused.
    RefuseIdentify(ConnKey),
    /// This connection's client gets the error that the session is over.
    RefuseResume(ConnKey),
    /// Owners forget the session, and so does the gateway.
    Forget {
        /// Whether its client ended it.
        is_bye: bool,
    },
}

/// After so long on a connection its client counts as welcomed, in ms.
const WELCOME_MS: u64 = 5_000;

/// What has to be done, in order.
pub type Effects = SmallVec<[Effect; 6]>;

/// A number of ms, at most 49 days.
pub(super) fn saturating_u32(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

impl Life {
    /// The connection that carries the session, or will.
    #[must_use]
    pub const fn connection(self) -> Option<ConnKey> {
        match self {
            Self::Attaching(connection) | Self::Attached(connection) => Some(connection),
            Self::Detached { .. } | Self::Ended => None,
        }
    }

    /// Whether its client was welcomed and it is not over.
    #[must_use]
    pub const fn is_admitted(self) -> bool {
        matches!(self, Self::Attached(_) | Self::Detached { .. })
    }
}

/// A client that wants its session.
struct Came {
    connection: ConnKey,
    received: Option<u64>,
    attempt: Option<u32>,
}

impl<F> Session<F> {
    /// Whether something belongs to an attempt of its client before the one that has the
    /// session: it was on its way for longer than what the client sent later.
    #[must_use]
    pub fn is_late(&self, attempt: Option<u32>) -> bool {
        attempt.is_some_and(|attempt| attempt < self.attempt)
    }
}

impl<F: OutboxFrame> Session<F> {
    /// Takes an input at `now_ms` and says what has to be done.
    pub fn step(&mut self, input: Input, now_ms: u64, settings: &SessionSettings) -> Effects {
        let mut effects = Effects::new();
        match (input, self.life) {
            (_, Life::Ended) => {
                if let Input::Resume { connection, .. } = input {
                    effects.push(Effect::RefuseResume(connection));
                }
            }
            (Input::Admitted, Life::Attaching(connection)) => {
                self.life = Life::Attached(connection);
                // Its `welcome` is written now, however long its avatar took.
                self.active_ms = now_ms;
                effects.extend([
                    Effect::Register,
                    Effect::Carry(connection),
                    Effect::Welcome {
                        connection,
                        resumed: false,
                    },
                    Effect::Continue(connection),
                ]);
            }
            (Input::Admitted, Life::Attached(_) | Life::Detached { .. }) => {
                effects.push(Effect::WelcomeAgain);
            }
            (Input::Refused, Life::Attaching(connection)) => {
                self.life = Life::Ended;
                effects.extend([
                    Effect::Release(connection),
                    Effect::Forget { is_bye: false },
                    Effect::RefuseIdentify(connection),
                ]);
            }
            (Input::Lost(lost) | Input::LostForGood(lost), Life::Attaching(connection))
                if lost == connection =>
            {
                self.end(&mut effects, None);
            }
            (Input::LostForGood(lost), Life::Attached(connection)) if lost == connection => {
                // Seats are retained even where the session itself is not.
                self.life = Life::Ended;
                effects.extend([
                    Effect::Report { connected: false },
                    Effect::Forget { is_bye: false },
                ]);
            }
            (Input::Lost(lost), Life::Attached(connection)) if lost == connection => {
                self.detach(now_ms, settings, &mut effects);
            }
            (
                Input::Resume {
                    connection,
                    attempt,
                    ..
                },
                _,
            ) if self.is_late(attempt) => {
                // The session goes on where the later one is.
                effects.push(Effect::RefuseResume(connection));
            }
            (
                Input::Resume {
                    connection,
                    received,
                    attempt,
                },
                life,
            ) => {
                let came = Came {
                    connection,
                    received,
                    attempt,
                };
                self.resume(life, came, now_ms, &mut effects);
            }
            (Input::Bye, Life::Attached(_) | Life::Detached { .. }) => {
                self.end(&mut effects, Some(CloseReason::Bye));
            }
            (Input::Overflowed(Some(slow)), Life::Attached(connection)) if slow == connection => {
                effects.push(Effect::Close {
                    connection,
                    reason: CloseReason::TooSlow,
                });
            }
            (Input::Overflowed(None) | Input::Evicted, Life::Detached { .. }) => {
                self.end(&mut effects, None);
            }
            (
                Input::ExpiryDue,
                Life::Detached {
                    resume_ms,
                    since_ms,
                },
            ) => {
                if since_ms.saturating_add(resume_ms.into()) <= now_ms {
                    self.end(&mut effects, None);
                }
            }
            (Input::End(reason), _) => self.end(&mut effects, Some(reason)),
            (Input::Drain, Life::Attached(connection)) => {
                // Its client is asked to come back, after a time that it may not know yet.
                self.is_heard = true;
                effects.push(Effect::GoAway(connection));
            }
            (
                Input::Refused
                | Input::Lost(_)
                | Input::LostForGood(_)
                | Input::Bye
                | Input::Overflowed(_)
                | Input::Evicted
                | Input::ExpiryDue
                | Input::Drain,
                _,
            ) => {}
        }
        effects
    }

    fn detach(&mut self, now_ms: u64, settings: &SessionSettings, effects: &mut Effects) {
        // Seats are retained even where the session itself is not.
        effects.push(Effect::Report { connected: false });
        if settings.resume_ms == 0 {
            return self.end(effects, None);
        }
        let resume_ms = match self.has_welcome(now_ms) {
            true => settings.resume_ms,
            false => settings.resume_ms.min(settings.unheard_ms),
        };
        let resume_ms = saturating_u32(resume_ms);
        self.life = Life::Detached {
            resume_ms,
            since_ms: now_ms,
        };
        effects.push(Effect::ArmExpiry(now_ms.saturating_add(resume_ms.into())));
    }

    /// Whether its client knows the session, as far as the server can know: it has sent something, or
    /// had the connection for long.
    const fn has_welcome(&self, now_ms: u64) -> bool {
        self.is_heard || now_ms.saturating_sub(self.active_ms) >= WELCOME_MS
    }

    fn resume(&mut self, life: Life, came: Came, now_ms: u64, effects: &mut Effects) {
        let Came {
            connection,
            received,
            attempt,
        } = came;
        if !life.is_admitted() {
            // Its client does not have its id yet.
            return effects.push(Effect::RefuseResume(connection));
        }
        let acknowledged = self.outbox.acknowledged();
        if received.is_some_and(|received| acknowledged.is_some_and(|known| received < known)) {
            // A request that was on its way for longer than one that its client sent
            // later: the session goes on where that one is.
            return effects.push(Effect::RefuseResume(connection));
        }
        let Some(received) = received.filter(|received| self.outbox.can_rewind(*received)) else {
            // The client cannot be served without a hole.
            self.end(effects, Some(CloseReason::SessionExpired));
            effects.push(Effect::RefuseResume(connection));
            return;
        };
        if let Life::Attached(before) = life {
            effects.extend([
                Effect::Release(before),
                Effect::Close {
                    connection: before,
                    reason: CloseReason::Replaced,
                },
            ]);
        }
        self.life = Life::Attached(connection);
        self.attempt = attempt.unwrap_or(self.attempt);
        self.is_heard = true;
        self.active_ms = now_ms;
        if let Some(clock) = &mut self.clock {
            clock.moved();
        }
        effects.extend([
            Effect::Rewind(received),
            Effect::Carry(connection),
            Effect::Welcome {
                connection,
                resumed: true,
            },
        ]);
        if matches!(life, Life::Detached { .. }) {
            effects.push(Effect::Report { connected: true });
        }
        effects.push(Effect::Continue(connection));
    }

    fn end(&mut self, effects: &mut Effects, reason: Option<CloseReason>) {
        let before = std::mem::replace(&mut self.life, Life::Ended);
        if let Some(connection) = before.connection() {
            effects.push(Effect::Release(connection));
        }
        effects.push(Effect::Forget {
            is_bye: reason == Some(CloseReason::Bye),
        });
        if let (Some(connection), Some(reason)) = (before.connection(), reason) {
            effects.push(Effect::Close { connection, reason });
        }
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
