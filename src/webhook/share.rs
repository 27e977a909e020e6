//! How much of the queue the users take: the events that each of them caused and that may
//! be dropped for those of others. Pure.
//!
//! Adding, removing and finding the user that has the most are all logarithmic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use turntable_core::spare::Spare;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Events,
    Bytes,
}

/// An event that may be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Droppable {
    /// The user or room that it is about.
    pub(super) about: Arc<str>,
    pub(super) bytes: usize,
}

/// What one user takes.
#[derive(Debug, Default)]
struct Share {
    /// By the numbers of the events: the newest is the last.
    events: BTreeMap<u64, Droppable>,
    bytes: usize,
}

impl Share {
    fn size(&self, measure: Measure) -> usize {
        match measure {
            Measure::Events => self.events.len(),
            Measure::Bytes => self.bytes,
        }
    }
}

/// What all of them take.
#[derive(Debug, Default)]
pub(super) struct Shares {
    shares: HashMap<Arc<str>, Share>,
    by_events: BTreeSet<(usize, Arc<str>)>,
    by_bytes: BTreeSet<(usize, Arc<str>)>,
}

impl Shares {
    /// Adds an event that this user caused.
    pub(super) fn add(&mut self, cause: &Arc<str>, number: u64, event: Droppable) {
        self.change(cause, |share| {
            share.bytes += event.bytes;
            share.events.insert(number, event);
        });
    }

    /// Removes an event that this user caused.
    pub(super) fn remove(&mut self, cause: &Arc<str>, number: u64) {
        self.change(cause, |share| {
            if let Some(event) = share.events.remove(&number) {
                share.bytes -= event.bytes;
            }
        });
    }

    /// Removes the newest event that this user caused, and returns it with its number.
    pub(super) fn take_newest(&mut self, cause: &Arc<str>) -> Option<(u64, Droppable)> {
        let mut newest = None;
        self.change(cause, |share| {
            newest = share.events.pop_last();
            if let Some((_, event)) = &newest {
                share.bytes -= event.bytes;
            }
        });
        newest
    }

    /// The user that has the most, and how much that is.
    pub(super) fn most(&self, measure: Measure) -> Option<(usize, Arc<str>)> {
        match measure {
            Measure::Events => self.by_events.last().cloned(),
            Measure::Bytes => self.by_bytes.last().cloned(),
        }
    }

    /// How much this user has.
    pub(super) fn of(&self, cause: &str, measure: Measure) -> usize {
        let share = self.shares.get(cause);
        share.map_or(0, |share| share.size(measure))
    }

    fn change(&mut self, cause: &Arc<str>, change: impl FnOnce(&mut Share)) {
        let share = self.shares.entry(cause.clone()).or_default();
        let sizes = |share: &Share| [Measure::Events, Measure::Bytes].map(|m| share.size(m));
        let before = sizes(share);
        change(share);
        let after = sizes(share);
        if share.events.is_empty() {
            self.shares.remove(cause);
            self.shares.give_back();
        }
        let sets = [&mut self.by_events, &mut self.by_bytes];
        for ((set, before), after) in sets.into_iter().zip(before).zip(after) {
            set.remove(&(before, cause.clone()));
            if after > 0 {
                set.insert((after, cause.clone()));
            }
        }
    }
}

#[cfg(test)]
impl Shares {
    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty() && self.by_events.is_empty() && self.by_bytes.is_empty()
    }

    /// How many events there are, and how many bytes they take.
    pub(super) fn total(&self) -> (usize, usize) {
        let sum = |measure| self.shares.values().map(|share| share.size(measure)).sum();
        let totals = (sum(Measure::Events), sum(Measure::Bytes));
        let sum = |set: &BTreeSet<(usize, _)>| set.iter().map(|(size, _)| size).sum();
        assert_eq!(totals, (sum(&self.by_events), sum(&self.by_bytes)));
        totals
    }
}
