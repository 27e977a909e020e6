//! Sending clients away, as the server stops or as the operator drains it: each gets a
//! `goaway`, then its connection is closed.
//!
//! Thousands at once would come back at once. So they are sent away in parts, one with each
//! tick of the wheel, and each is asked to come back at a time of its own. Meanwhile those that
//! were not sent away are served as before, and nobody else comes in.
//!
//! A client that has a connection for each answer waits as its session: it may come back until
//! that is sent away. One that has no answer to read a `goaway` in when its turn comes gets it
//! when it comes back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::{Context, Handler, Message};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::gateway::Gateway;
use crate::gateway::connection::Connection;
use crate::gateway::session::life::Details;
use crate::gateway::table::Index;
use crate::gateway::wheel::TICK_MS;
use crate::gateway::work::Effect;
use turntable_core::id::SessionId;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::ServerPacket;
use turntable_core::reason::CloseReason;
use turntable_core::session::life::Input;

/// Clients that come back in one ms: about half of what a core takes.
pub(super) const RETURNS_PER_MS: u64 = 4;
/// The least and the longest time over which clients come back, in ms.
const SPREAD_MS: (u64, u64) = (1_000, 30_000);
/// Over how long clients come back to which the server names no time, in ms.
const USUAL_SPREAD_MS: u64 = 2_000;
/// The least time after which a client is asked to come back, in ms.
const RETURN_MS: u64 = 250;
/// The same, and the least time over which clients come back, where the next process has their
/// sessions, in ms.
const SOON_MS: u64 = 100;
/// So many clients are sent away at once.
const AT_ONCE: u64 = 1_000;
/// The longest time over which clients are sent away: a year.
const LONGEST: Duration = Duration::from_secs(31_536_000);

/// Over how long so many clients are sent away, in ms: `configured`, or by their number, where
/// few go at once. At most `max_ms`.
#[must_use]
pub fn spread_ms(clients: u64, configured: u64, max_ms: u64) -> u64 {
    let spread_ms = match configured {
        0 if clients <= AT_ONCE => 0,
        0 => clients / RETURNS_PER_MS,
        configured => configured,
    };
    spread_ms.min(max_ms)
}

/// Sends all clients away. Where they are being sent away, those that are left go over this
/// time; that the process ends is not undone.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// Over how long, in ms.
    pub spread_ms: u64,
    /// Whether the process ends: then clients come back to the one that follows, when all are
    /// away.
    pub is_ending: bool,
    /// Whether its sessions go on in that one. Then owners do not hear that they have no
    /// connection.
    pub is_saving: bool,
}

/// Clients may come again, unless the process ends.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Undrain;

/// A client that waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Whatever connection carries its session then.
    Session(SessionSlot),
    /// One without a session of its own.
    Connection(ConnKey),
}

/// Clients that are to be sent away, and those that were.
#[derive(Debug)]
pub(super) struct Draining {
    waiting: VecDeque<Waiting>,
    /// The sessions among them.
    sessions: FxHashSet<SessionSlot>,
    /// When the next of them go.
    next: Instant,
    /// When the last of them goes.
    until: Instant,
    is_ending: bool,
    away: FxHashSet<SessionSlot>,
}

impl Draining {
    fn left_ms(&self, now: Instant) -> u64 {
        let left = self.until.saturating_duration_since(now);
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes those that go now.
    fn take(&mut self, now: Instant) -> Vec<Waiting> {
        if now < self.next.min(self.until) {
            return Vec::new();
        }
        let left_ms = self.left_ms(now);
        let ticks_left = usize::try_from(left_ms / TICK_MS).unwrap_or(usize::MAX);
        let count = self.waiting.len().div_ceil(ticks_left.saturating_add(1));
        let leaving: Vec<Waiting> = self.waiting.drain(..count).collect();
        for client in &leaving {
            if let Waiting::Session(session) = client {
                self.sessions.remove(session);
            }
        }
        // Few go with less than one at each tick.
        let left = (self.waiting.len() as u64).max(1);
        self.next = now + Duration::from_millis(left_ms / left);
        leaving
    }
}

impl Handler<Drain> for Gateway {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Context<Self>) {
        self.begin_drain(drain);
    }
}

