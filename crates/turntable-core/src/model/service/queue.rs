//! The calls that wait: they take turns by the address of the caller, and those of one
//! address by its user, so that a caller with many calls does not delay the others.
//!
//! A full queue drops the newest call of the caller with most in it, in favour of a caller
//! that has less.

mod displacement;

use std::collections::VecDeque;

use crate::address::Address;
use crate::id::UserId;
use crate::turns::Turns;
use displacement::Displacement;

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) address: Option<Address>,
    pub(super) user: Option<UserId>,
}

/// A call that waits.
#[derive(Debug, Clone, PartialEq)]
struct Waiting {
    number: u64,
    bytes: usize,
}

/// What is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Load {
    pub(super) calls: usize,
    pub(super) bytes: usize,
}

/// By what a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Calls,
    Bytes,
}

impl Load {
    pub(super) fn add(&mut self, bytes: usize) {
        self.calls += 1;
        self.bytes += bytes;
    }

    pub(super) fn remove(&mut self, bytes: usize) {
        self.calls = self.calls.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// What is left of it without another one.
    const fn without(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    const fn by(self, measure: Measure) -> usize {
        match measure {
            Measure::Calls => self.calls,
            Measure::Bytes => self.bytes,
        }
    }
}

/// The calls of one user at one address.
#[derive(Debug, Clone, PartialEq, Default)]
struct Calls {
    calls: VecDeque<Waiting>,
    load: Load,
}

/// The calls of one address.
#[derive(Debug, Clone, PartialEq, Default)]
struct Callers {
    users: Turns<Option<UserId>, Calls>,
    load: Load,
}

/// The calls that wait for an instance of one service.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Queue {
    addresses: Turns<Option<Address>, Callers>,
    load: Load,
}

impl Queue {
    #[cfg(test)]
    pub(super) const fn load(&self) -> Load {
        self.load
    }

    /// A call waits behind the others of its caller; before them if `is_first`.
    pub(super) fn push(&mut self, from: &Sender, number: u64, bytes: usize, is_first: bool) {
        let callers = self.addresses.begin(&from.address);
        let calls = callers.users.begin(&from.user);
        let waiting = Waiting { number, bytes };
        match is_first {
            true => calls.calls.push_front(waiting),
            false => calls.calls.push_back(waiting),
        }
        calls.load.add(bytes);
        callers.load.add(bytes);
        self.load.add(bytes);
    }

    /// A call does not wait any more.
    pub(super) fn remove(&mut self, from: &Sender, number: u64) {
        let Some(callers) = self.addresses.get_mut(&from.address) else {
            return;
        };
        let Some(of_user) = callers.users.get_mut(&from.user) else {
            return;
        };
        // Most that end have waited the longest.
        let mut calls = of_user.calls.iter();
        let at = calls.position(|waiting| waiting.number == number);
        let Some(Waiting { bytes, .. }) = at.and_then(|at| of_user.calls.remove(at)) else {
            return;
        };
        of_user.load.remove(bytes);
        if of_user.calls.is_empty() {
            callers.users.end(&from.user);
        }
        callers.load.remove(bytes);
        if callers.load.calls == 0 {
            self.addresses.end(&from.address);
        }
        self.load.remove(bytes);
    }

    /// The caller had its turn.
    pub(super) fn served(&mut self, from: &Sender) {
        if let Some(callers) = self.addresses.get_mut(&from.address) {
            callers.users.served(&from.user);
            self.addresses.served(&from.address);
        }
    }

    /// The calls of each address, those whose turn it is first.
    pub(super) fn in_turn(
        &self,
    ) -> impl Iterator<Item = (&Option<Address>, impl Iterator<Item = u64>)> {
        self.addresses.in_turn().map(|(address, callers)| {
            let users = callers.users.in_turn();
            let calls = users.flat_map(|(_, of_user)| &of_user.calls);
            (address, calls.map(|waiting| waiting.number))
        })
    }

