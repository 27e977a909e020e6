//! All that is known of one session.

use actix::{Context, Handler, Message, MessageResult};
use serde::Serialize;

use super::session::SessionSummary;
use super::shown::ErrorReport;
use crate::clock;
use crate::gateway::Gateway;
use turntable_core::key::{ConnKey, SessionKey, SessionSlot};
use turntable_core::session::life::Life;

/// A session as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionReport {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: SessionSummary,
    /// Its roles.
    pub roles: Vec<Box<str>>,
    /// Whether its client has shown nothing that says who it is.
    pub provisional: bool,
    /// Seconds that are left of its credentials, if they expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// Unix ms when it lost its connection, while it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detached_ms: Option<u64>,
    /// Whether its client is idle.
    pub idle: bool,
    /// The round trip to its client.
    pub round_trip: RoundTrip,
    /// What waits and what is retained.
    pub queue: Queue,
    /// How many users it watches.
    pub watching: usize,
    /// Its rooms.
    pub rooms: Vec<Box<str>>,
    /// Its channels.
    pub channels: Vec<Channel>,
    /// The services that it provides.
    pub provides: Vec<Box<str>>,
    /// How many errors its client got.
    pub errors: u64,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<ErrorReport>,
    /// The names of its last commands, the last one first.
    pub recent_commands: Vec<&'static str>,
}

/// What was measured of the path to a client, in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RoundTrip {
    /// The least one of the pings of the last minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_ms: Option<f64>,
    /// What the kernel has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_ms: Option<f64>,
    /// Half the round trip that one in twenty exceeded in the last seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u32>,
    /// How far back the timestamps of its actions may lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit_ms: Option<u32>,
}

/// What waits for a client, and what is retained of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Messages that wait.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// How many bytes may wait.
    pub bytes_max: u32,
    /// Whether the socket takes nothing now.
    pub blocked: bool,
    /// Messages that are retained for a resume.
    pub retained: u64,
    /// Their bytes.
    pub retained_bytes: usize,
    /// Changes of presence and of public attributes that wait to be written.
    pub changes: usize,
    /// Bytes of frames of the connection itself that wait.
    pub connection_bytes: usize,
}

/// A channel of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Its path.
    pub channel: Box<str>,
    /// Whether with everything below it.
    pub subpaths: bool,
}

/// What is known of a session; `None` where it is not here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<SessionReport>")]
pub(super) struct InspectSession(pub(super) SessionKey);

impl Handler<InspectSession> for Gateway {
    type Result = MessageResult<InspectSession>;

    fn handle(&mut self, asked: InspectSession, _: &mut Context<Self>) -> Self::Result {
        let session = self.session_of_key(asked.0);
        MessageResult(session.and_then(|session| self.session_report(session)))
    }
}

impl Gateway {
    fn session_report(&self, session: SessionSlot) -> Option<SessionReport> {
        let entry = self.sessions.get(session)?;
        let pure = &entry.session;
        let (outbox, connection) = (&pure.outbox, pure.connection());
        let on_connection = connection.and_then(|key| self.connections.get(key));
        let standing = pure.standing.as_ref();
        let channels = pure.channels().iter().map(|known| Channel {
            channel: known.channel.as_str().into(),
            subpaths: known.subpaths,
        });
        let provides = entry.providing().into_iter();
        let provides = provides.flat_map(|providing| providing.names());
        Some(SessionReport {
            summary: self.session_summary(session)?,
            roles: (pure.permissions.as_deref()).map_or_else(Vec::new, |all| all.roles().to_vec()),
            provisional: pure.is_provisional,
            expires_in: standing.and_then(|standing| standing.expires_in(clock::now_ms())),
            detached_ms: match pure.life() {
                Life::Detached { since_ms, .. } => Some(since_ms),
                _ => None,
            },
            idle: pure.is_idle(),
            round_trip: self.round_trip(session),
            queue: Queue {
                messages: outbox.waiting_len(),
                bytes: outbox.waiting_bytes(),
                bytes_max: entry.waiting_bytes_max(),
                blocked: entry.is_blocked,
                retained: outbox.messages_retained(),
                retained_bytes: outbox.retained_bytes(),
                changes: entry.changed.len() + entry.profiles.len(),
                connection_bytes: on_connection.map_or(0, |known| known.queue.bytes()),
            },
            watching: pure.watching.len(),
            rooms: pure.rooms().map(|room| room.as_str().into()).collect(),
            channels: channels.collect(),
            provides: provides.map(Into::into).collect(),
            errors: entry.notes().map_or(0, |notes| notes.errors),
            last_error: entry.notes().and_then(|notes| notes.last_error()),
            recent_commands: entry.recent_commands(),
        })
    }

    /// What is measured of the path to a session's client.
    pub(super) fn round_trip(&self, session: SessionSlot) -> RoundTrip {
        let Some(entry) = self.sessions.get(session) else {
            return RoundTrip::default();
        };
        let kernel_ms = entry
            .session
            .connection()
            .and_then(|key| self.kernel_ms(key));
        let Some(clock) = entry.session.known_clock() else {
            return RoundTrip {
                kernel_ms,
                ..RoundTrip::default()
            };
        };
        let allowance_ms = self.settings.time.allowance_ms;
        let lag = clock.lag(clock::now_exact_ms(), allowance_ms);
        RoundTrip {
            ping_ms: clock.least_round_trip_ms(),
            kernel_ms,
            lag_ms: lag.measured_ms,
            credit_ms: Some(lag.credit_ms),
        }
    }

    /// The smoothed round trip of the kernel, of the socket that a connection has or that
    /// carries it.
    pub(super) fn kernel_ms(&self, key: ConnKey) -> Option<f64> {
        let connection = self.connections.get(self.connections.counted(key))?;
        let io = connection.io.as_ref().filter(|_| !connection.is_proxied)?;
        let trip = io.round_trip().ok().filter(|trip| trip.min_rtt_us > 0)?;
        Some(trip.smoothed_ms())
    }
}
