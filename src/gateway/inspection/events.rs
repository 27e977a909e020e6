//! The last events of a worker's sessions, in their order, bounded in number and bytes: the oldest
//! go first. A session has a bound of its own, beyond which it gives up its own oldest one, so that
//! no session displaces the events of the others. Each step takes constant time: an event knows
//! its neighbours in the list of all, and the next one of its session.

use std::collections::HashMap;

use super::past::Event;
use super::ring::Measured as _;
use crate::gateway::slots::Slots;
use turntable_core::key::SessionKey;
use turntable_core::spare::Spare as _;

/// No event has this number.
const NONE: u32 = u32::MAX;

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventLimits {
    /// Of all sessions.
    pub(super) events: usize,
    /// Bytes of them.
    pub(super) bytes: usize,
    /// Of one session.
    pub(super) of_session: usize,
}

/// An event and its neighbours.
#[derive(Debug)]
struct Entry {
    event: Event,
    /// The event before it, of all.
    older: u32,
    /// The event behind it, of all.
    newer: u32,
    /// The next one of its session; of the last one the first.
    next: u32,
}

impl Entry {
    fn cost(&self) -> usize {
        size_of::<Self>() + self.event.heap_bytes()
    }
}

/// The events of one session.
#[derive(Debug, Clone, Copy)]
struct Own {
    last: u32,
    count: u32,
}

/// What a session with events takes beside them, in bytes.
const SESSION_COST: usize = size_of::<(SessionKey, Own)>();

/// The events.
#[derive(Debug)]
pub(super) struct Events {
    entries: Slots<Entry>,
    sessions: HashMap<SessionKey, Own>,
    first: u32,
    last: u32,
    count: usize,
    bytes: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            entries: Slots::default(),
            sessions: HashMap::new(),
            first: NONE,
            last: NONE,
            count: 0,
            bytes: 0,
        }
    }
}

impl Events {
    /// Puts an event behind the others.
    pub(super) fn push(&mut self, event: Event, limits: EventLimits) {
        let session = event.session;
        let entry = Entry {
            event,
            older: self.last,
            newer: NONE,
            next: NONE,
        };
        self.bytes += entry.cost();
        self.count += 1;
        let number = self.entries.insert(entry);
        match self.entries.get_mut(self.last) {
            Some(older) => older.newer = number,
            None => self.first = number,
        }
        self.last = number;
        let count = self.link(session, number) as usize;
        for _ in limits.of_session..count {
            self.remove_first_of(session);
        }
        while self.count > limits.events || self.bytes > limits.bytes {
            // The first of all is the first of its session.
            let first = self.entries.get(self.first);
            let session = first.map(|first| first.event.session);
            if !session.is_some_and(|session| self.remove_first_of(session)) {
                break;
            }
        }
    }

    /// Makes an event the last one of its session. Returns how many that has.
    fn link(&mut self, session: SessionKey, number: u32) -> u32 {
        let mut is_new = false;
        let own = self.sessions.entry(session).or_insert_with(|| {
            is_new = true;
            Own {
                last: number,
                count: 0,
            }
        });
        let before = std::mem::replace(&mut own.last, number);
        own.count += 1;
        let count = own.count;
        if is_new {
            self.bytes += SESSION_COST;
        }
        let first = match self.entries.get_mut(before) {
            Some(before) if !is_new => std::mem::replace(&mut before.next, number),
            _ => number,
        };
        if let Some(entry) = self.entries.get_mut(number) {
            entry.next = first;
        }
        count
    }

    /// Removes the oldest event of a session. Returns whether it had one.
    fn remove_first_of(&mut self, session: SessionKey) -> bool {
        let Some(own) = self.sessions.get_mut(&session) else {
            return false;
        };
        let Some(first) = self.entries.get(own.last).map(|last| last.next) else {
            return false;
        };
        let Some(removed) = self.entries.remove(first) else {
            return false;
        };
        own.count -= 1;
        if own.count > 0 {
            if let Some(last) = self.entries.get_mut(own.last) {
                last.next = removed.next;
            }
        } else {
            self.sessions.remove(&session);
            self.sessions.give_back();
            self.bytes -= SESSION_COST;
        }
        match self.entries.get_mut(removed.older) {
            Some(older) => older.newer = removed.newer,
            None => self.first = removed.newer,
        }
        match self.entries.get_mut(removed.newer) {
            Some(newer) => newer.older = removed.older,
            None => self.last = removed.older,
        }
        self.count -= 1;
        self.bytes -= removed.cost();
        true
    }

    /// The events of a session, the oldest first.
    pub(super) fn of(&self, session: SessionKey) -> impl Iterator<Item = &Event> {
        let own = self.sessions.get(&session);
        let count = own.map_or(0, |own| own.count as usize);
        let last = own.and_then(|own| self.entries.get(own.last));
        let next = |entry: &&Entry| self.entries.get(entry.next);
        let all = std::iter::successors(last.as_ref().and_then(next), next);
        all.take(count).map(|entry| &entry.event)
    }

