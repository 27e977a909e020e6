//! Why sessions ended whose clients were not sent the reason: one that lost its connection, or
//! whose connection has no request that could be answered. It is sent when they come back.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::clock;
use crate::gateway::Gateway;
use turntable_core::id::SessionId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::CloseReason;
use turntable_core::spare::Spare;

/// The end of a session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    /// The close reason.
    pub(crate) reason: CloseReason,
    /// The error before it, if any.
    pub(crate) error: Option<ErrorBody>,
}

/// The sessions that ended lately; of too many those that ended longest ago are forgotten.
#[derive(Debug, Default)]
pub struct EndedSessions(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By the random part of their ids, with the Unix ms until which each is known.
    by_id: HashMap<[u8; 16], (u64, End)>,
    /// In the order in which they ended.
    order: VecDeque<(u64, [u8; 16])>,
}

impl EndedSessions {
    /// A session ended, which is known until `until_ms`.
    fn put(&self, id: SessionId, end: End, (now_ms, until_ms): (u64, u64), max: usize) {
        let Table { by_id, order } = &mut *self.0.lock();
        if by_id.insert(id.bits(), (until_ms, end)).is_none() {
            order.push_back((until_ms, id.bits()));
        }
        let len = by_id.len();
        let is_over = |until_ms: u64, len: usize| len > max || until_ms <= now_ms;
        while let Some((until_ms, first)) = order.front().copied()
            && is_over(until_ms, by_id.len())
        {
            order.pop_front();
            by_id.remove(&first);
        }
        if by_id.len() < len {
            by_id.give_back();
        }
    }

    /// How a session ended, where that is known: a client of requests is sent it whatever it
    /// is, as it has no connection on which it could identify again.
    pub(crate) fn get(&self, id: SessionId) -> Option<End> {
        self.find(id, clock::now_ms())
    }

    /// The same for a client that resumes a session on a connection. After one that expired
    /// or was removed it goes on there, and may identify again.
    pub(crate) fn get_final(&self, id: SessionId) -> Option<End> {
        let end = self.get(id)?;
        (end.reason != CloseReason::SessionExpired).then_some(end)
    }

    fn find(&self, id: SessionId, now_ms: u64) -> Option<End> {
        let table = self.0.lock();
        let (until_ms, end) = table.by_id.get(&id.bits())?;
        (now_ms < *until_ms).then(|| end.clone())
    }
}

impl Gateway {
    /// A session is about to end. Where its client may not be sent the reason, its end is
    /// known for some time: as long as the session would have existed without its client.
    pub(in crate::gateway) fn note_end(
        &self,
        session: SessionSlot,
        reason: CloseReason,
        error: Option<ErrorBody>,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let carrier = entry.session.connection();
        let carrier = carrier.and_then(|key| self.connections.get(key));
        // A connection of requests may be between two, or its answer ends before the reason.
        if carrier.is_some_and(|carrier| carrier.transport.name().is_none()) {
            return;
        }
        let now_ms = clock::now_ms();
        let silence_ms = self.settings.transport.silence_ms();
        let known_ms = silence_ms + self.settings.session.resume_ms;
        let times = (now_ms, now_ms + known_ms);
        let max = self.settings.session.ended_max;
        let end = End { reason, error };
        self.shared.ended.put(entry.session.id, end, times, max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> SessionId {
        SessionId::from_bits([number; 16])
    }

    fn end(reason: CloseReason) -> End {
        End {
            reason,
            error: None,
        }
    }

    #[test]
    fn client_whose_session_expired_may_identify_on_its_connection() {
        let ended = EndedSessions::default();
        let now_ms = clock::now_ms();
        for (number, reason) in [(1, CloseReason::SessionExpired), (2, CloseReason::Kicked)] {
            ended.put(id(number), end(reason), (now_ms, now_ms + 60_000), 2);
        }
        assert_eq!(ended.get_final(id(1)), None);
        assert_eq!(ended.get(id(1)), Some(end(CloseReason::SessionExpired)));
        assert_eq!(ended.get_final(id(2)), Some(end(CloseReason::Kicked)));
    }

    #[test]
    fn ends_are_known_for_their_time_and_the_oldest_are_forgotten_first() {
        let ended = EndedSessions::default();
        for number in 1..=3 {
            let now_ms = u64::from(number);
            let kicked = end(CloseReason::Kicked);
            ended.put(id(number), kicked, (now_ms, now_ms + 100), 2);
        }
        assert_eq!(ended.find(id(1), 3), None);
        assert_eq!(ended.find(id(2), 101), Some(end(CloseReason::Kicked)));
        assert_eq!(ended.find(id(2), 102), None);
        // What is over makes room.
        ended.put(id(4), end(CloseReason::Replaced), (103, 203), 2);
        assert_eq!(ended.0.lock().by_id.len(), 1);
        assert_eq!(ended.find(id(4), 103), Some(end(CloseReason::Replaced)));
        ended.put(id(5), end(CloseReason::Replaced), (104, 204), 0);
        let table = ended.0.lock();
        assert_eq!((table.by_id.len(), table.order.len()), (0, 0));
    }
}
