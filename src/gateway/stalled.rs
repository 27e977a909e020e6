//! Readers that are behind, when the process uses more memory than it may.
//!
//! What waits for them goes first, and their sessions with it: a session that only lost its
//! connection costs little, and its client did nothing wrong. The clients of one address
//! are judged together: the address with the most gives first, its fullest session first
//! (`core/relief.rs`).

use crate::gateway::Gateway;
use crate::gateway::admission::{AddressShare, DetachedPermit, Permit};
use crate::gateway::connection::Connection;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::memory::Answered;
use crate::gateway::work::Effect;
use turntable_core::address::Address;
use turntable_core::budget::Relief;
use turntable_core::key::ConnKey;
use turntable_core::relief::{Holding, Holdings, Reading};
use turntable_core::session::life::Life;

/// A session of which less waits is not behind.
pub(super) const BEHIND_BYTES: usize = 16_384;
/// A session that has less than this is not listed.
const LISTED_BYTES: usize = 4_096;
/// What a watched user takes: its id, the session's place among its watchers, and where nobody else
/// watches it, the user's record.
const UNIT_BYTES: usize = 256;
/// A client that fetches what waits for it by requests reads on so long after the last one.
const SILENT_MS: u64 = 10_000;

/// What a connection and the kernel have for its reader.
fn unsent_bytes(connection: &Connection) -> usize {
    let unsent = connection.io.as_ref().and_then(|io| io.unsent_bytes().ok());
    connection.queue.bytes() + unsent.unwrap_or_default() as usize
}

/// What a session watches and is on.
fn unit_bytes(entry: &SessionEntry) -> usize {
    entry.units() * UNIT_BYTES
}

impl Gateway {
    /// What may go: sessions whose readers are behind, and where these may go as well, others
    /// without a connection, and what others have that have one.
    pub(super) fn holdings(&self, relief: Relief, now_ms: u64) -> Holdings {
        let mut holdings = Holdings {
            leaving_bytes: self.subscriptions.unwatching.len() * UNIT_BYTES,
            ..Holdings::default()
        };
        for (session, entry) in self.sessions.iter() {
            let holding = |bytes, since_ms| Holding {
                address: self.counted_address(entry),
                session: self.sessions.place(session),
                bytes,
                since_ms,
            };
            match self.freed(entry, relief, now_ms) {
                Some((bytes @ BEHIND_BYTES.., since_ms)) => {
                    holdings.stalled.push(holding(bytes, since_ms));
                }
                _ if relief == Relief::Stalled => {}
                Some((bytes, since_ms @ 1..)) => {
                    let bytes = bytes + unit_bytes(entry);
                    holdings.detached.push(holding(bytes, since_ms));
                }
                _ => {
                    let outbox = &entry.session.outbox;
                    let answered = entry.answered().map_or(0, Answered::bytes);
                    let retained_bytes = outbox.retained_bytes() + answered;
                    let bytes = outbox.waiting_bytes() + retained_bytes + unit_bytes(entry);
                    if bytes >= LISTED_BYTES {
                        let holding = holding(bytes, 0);
                        holdings.reading.push(Reading {
                            holding,
                            retained_bytes,
                        });
                    }
                }
            }
        }
        holdings
    }

    /// What the end of a session gives back, if that is anything, and since when it has had
    /// no connection.
    fn freed(&self, entry: &SessionEntry, relief: Relief, now_ms: u64) -> Option<(usize, u64)> {
        let outbox = &entry.session.outbox;
        match (entry.session.life(), entry.session.connection()) {
            (Life::Detached { since_ms, .. }, _) => {
                let answered = entry.answered().map_or(0, Answered::bytes);
                let bytes = outbox.waiting_bytes() + outbox.retained_bytes() + answered;
                Some((size_of_val(entry) + bytes, since_ms.max(1)))
            }
            (_, Some(key))
                if matches!(relief, Relief::Shares | Relief::All)
                    || self.is_behind(key, now_ms) =>
            {
                Some((outbox.waiting_bytes() + self.stalled_bytes(key), 0))
            }
            _ => None,
        }
    }

    /// The address by which the client of a session is counted.
    fn counted_address(&self, entry: &SessionEntry) -> Option<Address> {
        let connection = entry.session.connection();
        let permit = connection.and_then(|key| self.connections.permit(key));
        let share = entry.share.as_ref();
        let detached = entry.detached.as_ref().map(DetachedPermit::share);
        let address = permit
            .map(Permit::address)
            .or_else(|| share.map(AddressShare::address))
            .or_else(|| detached.map(|share| share.address()));
        address.map(Address::of)
    }

    /// Whether the reader of a connection takes nothing of what waits. One that fetches it by
    /// requests may be between two of them.
    fn is_behind(&self, key: ConnKey, now_ms: u64) -> bool {
        let Some(connection) = self.connections.get(key) else {
            return false;
        };
        let carrier = connection.transport.carrier();
        let carrier = carrier.and_then(|key| self.connections.get(key));
        let carrier = carrier.unwrap_or(connection);
        match carrier.transport.fetched_ms(now_ms) {
            Some(fetched_ms) => now_ms >= fetched_ms.saturating_add(SILENT_MS),
            None => carrier.io.is_some() && self.takes_nothing(key, connection),
        }
    }

    /// Whether the client of a connection takes nothing of what waits for it.
    fn takes_nothing(&self, key: ConnKey, connection: &Connection) -> bool {
        connection.queue.is_blocked() || self.unread.is_still(key)
    }

