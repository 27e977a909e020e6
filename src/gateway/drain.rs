//! Sending clients away, as the server stops or as the operator drains it: each gets a
//! `goaway`, then its connection is closed.
//!
//! Thousands at once would come back at once. So they are sent away in parts, one with each
//! tick of the wheel, and each is asked to come back at a time of its own. Meanwhile those that
//! were not sent away are served as before, and nobody else comes in.

use std::collections::VecDeque;

use actix::{Context, Handler, Message};

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::session::life::Details;
use crate::gateway::table::Index;
use crate::gateway::wheel::TICK_MS;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::ServerPacket;
use turntable_core::reason::CloseReason;
use turntable_core::session::life::Input;

/// Clients that come back in one ms: about half of what a core takes.
const RETURNS_PER_MS: u64 = 4;
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

/// Sends all clients away.
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

/// Clients may come again.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Undrain;

/// Clients that are to be sent away.
#[derive(Debug)]
pub(super) struct Draining {
    waiting: VecDeque<Leaving>,
    /// Unix ms when the last of them goes.
    until_ms: u64,
    is_ending: bool,
}

/// A connection that is to be closed, with the sessions that it carries.
#[derive(Debug)]
struct Leaving {
    connection: ConnKey,
    sessions: Vec<SessionSlot>,
}

impl Draining {
    /// Takes those that go now.
    fn take(&mut self, now_ms: u64) -> Vec<Leaving> {
        let ticks_left = self.until_ms.saturating_sub(now_ms) / TICK_MS;
        let ticks_left = usize::try_from(ticks_left).unwrap_or(usize::MAX);
        let count = self.waiting.len().div_ceil(ticks_left.saturating_add(1));
        self.waiting.drain(..count).collect()
    }
}

impl Handler<Drain> for Gateway {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Context<Self>) {
        let now_ms = clock::now_ms();
        self.saving.is_on |= drain.is_saving;
        let all = |connection| Leaving {
            connection,
            sessions: Vec::new(),
        };
        let mut waiting: VecDeque<Leaving> = self.connections.keys().into_iter().map(all).collect();
        for session in self.sessions.slots() {
            let entry = self.sessions.get(session);
            let connection = entry.and_then(|entry| entry.session.connection());
            // All sessions of a connection get theirs before it is closed.
            let counted = connection.map(|connection| self.connections.counted(connection));
            let at = counted.and_then(|key| {
                // Both are in the order of the tables, which is not that of sessions.
                waiting
                    .binary_search_by_key(&Index::from(key).number(), |known| {
                        Index::from(known.connection).number()
                    })
                    .ok()
            });
            if let Some(leaving) = at.and_then(|at| waiting.get_mut(at)) {
                leaving.sessions.push(session);
            }
        }
        self.drain = Some(Draining {
            waiting,
            until_ms: now_ms.saturating_add(drain.spread_ms),
            is_ending: drain.is_ending,
        });
        self.drain_on(now_ms);
    }
}

impl Handler<Undrain> for Gateway {
    type Result = ();

    fn handle(&mut self, _: Undrain, _: &mut Context<Self>) {
        self.drain = None;
    }
}

impl Gateway {
    /// Whether it takes no clients.
    pub(crate) const fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Sends those away whose time has come.
    pub(super) fn drain_on(&mut self, now_ms: u64) {
        let Some(draining) = &mut self.drain else {
            return;
        };
        for leaving in draining.take(now_ms) {
            for session in leaving.sessions {
                self.step(session, Input::Drain, Details::default());
                self.run();
            }
            self.close_draining(leaving.connection);
            self.run();
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
        let now_ms = clock::now_ms();
        let left_ms = match &self.drain {
            // Until then there is no other server to come to.
            Some(draining) if draining.is_ending => draining.until_ms.saturating_sub(now_ms),
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::key::SlotKey as _;

    #[test]
    fn few_clients_go_at_once_and_many_within_the_limit() {
        assert_eq!(spread_ms(0, 0, 2_500), 0);
        assert_eq!(spread_ms(1_000, 0, 2_500), 0);
        assert_eq!(spread_ms(4_000, 0, 2_500), 1_000);
        assert_eq!(spread_ms(400_000, 0, 2_500), 2_500);
        assert_eq!(spread_ms(3, 400, 2_500), 400, "as configured");
        assert_eq!(spread_ms(3, 9_000, 2_500), 2_500);
    }

    #[test]
    fn clients_go_in_equal_parts_and_none_is_left() {
        let leaving = |number| Leaving {
            connection: ConnKey::new(number, 0),
            sessions: Vec::new(),
        };
        let mut draining = Draining {
            waiting: (0..100).map(leaving).collect(),
            until_ms: 10_000 + 4 * TICK_MS,
            is_ending: true,
        };
        let sizes = (0..6).map(|tick| draining.take(10_000 + tick * TICK_MS).len());
        assert_eq!(sizes.collect::<Vec<_>>(), [20, 20, 20, 20, 20, 0]);
    }

    #[test]
    fn late_tick_sends_all_away() {
        let leaving = |number| Leaving {
            connection: ConnKey::new(number, 0),
            sessions: Vec::new(),
        };
        let mut draining = Draining {
            waiting: (0..3).map(leaving).collect(),
            until_ms: 10_000,
            is_ending: false,
        };
        assert_eq!(draining.take(10_500).len(), 3);
    }
}
