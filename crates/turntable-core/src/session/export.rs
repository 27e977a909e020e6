//! A session as a value, so that it can go on at another gateway.
//!
//! ```text
//! Session ── export ──► SessionExport ── postcard or JSON ──► SessionExport ── import ──► Session
//! ```
//!
//! Import followed by a resume is a resume on the original: the same messages
//! under the same numbers, the same refusals afterwards, the same expiry. The
//! value has no absolute time, so the time that it is on its way does not count,
//! and no slot of a table: users are named by their ids and messages are v1 text.
//! A value that was read is not trusted: what is out of range is refused or
//! limited, whatever else it says.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};
use crate::key::{SessionKey, UserNumber};
use crate::model::pattern::Pattern;
use crate::rate::BucketExport;
use crate::session::Session;
use crate::session::clock::Clock;
use crate::session::clock::export::ClockExport;
use crate::session::flood::FloodExport;
use crate::session::life::{Effect, Effects, Life, saturating_u32};
use crate::session::membership::{ChannelMembership, Memberships, RoomMembership};
use crate::session::outbox::{Outbox, OutboxFrame};
use crate::session::rates::{Rates, RatesExport};
use crate::session::settings::SessionSettings;
use crate::session::standing::{Standing, StandingExport};

/// The greatest number of a message or command: whole numbers beyond it have no
/// exact form in the JSON of most clients.
const NUMBER_MAX: u64 = 1 << 53;

/// Roles, and functions beside them, of one session.
const GRANTS_MAX: usize = 1_024;

/// Bytes of credentials for the next identification.
const TOKEN_BYTES_MAX: usize = 65_536;

/// A session as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionExport {
    /// Which session.
    pub key: SessionKey,
    /// The secret its client resumes with.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The roles of its user. What they allow is the importing gateway's to say.
    pub roles: Vec<Box<str>>,
    /// The functions that its user may call beside those of the roles.
    pub functions: Vec<Pattern>,
    /// What its credentials are good for; nothing where there were none.
    pub standing: Option<StandingExport>,
    /// Whether its client has shown nothing that says who it is, and may become another
    /// user.
    pub is_provisional: bool,
    /// Whether a connection carried it.
    pub life: LifeExport,
    /// Its messages.
    pub outbox: OutboxExport,
    /// How many frames or entries of its client were taken.
    pub accepted: u64,
    /// The attempt of its client by which it was resumed.
    #[serde(default)]
    pub attempt: u32,
    /// The users it watches.
    pub watching: Vec<UserId>,
    /// The rooms it is in or is joining.
    pub rooms: Vec<RoomMembership>,
    /// The channels it is subscribed to or is joining.
    pub channels: Vec<ChannelMembership>,
    /// The estimate of its client's clock.
    pub clock: Option<ClockExport>,
    /// Its rates, by class of commands.
    pub buckets: Vec<BucketExport>,
    /// Its rate of bytes.
    pub bytes: BucketExport,
    /// Its budget of commands over their rate.
    pub flood: FloodExport,
    /// Its budget of errors.
    pub errors: BucketExport,
    /// How long its client has sent no command, in ms.
    pub silent_ms: u64,
    /// Whether its user was reported to be idle.
    pub is_idle: bool,
}

/// Whether a connection carried a session that was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifeExport {
    /// One did. It does not go with the session, which is without one from then
    /// on; owners do not hear of that, as its client is expected at once.
    Attached,
    /// None did.
    Detached {
        /// In how many ms it expires.
        expires_in_ms: u64,
    },
}

/// The messages of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxExport {
    /// How many messages came before `messages`.
    pub forgotten: u64,
    /// Whether some of those were never acknowledged.
    pub has_overflowed: bool,
    /// The v1 texts of those that are retained or wait, in order.
    pub messages: Vec<Box<str>>,
    /// How many of `messages` were written to a connection.
    pub written: u64,
    /// How many of them were written to the connections before.
    pub written_before: u64,
}

/// What one session may have; an import that has more is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes of messages that were written; of more, the oldest are forgotten.
    pub retained_bytes_max: usize,
    /// Bytes of messages that wait.
    pub waiting_bytes_max: usize,
    /// Users that it watches.
    pub watching_max: usize,
    /// Rooms that it is in.
    pub rooms_max: usize,
    /// Channels that it is on.
    pub channels_max: usize,
}

