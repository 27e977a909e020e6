//! The calls that make room for another one: the newest of callers that have more than its
//! caller would have, the fullest address first, and in it the fullest user.
//!
//! ```text
//! other addresses with more ──► their fullest user ──► its newest call
//! the caller's own address, where none has more ──► its fullest user, if that has more
//! ```
//!
//! A queue may have many lanes, and a long call needs the room of many short ones: all lanes
//! are looked at once, not for each call.

use std::collections::{BinaryHeap, HashMap, vec_deque};
use std::iter::Rev;

use super::{Callers, Calls, Load, Measure, Queue, Sender, Waiting};

/// Calls that make room, while they are still in the queue.
#[derive(Debug)]
pub(in crate::model::service) struct Displacement<'q> {
    queue: &'q Queue,
    from: &'q Sender,
    /// The call that needs room.
    added: Load,
    /// What is in the queue without those that make room.
    left: Load,
    numbers: Vec<u64>,
    addresses: Vec<OfAddress<'q>>,
    /// That of the caller among them.
    own: Option<usize>,
}

/// What is left of an address.
#[derive(Debug)]
struct OfAddress<'q> {
    callers: &'q Callers,
    load: Load,
    /// Its users, once one of them makes room.
    users: Vec<OfUser<'q>>,
}

/// What is left of a user.
#[derive(Debug)]
struct OfUser<'q> {
    load: Load,
    newest: Rev<vec_deque::Iter<'q, Waiting>>,
}

/// Lanes by what they have, the fullest first: its load, and where it is.
type Fullest = BinaryHeap<(usize, usize)>;

impl OfAddress<'_> {
    fn open(&mut self) {
        if self.users.is_empty() {
            let users = self.callers.users.by_key().map(|(_, calls)| OfUser {
                load: calls.load,
                newest: calls.calls.iter().rev(),
            });
            self.users = users.collect();
        }
    }

    fn fullest(&self, measure: Measure) -> Fullest {
        let users = self.users.iter().zip(0..);
        users
            .map(|(user, at)| (user.load.by(measure), at))
            .collect()
    }

    /// Takes the newest call of its fullest user, if that has more than `least`.
    fn take(&mut self, fullest: &mut Fullest, measure: Measure, least: usize) -> Option<&Waiting> {
        let (load, at) = fullest.pop()?;
        let user = self.users.get_mut(at).filter(|_| load > least)?;
        let newest = user.newest.next()?;
        user.load.remove(newest.bytes);
        self.load.remove(newest.bytes);
        fullest.push((user.load.by(measure), at));
        Some(newest)
    }
}

impl<'q> Displacement<'q> {
    /// None makes room yet for a call of `from` with so many bytes.
    pub(super) fn new(queue: &'q Queue, from: &'q Sender, bytes: usize) -> Self {
        let mut added = Load::default();
        added.add(bytes);
        Self {
            queue,
            from,
            added,
            left: queue.load,
            numbers: Vec::new(),
            addresses: Vec::new(),
            own: None,
        }
    }

    /// The calls that make room.
    pub(in crate::model::service) fn numbers(self) -> Vec<u64> {
        self.numbers
    }

    /// Adds calls until what is left is little enough. Returns whether it is: else the
    /// caller has the most.
    pub(in crate::model::service) fn until(
        &mut self,
        measure: Measure,
        is_enough: impl Fn(Load) -> bool,
    ) -> bool {
        if is_enough(self.left) {
            return true;
        }
        self.open();
        if !is_enough(self.least_left(measure)) {
            return false;
        }
        let (own, added) = (self.own, self.added.by(measure));
        let least_of_user = self.own_user().by(measure) + added;
        let others = self.addresses.iter().zip(0..);
        let others = others.filter(|(_, at)| Some(*at) != own);
        let mut fullest: Fullest = others
            .map(|(address, at)| (address.load.by(measure), at))
            .collect();
        let mut users: HashMap<usize, Fullest> = HashMap::new();
        while !is_enough(self.left) {
            let own_load = own.and_then(|at| self.addresses.get(at));
            let least = own_load.map_or(0, |own| own.load.by(measure)) + added;
            let fuller = fullest.peek().filter(|(load, _)| *load > least);
            let (at, least) = match (fuller.copied(), own) {
                (Some((_, at)), _) => (at, 0),
                (None, Some(at)) => (at, least_of_user),
                (None, None) => return false,
            };
            let Some(address) = self.addresses.get_mut(at) else {
                return false;
            };
            address.open();
            let of_users = users.entry(at).or_insert_with(|| address.fullest(measure));
            let Some(newest) = address.take(of_users, measure, least) else {
                return false;
            };
            self.numbers.push(newest.number);
            self.left.remove(newest.bytes);
            if Some(at) != own {
                fullest.pop();
                fullest.push((address.load.by(measure), at));
            }
        }
        true
    }

    fn open(&mut self) {
        if !self.addresses.is_empty() {
            return;
        }
        for (address, callers) in self.queue.addresses.by_key() {
            if *address == self.from.address {
                self.own = Some(self.addresses.len());
            }
            self.addresses.push(OfAddress {
                callers,
                load: callers.load,
                users: Vec::new(),
            });
        }
    }

    /// What the caller has in the queue. None of it makes room.
    fn own_user(&self) -> Load {
        let own = self.queue.addresses.get(&self.from.address);
        let own: Option<&Calls> = own.and_then(|own| own.users.get(&self.from.user));
        own.map_or_else(Load::default, |own| own.load)
    }

    /// What is left at the least, should all callers make room that have more than the
    /// caller.
    fn least_left(&self, measure: Measure) -> Load {
        let own_user = self.own_user();
        let least = own_user.by(measure) + self.added.by(measure);
        let mut left = self.left;
        for (address, at) in self.addresses.iter().zip(0..) {
            if Some(at) == self.own {
                left = left.without(address.load.without(own_user));
            } else if address.load.by(measure) > least {
                left = left.without(address.load);
            }
        }
        left
    }
}