    /// The calls that make room for one of `from` with so many bytes.
    pub(super) fn displace<'q>(&'q self, from: &'q Sender, bytes: usize) -> Displacement<'q> {
        Displacement::new(self, from, bytes)
    }

    /// The numbers of the calls by address and user, in turn.
    pub(super) fn save(&self) -> Vec<Vec<Vec<u64>>> {
        let of_user = |(_, calls): (&Option<UserId>, &Calls)| {
            let numbers = calls.calls.iter().map(|waiting| waiting.number);
            numbers.collect()
        };
        let of_address = |(_, callers): (&Option<Address>, &Callers)| {
            callers.users.in_turn().map(of_user).collect()
        };
        self.addresses.in_turn().map(of_address).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn from(address: u64, user: u32) -> Sender {
        Sender {
            address: Some(Address::from_number(address)),
            user: UserId::parse(&format!("1:{user}")).ok(),
        }
    }

    /// The order in which calls get their turn.
    fn drain(queue: &mut Queue, callers: &[(Sender, u64)]) -> Vec<u64> {
        let mut order = Vec::new();
        loop {
            let first = queue.in_turn().find_map(|(_, mut calls)| calls.next());
            let Some(number) = first else {
                break;
            };
            let (from, _) = callers.iter().find(|(_, of)| *of == number).unwrap();
            queue.served(from);
            queue.remove(from, number);
            order.push(number);
        }
        assert_eq!(queue.load, Load::default());
        assert_eq!(queue.addresses.by_key().count(), 0);
        order
    }

    #[test]
    fn addresses_take_turns_and_so_do_users_of_one() {
        let mut queue = Queue::default();
        let mut callers = Vec::new();
        let of = [(1, 1), (1, 1), (1, 1), (1, 2), (1, 3), (2, 4), (2, 4)];
        for (number, (address, user)) in of.into_iter().enumerate() {
            let from = from(address, user);
            queue.push(&from, number as u64, 10, false);
            callers.push((from, number as u64));
        }
        assert_eq!(
            queue.load(),
            Load {
                calls: 7,
                bytes: 70
            }
        );
        assert_eq!(drain(&mut queue, &callers), [0, 5, 3, 6, 4, 1, 2]);
    }

    #[test]
    fn newest_call_of_the_fullest_caller_makes_room() {
        let mut queue = Queue::default();
        for number in 0..4 {
            queue.push(&from(1, number % 2), number.into(), 100, false);
        }
        queue.push(&from(1, 0), 4, 100, false);
        queue.push(&from(2, 9), 5, 900, false);
        let displaced = |queue: &Queue, from: &Sender, bytes, measure| {
            let mut displacement = queue.displace(from, bytes);
            let is_less = |left: Load| left.calls < queue.load().calls;
            let is_displaced = displacement.until(measure, is_less);
            let numbers = displacement.numbers();
            assert_eq!(numbers.len(), usize::from(is_displaced));
            numbers.first().copied()
        };
        let by_calls = |from: &Sender| displaced(&queue, from, 1, Measure::Calls);
        assert_eq!(by_calls(&from(3, 1)), Some(4));
        assert_eq!(by_calls(&from(2, 1)), Some(4));
        // Its address has the most: one of its own users makes room, if it has more.
        assert_eq!(by_calls(&from(1, 7)), Some(4));
        assert_eq!(by_calls(&from(1, 1)), None);
        let by_bytes = |from: &Sender, bytes| displaced(&queue, from, bytes, Measure::Bytes);
        assert_eq!(by_bytes(&from(1, 1), 10), Some(5));
        assert_eq!(by_bytes(&from(1, 1), 1_000), None);
        assert_eq!(by_bytes(&from(2, 9), 1), None);
        let empty = Queue::default();
        assert_eq!(displaced(&empty, &from(1, 1), 1, Measure::Calls), None);
    }

    #[test]
    fn several_calls_make_room_until_their_caller_has_no_more_than_the_other() {
        let mut queue = Queue::default();
        for number in 0..10 {
            queue.push(&from(1, number % 2), number.into(), 10, false);
        }
        let from = from(2, 9);
        // 60 bytes are more than 55, 50 are not.
        let mut displacement = queue.displace(&from, 55);
        assert!(displacement.until(Measure::Bytes, |left| left.bytes <= 50));
        assert!(!displacement.until(Measure::Bytes, |left| left.bytes < 50));
        let mut numbers = displacement.numbers();
        numbers.sort_unstable();
        assert_eq!(numbers, [5, 6, 7, 8, 9]);
    }

    /// The call that makes room, found by a look at all lanes.
    fn newest_of_fullest(
        lanes: &BTreeMap<(u64, u32), Vec<(u64, usize)>>,
        from: (u64, u32),
        bytes: usize,
    ) -> Option<(u64, u32)> {
        let of = |of: &dyn Fn(&(u64, u32)) -> bool| -> usize {
            let lanes = lanes.iter().filter(|(caller, _)| of(caller));
            lanes
                .flat_map(|(_, calls)| calls)
                .map(|(_, bytes)| bytes)
                .sum()
        };
        let of_address = |address| of(&|caller| caller.0 == address);
        let others = lanes.keys().map(|(address, _)| *address);
        let fullest = others
            .filter(|address| *address != from.0)
            .max_by_key(|address| (of_address(*address), *address));
        let fuller = fullest.filter(|address| of_address(*address) > of_address(from.0) + bytes);
        let address = fuller.unwrap_or(from.0);
        let users = lanes.keys().filter(|caller| caller.0 == address);
        let user = users.max_by_key(|caller| (of(&|of| of == *caller), **caller))?;
        let is_fuller = of(&|of| of == user) > of(&|of| *of == from) + bytes;
        (fuller.is_some() || is_fuller).then_some(*user)
    }

    proptest! {
        /// The same calls make room as if all lanes were looked at for each of them.
        #[test]
        fn fullest_callers_make_room_one_call_after_the_other(
            of in proptest::collection::vec((1u64..5, 1u32..4, 1usize..50), 0..40),
            (address, user, bytes, enough) in (1u64..6, 1u32..5, 1usize..200, 0usize..900),
        ) {
            let (mut queue, mut lanes) = (Queue::default(), BTreeMap::new());
            for ((address, user, bytes), number) in of.iter().zip(0u64..) {
                queue.push(&from(*address, *user), number, *bytes, false);
                let lane: &mut Vec<_> = lanes.entry((*address, *user)).or_default();
                lane.push((number, *bytes));
            }
            let (mut left, mut numbers) = (queue.load().bytes, Vec::new());
            while left > enough
                && let Some(caller) = newest_of_fullest(&lanes, (address, user), bytes)
            {
                let (number, bytes) = lanes.get_mut(&caller).unwrap().pop().unwrap();
                left -= bytes;
                numbers.push(number);
            }
            let from = from(address, user);
            let mut displacement = queue.displace(&from, bytes);
            let is_enough = displacement.until(Measure::Bytes, |left| left.bytes <= enough);
            prop_assert_eq!(is_enough, left <= enough);
            if is_enough {
                prop_assert_eq!(displacement.numbers(), numbers);
            }
        }
    }

    /// These were millions of steps, if all lanes were searched for each call.
    #[test]
    fn many_calls_of_many_callers_make_room() {
        let mut queue = Queue::default();
        for number in 0..20_000 {
            queue.push(&from(number % 2_000, 1), number, 10, false);
        }
        let from = from(5_000, 1);
        let mut displacement = queue.displace(&from, 1);
        assert!(displacement.until(Measure::Calls, |left| left.calls <= 2_000));
        assert_eq!(displacement.numbers().len(), 18_000);
    }
}
