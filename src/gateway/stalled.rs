//! Readers that are behind, when the process uses more memory than it may.
//!
//! What waits for them goes first, and their sessions with it: a session that only lost its
//! connection costs little, and its client did nothing wrong. The clients of one address
//! are judged together: the address with the most gives first, its fullest session first.

use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;

use crate::gateway::Gateway;
use crate::gateway::connection::Connection;
use crate::gateway::session::life::Details;
use crate::gateway::session::memory::Answered;
use crate::gateway::work::Effect;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::reason::CloseReason;
use turntable_core::session::life::{Input, Life};

/// A session of which less waits is not behind.
const BEHIND_BYTES: usize = 16_384;

/// What waits for the reader of one session.
#[derive(Debug, Clone, Copy)]
struct Backlog {
    address: Option<IpAddr>,
    session: SessionSlot,
    bytes: usize,
}

/// What waits for the readers of one address, and its sessions, the fullest first.
type OfAddress = (usize, BinaryHeap<(usize, SessionSlot)>);

/// The sessions that have to go to free so many bytes, and how many they free.
fn fullest(backlogs: Vec<Backlog>, excess_bytes: usize) -> (Vec<SessionSlot>, usize) {
    let mut of_addresses: HashMap<Option<IpAddr>, OfAddress> = HashMap::new();
    for Backlog {
        address,
        session,
        bytes,
    } in backlogs
    {
        let (total, sessions) = of_addresses.entry(address).or_default();
        *total += bytes;
        sessions.push((bytes, session));
    }
    let totals = of_addresses
        .iter()
        .map(|(address, (total, _))| (*total, *address));
    let mut totals: BinaryHeap<(usize, Option<IpAddr>)> = totals.collect();
    let (mut chosen, mut freed_bytes) = (Vec::new(), 0);
    while freed_bytes < excess_bytes {
        let Some((total, address)) = totals.pop() else {
            break;
        };
        let sessions = of_addresses.get_mut(&address);
        if let Some((bytes, session)) = sessions.and_then(|(_, sessions)| sessions.pop()) {
            freed_bytes += bytes;
            chosen.push(session);
            totals.push((total - bytes, address));
        }
    }
    (chosen, freed_bytes)
}

/// What a connection and the kernel have for its reader.
fn unsent_bytes(connection: &Connection) -> usize {
    let unsent = connection.io.as_ref().and_then(|io| io.unsent_bytes().ok());
    connection.queue.bytes() + unsent.unwrap_or_default() as usize
}

impl Gateway {
    /// Ends the sessions whose readers are behind until so many bytes are free. Returns how
    /// many are.
    pub(super) fn end_stalled(&mut self, excess_bytes: usize) -> usize {
        let closed_bytes = self.lose_closed();
        let left_bytes = excess_bytes.saturating_sub(closed_bytes);
        let sessions = self.sessions.slots().into_iter();
        let backlogs = sessions.filter_map(|session| self.backlog(session));
        let (chosen, freed_bytes) = fullest(backlogs.collect(), left_bytes);
        for session in chosen {
            let entry = self.sessions.get(session);
            let input = match entry.map(|entry| entry.session.life()) {
                Some(Life::Detached { .. }) => {
                    self.shared.metrics.evicted.inc();
                    Input::Evicted
                }
                _ => Input::End(CloseReason::TooSlow),
            };
            self.step(session, input, Details::default());
            self.run();
        }
        closed_bytes + freed_bytes
    }

    /// What waits for the reader of a session, if it is behind.
    fn backlog(&self, session: SessionSlot) -> Option<Backlog> {
        let entry = self.sessions.get(session)?;
        let outbox = &entry.session.outbox;
        let connection = entry.session.connection();
        let mut bytes = outbox.waiting_bytes();
        if connection.is_none() {
            bytes += outbox.retained_bytes() + entry.answered().map_or(0, Answered::bytes);
        }
        bytes += connection.map_or(0, |key| self.stalled_bytes(key));
        let permit = connection.and_then(|key| self.connections.permit(key));
        let share = entry.share.as_ref();
        let address = permit
            .map(|permit| permit.address())
            .or_else(|| share.map(|share| share.address()));
        (bytes >= BEHIND_BYTES).then_some(Backlog {
            address,
            session,
            bytes,
        })
    }

    /// What a connection and the kernel have for a reader that takes nothing now.
    fn stalled_bytes(&self, key: ConnKey) -> usize {
        let connection = self.connections.get(key);
        let blocked = connection.filter(|connection| connection.queue.is_blocked());
        blocked.map_or(0, unsent_bytes)
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
    use crate::gateway::delivery::frame::Frame;
    use crate::gateway::testing::{Noted, crowd, entry, gateway};
    use turntable_core::budget::Relief;
    use turntable_core::key::SlotKey as _;
    use turntable_core::packet::{ReplyData, ServerPacket};
    use turntable_core::payload::Payload;

    fn backlogs(of: &[(u8, u32, usize)]) -> Vec<Backlog> {
        let backlog = |(address, session, bytes): &(u8, u32, usize)| Backlog {
            address: Some([10, 0, 0, *address].into()),
            session: SessionSlot::new(*session, 0),
            bytes: *bytes,
        };
        of.iter().map(backlog).collect()
    }

    #[test]
    fn address_with_the_most_gives_first_and_its_fullest_session() {
        // One client with the fullest outbox of all, and an address with many.
        let of = [
            (1, 1, 900),
            (2, 2, 500),
            (2, 3, 600),
            (2, 4, 100),
            (3, 5, 400),
        ];
        let choose = |excess_bytes| {
            let (chosen, freed_bytes) = fullest(backlogs(&of), excess_bytes);
            let chosen: Vec<u32> = chosen.iter().map(|slot| slot.index()).collect();
            (chosen, freed_bytes)
        };
        assert_eq!(choose(0), (vec![], 0));
        assert_eq!(choose(1), (vec![3], 600));
        assert_eq!(choose(601), (vec![3, 1], 1_500));
        assert_eq!(choose(9_999), (vec![3, 1, 2, 5, 4], 2_500));
    }

    #[test]
    fn sessions_that_only_lost_their_connection_stay_where_readers_are_behind() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = crowd(&mut gateway, 3);
        let settings = gateway.settings.session.clone();
        let lost = entry(&mut gateway, sessions[0]);
        let input = Input::Lost(lost.session.connection().unwrap());
        lost.session.step(input, 1, &settings);
        let text = "x".repeat(100_000);
        let text = Payload::from_json(format!("{text:?}").as_str());
        let frame = Frame::message(&ServerPacket::Reply(ReplyData::Value(text)), None);
        let behind = entry(&mut gateway, sessions[1]);
        behind.session.outbox.push(frame);
        gateway.relieve(Relief::OlderHalf, 50_000);
        let is_there = |session: &SessionSlot| gateway.sessions.holds(*session);
        let there: Vec<bool> = sessions.iter().map(is_there).collect();
        assert_eq!(there, [true, false, true]);
        assert_eq!(gateway.shared.metrics.evicted.get(), 0);
    }
}