    /// What a connection, the one that carries it and the kernel have for a reader that takes
    /// nothing now.
    fn stalled_bytes(&self, key: ConnKey) -> usize {
        let Some(connection) = self.connections.get(key) else {
            return 0;
        };
        let is_blocked = self.takes_nothing(key, connection);
        let own = if is_blocked {
            unsent_bytes(connection)
        } else {
            0
        };
        let carrier = connection.transport.carrier();
        let carrier = carrier.and_then(|key| self.connections.get(key));
        let carrier = carrier.filter(|carrier| is_blocked || carrier.io.is_none());
        own + carrier.map_or(0, |carrier| {
            unsent_bytes(carrier) / carrier.transport.carries().max(1)
        })
    }

    /// Loses connections that were closed and whose clients do not read: they would be
    /// waited for. Returns the bytes that this frees.
    pub(super) fn lose_closed(&mut self) -> usize {
        let closed = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_closing());
        let closed = closed.map(|(key, connection)| (key, unsent_bytes(connection)));
        let closed: Vec<_> = closed.filter(|(_, bytes)| *bytes >= BEHIND_BYTES).collect();
        self.push_effects(closed.iter().map(|(key, _)| Effect::Lose(*key)));
        self.run();
        closed.iter().map(|(_, bytes)| bytes).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock;
    use crate::gateway::delivery::frame::Frame;
    use crate::gateway::testing::{Noted, begin_as, begin_by_requests, crowd, entry, gateway};
    use turntable_core::key::SessionSlot;
    use turntable_core::packet::{ReplyData, ServerPacket};
    use turntable_core::payload::Payload;
    use turntable_core::session::life::Input;

    /// 100,000 bytes wait for the reader of a session.
    fn fall_behind(gateway: &mut Gateway, session: SessionSlot) {
        let text = "x".repeat(100_000);
        let text = Payload::from_json(format!("{text:?}").as_str());
        let frame = Frame::message(&ServerPacket::Reply(ReplyData::Value(text)), None);
        entry(gateway, session).session.outbox.push(frame);
    }

    fn there(gateway: &Gateway, sessions: &[SessionSlot]) -> Vec<bool> {
        let is_there = |session: &SessionSlot| gateway.sessions.holds(*session);
        sessions.iter().map(is_there).collect()
    }

    #[test]
    fn sessions_that_only_lost_their_connection_stay_where_readers_are_behind() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = crowd(&mut gateway, 3);
        let settings = gateway.settings.session.clone();
        let lost = entry(&mut gateway, sessions[0]);
        let input = Input::Lost(lost.session.connection().unwrap());
        lost.session.step(input, 1, &settings);
        fall_behind(&mut gateway, sessions[1]);
        let late_ms = clock::now_ms() + SILENT_MS;
        gateway.relieve(Relief::Half, 50_000, late_ms);
        assert_eq!(there(&gateway, &sessions), [true, false, true]);
        assert_eq!(gateway.shared.metrics.evicted.get(), 0);
    }

    #[test]
    fn client_behind_a_carrier_is_behind_when_it_stays_away() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let begun_ms = clock::now_ms();
        let (session, _answer) = begin_by_requests(&mut gateway, 1);
        fall_behind(&mut gateway, session);
        for relief in [Relief::Stalled, Relief::Half] {
            assert!(!gateway.relieve(relief, 1, begun_ms + SILENT_MS / 2));
        }
        assert_eq!(there(&gateway, &[session]), [true]);
        assert!(gateway.relieve(Relief::Stalled, 1, begun_ms + 2 * SILENT_MS));
        assert_eq!(there(&gateway, &[session]), [false]);
    }

    #[test]
    fn what_waits_on_the_carrier_of_a_namespace_counts() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let (session, _answer) = begin_by_requests(&mut gateway, 1);
        fall_behind(&mut gateway, session);
        let connection = entry(&mut gateway, session).session.connection().unwrap();
        gateway.flush_connection(connection);
        assert_eq!(
            entry(&mut gateway, session).session.outbox.waiting_bytes(),
            0
        );
        let at_ms = clock::now_ms() + 2 * SILENT_MS;
        assert!(gateway.relieve(Relief::Stalled, 1, at_ms));
        assert_eq!(there(&gateway, &[session]), [false]);
    }

    #[test]
    fn sessions_without_a_connection_are_listed_where_they_may_go() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = crowd(&mut gateway, 3);
        let settings = gateway.settings.session.clone();
        for session in &sessions[..2] {
            let lost = entry(&mut gateway, *session);
            let input = Input::Lost(lost.session.connection().unwrap());
            lost.session.step(input, 1, &settings);
        }
        fall_behind(&mut gateway, sessions[0]);
        let count = |relief| {
            let holdings = gateway.holdings(relief, clock::now_ms());
            (holdings.stalled.len(), holdings.detached.len())
        };
        assert_eq!(count(Relief::Stalled), (1, 0));
        assert_eq!(count(Relief::Half), (1, 1));
    }

    #[test]
    fn client_between_two_requests_is_behind_only_when_it_stays_away() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = crowd(&mut gateway, 1);
        let begun_ms = clock::now_ms();
        fall_behind(&mut gateway, sessions[0]);
        for relief in [Relief::Stalled, Relief::Half] {
            assert!(!gateway.relieve(relief, 1, begun_ms + SILENT_MS / 2));
        }
        assert_eq!(there(&gateway, &sessions), [true]);
        assert!(gateway.relieve(Relief::Stalled, 1, begun_ms + SILENT_MS));
        assert_eq!(there(&gateway, &sessions), [false]);
        // Where all that may go has to, it does not matter.
        let session = begin_as(&mut gateway, 9);
        fall_behind(&mut gateway, session);
        assert!(gateway.relieve(Relief::All, 1, begun_ms));
        assert_eq!(there(&gateway, &[session]), [false]);
    }
}