impl Handler<Undrain> for Gateway {
    type Result = ();

    fn handle(&mut self, _: Undrain, _: &mut Context<Self>) {
        self.end_drain();
    }
}

impl Gateway {
    pub(super) fn begin_drain(&mut self, drain: Drain) {
        let before = self.drain.take();
        if before.as_ref().is_some_and(|known| known.is_ending) && !drain.is_ending {
            self.drain = before;
            return;
        }
        self.saving.is_on |= drain.is_saving;
        // All wait for their turn in this one.
        for key in self.connections.keys() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.transport.stay();
            }
        }
        let waiting = self.clients();
        let sessions = waiting.iter().filter_map(|client| match client {
            Waiting::Session(session) => Some(*session),
            Waiting::Connection(_) => None,
        });
        let spread = Duration::from_millis(drain.spread_ms).min(LONGEST);
        let now = Instant::now();
        self.drain = Some(Draining {
            sessions: sessions.collect(),
            waiting,
            next: now,
            until: now + spread,
            is_ending: drain.is_ending,
            away: before.map(|known| known.away).unwrap_or_default(),
        });
        self.drain_on(now);
    }

    /// All clients, each once.
    fn clients(&self) -> VecDeque<Waiting> {
        let open = self.connections.iter().filter(|(_, connection)| {
            // One that is carried goes with its carrier.
            !connection.is_closing() && connection.transport.carrier().is_none()
        });
        open.map(|(key, connection)| match connection.session() {
            Some(session) => Waiting::Session(session),
            None => Waiting::Connection(key),
        })
        .collect()
    }

    fn end_drain(&mut self) {
        if self.drain.as_ref().is_some_and(|known| !known.is_ending) {
            // Those whose turn had come stay (`answer_and_leave`).
            self.drain = None;
        }
    }

    /// Whether it takes no clients.
    pub(crate) const fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Sends those away whose time has come.
    pub(super) fn drain_on(&mut self, now: Instant) {
        let draining = self.drain.as_mut();
        let taken = draining.map(|draining| draining.take(now));
        self.drain_taken(taken.unwrap_or_default());
    }

    /// Sends all away that are left.
    pub(super) fn drain_rest(&mut self) {
        let draining = self.drain.as_mut();
        let left = draining.map(|draining| {
            draining.sessions.clear();
            std::mem::take(&mut draining.waiting)
        });
        self.drain_taken(left.unwrap_or_default().into());
    }

    fn drain_taken(&mut self, taken: Vec<Waiting>) {
        let leaving = taken.into_iter().filter_map(|client| self.turn_of(client));
        let leaving = leaving.collect();
        self.drain_these(leaving);
    }

    /// The connection of a client whose turn has come; `None` where it leaves later.
    fn turn_of(&mut self, client: Waiting) -> Option<ConnKey> {
        let session = match client {
            Waiting::Session(session) => session,
            // Its client may have identified since.
            Waiting::Connection(key) => {
                match self.connections.get(key).and_then(Connection::session) {
                    Some(session) => session,
                    None => return Some(key),
                }
            }
        };
        let key = self.sessions.get(session)?.session.connection()?;
        let connection = self.connections.get_mut(key)?;
        if connection.awaits_attachment() {
            // See `drain_returned`.
            return None;
        }
        if !self.saving.is_on && connection.transport.leave_with_answer() {
            return None;
        }
        if self.saving.is_on
            && let Some(has_request) = connection.transport.leave_behind_commands()
        {
            // The next process answers its next request. A `goaway` might wait behind the answer
            // to the request under way, and come from there.
            let end = match has_request {
                true => Effect::Flush(key),
                false => Effect::Lose(key),
            };
            self.push_effects([end]);
            self.run();
            return None;
        }
        Some(self.connections.counted(key))
    }

    fn drain_these(&mut self, leaving: Vec<ConnKey>) {
        let mut carried = self.carried_by(&leaving);
        for key in leaving {
            let own = self.connections.get(key).and_then(Connection::session);
            let carried = carried.remove(&key).unwrap_or_default();
            self.leave(key, own.into_iter().chain(carried));
            self.run();
        }
    }

    /// Leaves that a connection's sessions get their `goaway`, and that it closes behind that.
    fn leave(&mut self, key: ConnKey, sessions: impl IntoIterator<Item = SessionSlot>) {
        self.close_draining(key);
        for session in sessions {
            if let Some(draining) = &mut self.drain {
                draining.away.insert(session);
            }
            self.step(session, Input::Drain, Details::default());
        }
    }

    /// The sessions of the connections that these carry.
    fn carried_by(&self, carriers: &[ConnKey]) -> FxHashMap<ConnKey, Vec<SessionSlot>> {
        let carries = |key: &&ConnKey| {
            let connection = self.connections.get(**key);
            connection.is_some_and(|connection| connection.transport.carries() > 0)
        };
        let carriers = carriers.iter().filter(carries);
        let mut sessions: FxHashMap<ConnKey, Vec<SessionSlot>> =
            carriers.map(|key| (*key, Vec::new())).collect();
        if sessions.is_empty() {
            return sessions;
        }
        for (_, connection) in self.connections.iter() {
            if let Some(carrier) = connection.transport.carrier()
                && let Some(session) = connection.session()
                && let Some(carried) = sessions.get_mut(&carrier)
            {
                carried.push(session);
            }
        }
        sessions
    }

    /// Whether a client that has no connection may come back to its session, while clients are
    /// sent away: that was not sent away yet.
    pub(super) fn may_come_back(&self, session: SessionId) -> bool {
        match (&self.drain, self.session_here(session)) {
            (Some(draining), Some(slot)) => !draining.away.contains(&slot),
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// A client came back to its session while clients are sent away: it goes now, unless its
    /// turn comes yet.
    pub(super) fn drain_returned(&mut self, connection: ConnKey) {
        let session = self.connections.get(connection);
        let session = session.and_then(Connection::session);
        if let (Some(draining), Some(session)) = (&self.drain, session)
            && !draining.sessions.contains(&session)
        {
            self.drain_these(vec![connection]);
        }
    }

    /// A client whose turn has come is about to be answered: it leaves with the answer, unless
    /// clients may come again.
    pub(super) fn answer_and_leave(&mut self, connection: ConnKey) {
        let session = self.connections.get(connection);
        let session = session.and_then(Connection::session);
        match session.filter(|_| self.is_draining()) {
            Some(session) => self.leave(connection, [session]),
            None => self.flush_connection(connection),
        }
    }

    /// Over how long the clients come back, in ms.
    fn spread_ms(&self) -> u64 {
        let (least, longest) = SPREAD_MS;
        (self.shared.limits.total() / RETURNS_PER_MS).clamp(least, longest)
    }

    /// The same where the next process has their sessions.
    fn saving_spread_ms(&self) -> u64 {
        (self.shared.limits.total() / RETURNS_PER_MS).clamp(SOON_MS, SPREAD_MS.1)
    }

    /// The same as clients know beforehand, as a server that crashes sends no `goaway`.
    pub(crate) fn announced_spread_ms(&self) -> Option<u64> {
        Some(self.spread_ms()).filter(|spread_ms| *spread_ms > USUAL_SPREAD_MS)
    }

    /// Sends a client its `goaway`, as the server stops.
    pub(crate) fn send_away(&mut self, session: SessionSlot, connection: ConnKey) {
        let left_ms = match &self.drain {
            // Until then there is no other server to come to.
            Some(draining) if draining.is_ending => draining.left_ms(Instant::now()),
            _ => 0,
        };
        let number = u64::from(Index::from(connection).number());
        let spread_ms = match self.saving.is_on {
            true => self.saving_spread_ms(),
            false => self.spread_ms(),
        };
        let return_ms = match self.saving.is_on {
            true => SOON_MS,
            false => RETURN_MS,
        };
        let packet = ServerPacket::GoAway {
            reason: CloseReason::GoingAway.name(),
            // Spread, so that the next server is not stormed.
            reconnect_ms: return_ms + left_ms + number % spread_ms,
            url: None,
        };
        self.send(session, &packet, None);
        self.flush_connection(connection);
    }
}

#[cfg(test)]
mod tests;