    /// Drops the events of a session.
    pub(super) fn forget(&mut self, session: SessionKey) {
        while self.remove_first_of(session) {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::past::{Happening, Peer};
    use super::*;
    use turntable_core::delivery::Topic;
    use turntable_core::id::ChannelId;

    const LIMITS: EventLimits = EventLimits {
        events: 8,
        bytes: 100_000,
        of_session: 3,
    };

    /// The event of a session at a time. Some have a text.
    fn event(session: u64, at_ms: u64) -> Event {
        let path = "x".repeat(at_ms as usize % 5 + 1);
        let happening = match ChannelId::parse(&path) {
            Ok(path) if at_ms.is_multiple_of(2) => Happening::Joined(Topic::Channel(path)),
            _ => Happening::Dropped(None),
        };
        Event {
            at_ms,
            session: SessionKey::from_number(session),
            happening,
        }
    }

    fn times(events: &Events, session: u64) -> Vec<u64> {
        let of = events.of(SessionKey::from_number(session));
        of.map(|event| event.at_ms).collect()
    }

    /// All events in their order, from the links of both directions.
    fn all(events: &Events) -> Vec<(u64, u64)> {
        let list = |from: u32, next: fn(&Entry) -> u32| {
            let first = events.entries.get(from);
            let all = std::iter::successors(first, |entry| events.entries.get(next(entry)));
            all.map(|entry| (entry.event.session.number(), entry.event.at_ms))
                .collect::<Vec<_>>()
        };
        let forward = list(events.first, |entry| entry.newer);
        let mut backward = list(events.last, |entry| entry.older);
        backward.reverse();
        assert_eq!(forward, backward);
        forward
    }

    #[test]
    fn session_with_many_events_gives_up_its_own() {
        let mut events = Events::default();
        for session in [1, 2] {
            events.push(event(session, session), LIMITS);
        }
        for at_ms in 10..10_000 {
            events.push(event(3, at_ms), LIMITS);
        }
        assert_eq!(times(&events, 1), [1]);
        assert_eq!(times(&events, 2), [2]);
        assert_eq!(times(&events, 3), [9_997, 9_998, 9_999]);
    }

    #[test]
    fn oldest_of_all_go_where_no_session_has_too_many() {
        let mut events = Events::default();
        for at_ms in 0..12 {
            events.push(event(at_ms / 2, at_ms), LIMITS);
        }
        assert_eq!(times(&events, 0), [0; 0]);
        assert_eq!(times(&events, 1), [0; 0]);
        assert_eq!(times(&events, 2), [4, 5]);
        assert_eq!(all(&events).len(), 8);
    }

    #[test]
    fn nothing_is_left_of_events_that_have_no_room() {
        let mut events = Events::default();
        for (at_ms, session) in [1, 2, 1, 1, 3].into_iter().enumerate() {
            events.push(event(session, at_ms as u64), LIMITS);
        }
        events.forget(SessionKey::from_number(1));
        assert_eq!(all(&events), [(2, 1), (3, 4)]);
        for none in [
            EventLimits {
                events: 0,
                ..LIMITS
            },
            EventLimits { bytes: 0, ..LIMITS },
        ] {
            events.push(event(1, 10), none);
            assert_eq!((events.count, events.bytes), (0, 0));
            assert_eq!((events.first, events.last), (NONE, NONE));
            assert!(events.sessions.is_empty() && events.entries.places() == 0);
        }
    }

    #[test]
    fn events_of_any_order_are_those_of_a_plain_list() {
        let mut events = Events::default();
        let mut plain: Vec<(u64, u64)> = Vec::new();
        let mut random = 7_u64;
        for at_ms in 0..3_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let session = (random >> 33) % 6;
            if random >> 60 == 0 {
                events.forget(SessionKey::from_number(session));
                plain.retain(|(of, _)| *of != session);
            }
            events.push(event(session, at_ms), LIMITS);
            plain.push((session, at_ms));
            let own = plain.iter().filter(|(of, _)| *of == session).count();
            let gone = match own > LIMITS.of_session {
                true => plain.iter().position(|(of, _)| *of == session),
                false => (plain.len() > LIMITS.events).then_some(0),
            };
            if let Some(gone) = gone {
                plain.remove(gone);
            }
            assert_eq!(all(&events), plain);
            for session in 0..6 {
                let own = plain.iter().filter(|(of, _)| *of == session);
                let own: Vec<u64> = own.map(|(_, at_ms)| *at_ms).collect();
                assert_eq!(times(&events, session), own);
            }
            let cost: usize = events.entries.iter().map(|(_, entry)| entry.cost()).sum();
            assert_eq!(events.bytes, cost + events.sessions.len() * SESSION_COST);
        }
    }

    #[test]
    fn event_with_its_neighbours_takes_little() {
        assert!(size_of::<Entry>() <= 80, "{}", size_of::<Entry>());
        // Where its client is, without a round trip, is the most that is noted in place.
        assert!(size_of::<Happening>() < size_of::<Peer>());
    }
}