/// Why a value is not taken for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It has more of these than one session may have.
    #[error("the session has more {0} than one may have")]
    TooMany(&'static str),
    /// It has one of these more than once.
    #[error("the session has one of its {0} twice")]
    Duplicate(&'static str),
    /// More bytes wait than may, or credentials are longer.
    #[error("more bytes wait for the session's client than may")]
    TooLarge,
    /// A number cannot be.
    #[error("a number of the session is out of range")]
    Number,
    /// A message cannot be read.
    #[error("a message of the session cannot be read")]
    Message,
}

/// What names users and messages of a gateway in a value.
pub trait Exporter<F> {
    /// The user of a number.
    fn user(&self, number: UserNumber) -> Option<UserId>;

    /// Appends the v1 text of each message that a frame stands for, in order.
    fn texts(&self, frame: &F, texts: &mut Vec<Box<str>>);
}

/// What makes the users and messages of a value those of a gateway.
pub trait Importer<F> {
    /// Watches a user for the session. `None` where it is watched already.
    fn watch(&mut self, user: &UserId) -> Option<UserNumber>;

    /// The frame of a message's v1 text; `None` where that is no message.
    fn frame(&mut self, text: &str) -> Option<F>;
}

impl<F: OutboxFrame> Session<F> {
    /// The session as a value, at `now_ms`. `None` of one that was not admitted or
    /// is over, and where a frame has no text.
    #[must_use]
    pub fn export(&self, now_ms: u64, exporter: &impl Exporter<F>) -> Option<SessionExport> {
        let life = match self.life {
            Life::Attached(_) => LifeExport::Attached,
            Life::Detached {
                resume_ms,
                since_ms,
            } => LifeExport::Detached {
                expires_in_ms: since_ms
                    .saturating_add(resume_ms.into())
                    .saturating_sub(now_ms),
            },
            Life::Attaching(_) | Life::Ended => return None,
        };
        let memberships = self.memberships.as_deref();
        let rates = self
            .rates
            .as_deref()
            .unwrap_or(&Rates::default())
            .export(now_ms);
        let users = self.watching.iter();
        let permissions = self.permissions.as_deref();
        Some(SessionExport {
            key: self.key,
            id: self.id,
            user: self.user.clone(),
            roles: permissions.map_or_else(Vec::new, |all| all.roles().to_vec()),
            functions: permissions.map_or_else(Vec::new, |all| all.added().to_vec()),
            standing: self.standing.as_ref().map(|all| all.export(now_ms)),
            is_provisional: self.is_provisional,
            life,
            outbox: OutboxExport::of(&self.outbox, exporter)?,
            accepted: self.accepted,
            attempt: self.attempt,
            watching: users.filter_map(|user| exporter.user(*user)).collect(),
            rooms: memberships.map_or_else(Vec::new, |all| all.rooms.clone()),
            channels: memberships.map_or_else(Vec::new, |all| all.channels.clone()),
            clock: self.clock.as_ref().map(|clock| clock.export(now_ms as f64)),
            buckets: rates.classes,
            bytes: rates.bytes,
            flood: rates.flood,
            errors: rates.errors,
            silent_ms: now_ms.saturating_sub(self.active_ms),
            is_idle: self.is_idle,
        })
    }

    /// The session of a value, at `now_ms`, without a connection; and what has to
    /// be done for it. It expires `resume_ms` from now where a connection carried
    /// it, and else in the time that was left.
    ///
    /// What its roles allow is for the importer to compute; until then it may do
    /// everything. The end of its credentials is for the importer to await.
    ///
    /// # Errors
    /// [`ImportError`] where the value is out of range. Users that the importer
    /// was asked to watch by then are still watched.
    pub fn import(
        export: SessionExport,
        now_ms: u64,
        settings: &SessionSettings,
        limits: &ImportLimits,
        importer: &mut impl Importer<F>,
    ) -> Result<(Self, Effects), ImportError> {
        export.check(limits)?;
        let expires_in_ms = match export.life {
            LifeExport::Attached => settings.resume_ms,
            LifeExport::Detached { expires_in_ms } => expires_in_ms.min(settings.resume_ms),
        };
        let expires_at_ms = now_ms.saturating_add(expires_in_ms);
        // Messages may name users by the numbers that watching gives them.
        let users = export.watching.iter();
        let watching = users.filter_map(|user| importer.watch(user)).collect();
        let outbox = export.outbox.into_outbox(limits, importer)?;
        let standing = export.standing;
        let has_memberships = !export.rooms.is_empty() || !export.channels.is_empty();
        let memberships = Memberships {
            rooms: export.rooms,
            channels: export.channels,
        };
        let rates = RatesExport {
            classes: export.buckets,
            bytes: export.bytes,
            flood: export.flood,
            errors: export.errors,
        };
        let session = Self {
            key: export.key,
            id: export.id,
            user: export.user,
            permissions: None,
            standing: standing.and_then(|all| Standing::import(all, now_ms)),
            is_provisional: export.is_provisional,
            life: Life::Detached {
                resume_ms: saturating_u32(settings.resume_ms),
                since_ms: expires_at_ms.saturating_sub(settings.resume_ms),
            },
            outbox,
            watching,
            active_ms: now_ms.saturating_sub(export.silent_ms),
            is_idle: export.is_idle,
            is_heard: true,
            accepted: export.accepted,
            attempt: export.attempt,
            memberships: has_memberships.then(|| Box::new(memberships)),
            clock: export
                .clock
                .map(|clock| Box::new(Clock::import(&clock, now_ms as f64))),
            rates: Some(Box::new(Rates::import(rates, now_ms))),
        };
        let effects = [Effect::Register, Effect::ArmExpiry(expires_at_ms)];
        Ok((session, effects.into_iter().collect()))
    }
}

impl SessionExport {
    /// Credentials end at a time, however long the value was on its way.
    pub fn pass_time(&mut self, ms: u64) {
        let left = self
            .standing
            .as_mut()
            .and_then(|all| all.expires_in_ms.as_mut());
        if let Some(left) = left {
            *left = left.saturating_sub_unsigned(ms);
        }
    }

    fn check(&self, limits: &ImportLimits) -> Result<(), ImportError> {
        let counts = [
            ("watched users", self.watching.len(), limits.watching_max),
            ("rooms", self.rooms.len(), limits.rooms_max),
            ("channels", self.channels.len(), limits.channels_max),
            ("roles", self.roles.len(), GRANTS_MAX),
            ("functions", self.functions.len(), GRANTS_MAX),
        ];
        if let Some((name, ..)) = counts.iter().find(|(_, count, max)| count > max) {
            return Err(ImportError::TooMany(name));
        }
        let rooms: HashSet<_> = self.rooms.iter().map(|all| &all.room).collect();
        let channels: HashSet<_> = self.channels.iter().map(|all| &all.channel).collect();
        let distinct = [
            ("rooms", rooms.len() == self.rooms.len()),
            ("channels", channels.len() == self.channels.len()),
        ];
        if let Some((name, _)) = distinct.iter().find(|(_, are_distinct)| !are_distinct) {
            return Err(ImportError::Duplicate(name));
        }
        let token = self.standing.as_ref().and_then(|all| all.token.as_ref());
        if token.is_some_and(|token| token.len() > TOKEN_BYTES_MAX) {
            return Err(ImportError::TooLarge);
        }
        let messages = self.outbox.messages.len() as u64;
        let is_in_range = self.accepted <= NUMBER_MAX
            && self.outbox.forgotten <= NUMBER_MAX
            && self.outbox.written <= messages;
        is_in_range.then_some(()).ok_or(ImportError::Number)
    }
}

impl OutboxExport {
    fn of<F: OutboxFrame>(outbox: &Outbox<F>, exporter: &impl Exporter<F>) -> Option<Self> {
        let mut messages = Vec::new();
        let mut append = |frame: &F| {
            let before = messages.len() as u64;
            exporter.texts(frame, &mut messages);
            // A message too many or too few would move the numbers of all behind.
            (messages.len() as u64 == before + frame.messages()).then_some(())
        };
        outbox.retained().try_for_each(&mut append)?;
        outbox.waiting().try_for_each(&mut append)?;
        Some(Self {
            forgotten: outbox.dropped(),
            has_overflowed: outbox.acknowledged().is_none(),
            messages,
            written: outbox.sent() - outbox.dropped(),
            written_before: outbox.written_before().saturating_sub(outbox.dropped()),
        })
    }

    fn into_outbox<F: OutboxFrame>(
        self,
        limits: &ImportLimits,
        importer: &mut impl Importer<F>,
    ) -> Result<Outbox<F>, ImportError> {
        let mut outbox = Outbox::behind(self.forgotten, self.has_overflowed);
        for (text, number) in self.messages.iter().zip(1..) {
            outbox.push(importer.frame(text).ok_or(ImportError::Message)?);
            if number <= self.written {
                // Makes it as small as it was.
                outbox.written(1, usize::MAX);
            }
        }
        let count = self.messages.len() as u64;
        outbox.note_written_before(
            self.forgotten
                .saturating_add(self.written_before.min(count)),
        );
        outbox.written(0, limits.retained_bytes_max);
        if outbox.waiting_bytes() > limits.waiting_bytes_max {
            return Err(ImportError::TooLarge);
        }
        Ok(outbox)
    }
}

#[cfg(test)]
mod tests;
