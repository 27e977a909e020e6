//! The deadlines of answers that may take equally long, in the order of their requests.
//!
//! Nearly all answers come within a moment. A timer for each would stay until its time; here one
//! timer does for all, and answers that came are forgotten with the first ones. One that is late
//! keeps those behind it until its deadline.

use std::collections::VecDeque;

use crate::gateway::session::pending::Ticket;
use turntable_core::spare::Spare as _;

/// The deadlines.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Unix ms, and who waits, the first one first.
    waiting: VecDeque<(u64, Ticket)>,
    /// Whether a timer is set for the first one, or for an earlier time.
    has_timer: bool,
}

/// How the deadline of an answer is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// By the timer that is set.
    InTurn,
    /// By a timer for all, which is to be set.
    ByTimer,
    /// By a timer of its own: it is earlier than the last one.
    Alone,
}

impl Deadlines {
    /// One more answer is awaited, until `at_ms`.
    pub(super) fn add(&mut self, at_ms: u64, ticket: Ticket) -> Met {
        if self.waiting.back().is_some_and(|(last, _)| at_ms < *last) {
            return Met::Alone;
        }
        self.waiting.push_back((at_ms, ticket));
        match std::mem::replace(&mut self.has_timer, true) {
            true => Met::InTurn,
            false => Met::ByTimer,
        }
    }

    /// Forgets the first ones, as far as they are not awaited any more.
    pub(super) fn trim(&mut self, is_awaited: impl Fn(Ticket) -> bool) {
        while let Some((_, ticket)) = self.waiting.front()
            && !is_awaited(*ticket)
        {
            self.waiting.pop_front();
        }
        self.waiting.give_back();
    }

    /// Takes out the first one whose time has come.
    pub(super) fn late(&mut self, now_ms: u64) -> Option<Ticket> {
        let (at_ms, _) = self.waiting.front()?;
        if *at_ms > now_ms {
            return None;
        }
        self.waiting.pop_front().map(|(_, ticket)| ticket)
    }

    /// The timer came due, and those whose time has come are out. Returns when it has to be
    /// set again, Unix ms.
    pub(super) fn next(&mut self) -> Option<u64> {
        let next = self.waiting.front().map(|(at_ms, _)| *at_ms);
        self.has_timer = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_timer_does_for_all_and_those_that_came_take_no_memory() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.add(100, Ticket::new(1)), Met::ByTimer);
        for number in 2..1_000 {
            assert_eq!(
                deadlines.add(100 + number, Ticket::new(number)),
                Met::InTurn
            );
        }
        // The settings have changed.
        assert_eq!(deadlines.add(50, Ticket::new(1_000)), Met::Alone);
        deadlines.trim(|ticket| ticket.number() >= 998);
        assert!(deadlines.waiting.capacity() < 100);
        assert_eq!(deadlines.late(1_097), None);
        assert_eq!(deadlines.late(1_098), Some(Ticket::new(998)));
        assert_eq!(deadlines.late(1_098), None);
        assert_eq!(deadlines.next(), Some(1_099));
        deadlines.trim(|_| false);
        assert_eq!(deadlines.next(), None);
        assert_eq!(deadlines.add(2_000, Ticket::new(1_001)), Met::ByTimer);
    }
}
