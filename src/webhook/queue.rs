//! Events that wait to be sent. Pure: `now` is an argument.
//!
//! Events about the same user or room are sent one behind the other, so none overtakes
//! an earlier one that has to be repeated; others do not wait for them.
//!
//! The queue is bounded in events and in bytes. When it is full, the newest events of the
//! user that caused the most of them are dropped, so no user takes the place of others. An
//! event that is under way is not dropped; one that waits to be sent again may be.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::webhook::share::{Droppable, Measure, Shares};

use turntable_core::spare::Spare;

/// What one event takes beside its texts, in bytes.
const ENTRY_BYTES: usize = 512;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its id, the same whenever it is sent.
    pub(super) id: Box<str>,
    /// The user or room that it is about.
    pub(super) about: Arc<str>,
    /// The user that caused it; the room, where that is unknown.
    pub(super) cause: Arc<str>,
    /// What is sent.
    pub(super) body: Box<str>,
}

impl Event {
    fn bytes(&self) -> usize {
        let names = self.id.len() + self.about.len() + self.cause.len();
        ENTRY_BYTES + names + self.body.len()
    }

    fn size(&self, measure: Measure) -> usize {
        match measure {
            Measure::Events => 1,
            Measure::Bytes => self.bytes(),
        }
    }

    fn droppable(&self) -> Droppable {
        Droppable {
            about: self.about.clone(),
            bytes: self.bytes(),
        }
    }
}

/// How much may wait, and how often an event is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
    pub(super) attempts_max: u32,
    /// How long the first repeat waits, in ms; each other twice as long.
    pub(super) retry_ms: u64,
    /// How long a repeat waits at the most, in ms.
    pub(super) retry_max_ms: u64,
}

impl Limits {
    /// How long the repeat behind so many attempts waits, in ms: `chance`, from 0 to 1,
    /// of half of it is taken away, so that repeats do not come together.
    fn wait_ms(&self, attempts: u32, chance: f64) -> u64 {
        let doubled = 1_u64
            .checked_shl(attempts.saturating_sub(1))
            .unwrap_or(u64::MAX);
        let whole = self.retry_ms.saturating_mul(doubled).min(self.retry_max_ms);
        whole - (whole as f64 / 2.0 * chance.clamp(0.0, 1.0)) as u64
    }
}

/// Events about one user or room; the first is sent next, or is under way.
#[derive(Debug, Default)]
struct Line {
    /// With their numbers, which ascend.
    events: VecDeque<(u64, Event)>,
    attempts: u32,
    /// When the first is due, and its place among those due; `None` while it is under way.
    due: Option<(u64, u64)>,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// An event is to be sent, for the first time or again.
    Send(Event),
    /// The next is due at this Unix ms.
    Wait(u64),
    /// None waits, or all that do are under way.
    Nothing,
}

/// What became of an event that could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is sent again.
    Again,
    /// It was sent often enough.
    GivenUp,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: HashMap<Arc<str>, Line>,
    /// Lines by the time at which their first event is due.
    due: BTreeSet<(u64, u64, Arc<str>)>,
    /// The events that are not under way, by the users that caused them.
    shares: Shares,
    events: usize,
    bytes: usize,
    /// The last number of an event, or of a place among those due.
    last: u64,
}

impl Queue {
    /// Puts an event behind the others. Returns the events that were dropped for lack of
    /// room, of which this may be one.
    pub(super) fn push(&mut self, event: Event, limits: &Limits, now_ms: u64) -> Vec<Event> {
        let bytes = event.bytes();
        let mut dropped = Vec::new();
        while let Some(measure) = self.full(bytes, limits) {
            let own = self.shares.of(&event.cause, measure) + event.size(measure);
            let most = self.shares.most(measure);
            let most = most.filter(|(size, _)| *size > own && bytes <= limits.bytes_max);
            let Some((_, cause)) = most else {
                dropped.push(event);
                return dropped;
            };
            // More than this event needs is there to drop, so it is not dropped itself.
            while self.full(bytes, limits) == Some(measure) {
                let Some(newest) = self.drop_newest(&cause) else {
                    break;
                };
                dropped.push(newest);
            }
        }
        self.events += 1;
        self.bytes += bytes;
        self.last += 1;
        let about = event.about.clone();
        self.shares.add(&event.cause, self.last, event.droppable());
        let line = self.lines.entry(about.clone()).or_default();
        line.events.push_back((self.last, event));
        if line.events.len() == 1 {
            self.set_due(&about, now_ms);
        }
        dropped
    }

    /// What there is too much of for an event of so many bytes. Bytes are first:
    /// events that are dropped for their bytes also leave places.
    const fn full(&self, bytes: usize, limits: &Limits) -> Option<Measure> {
        if self.bytes + bytes > limits.bytes_max {
            Some(Measure::Bytes)
        } else if self.events >= limits.events_max {
            Some(Measure::Events)
        } else {
            None
        }
    }

    /// Drops the newest event that this user caused and that is not under way.
    fn drop_newest(&mut self, cause: &Arc<str>) -> Option<Event> {
        let (number, Droppable { about, .. }) = self.shares.take_newest(cause)?;
        let line = self.lines.get_mut(&about)?;
        let place = line
            .events
            .binary_search_by_key(&number, |(number, _)| *number);
        let place = place.ok()?;
        let (_, event) = line.events.remove(place)?;
        self.events -= 1;
        self.bytes -= event.bytes();
        if place == 0 {
            // The next one has its place among those due.
            line.attempts = 0;
        }
        if line.events.is_empty() {
            if let Some((at_ms, place)) = line.due {
                self.due.remove(&(at_ms, place, about.clone()));
            }
            self.lines.remove(&about);
            self.lines.give_back();
        }
        Some(event)
    }

    fn set_due(&mut self, about: &Arc<str>, at_ms: u64) {
        self.last += 1;
        if let Some(line) = self.lines.get_mut(about) {
            line.due = Some((at_ms, self.last));
            self.due.insert((at_ms, self.last, about.clone()));
        }
    }

    /// Takes the event that is due, which is under way then.
    pub(super) fn next(&mut self, now_ms: u64) -> Next {
        let Some((at_ms, ..)) = self.due.first() else {
            return Next::Nothing;
        };
        if *at_ms > now_ms {
            return Next::Wait(*at_ms);
        }
        let Some((_, _, about)) = self.due.pop_first() else {
            return Next::Nothing;
        };
        let Some(line) = self.lines.get_mut(&about) else {
            return Next::Nothing;
        };
        line.due = None;
        line.attempts += 1;
        let Some((number, event)) = line.events.front() else {
            return Next::Nothing;
        };
        self.shares.remove(&event.cause, *number);
        Next::Send(event.clone())
    }

    /// The event about this user or room that was under way is delivered, or given up.
    pub(super) fn done(&mut self, about: &Arc<str>, now_ms: u64) {
        let Some(line) = self.lines.get_mut(about).filter(|line| line.due.is_none()) else {
            return;
        };
        if let Some((_, event)) = line.events.pop_front() {
            self.events -= 1;
            self.bytes -= event.bytes();
        }
        line.attempts = 0;
        if line.events.is_empty() {
            self.lines.remove(about);
            self.lines.give_back();
        } else {
            self.set_due(about, now_ms);
        }
    }

    /// The event about this user or room that was under way was not delivered.
    /// `least_ms` is how long the receiver wants to have peace.
    pub(super) fn failed(
        &mut self,
        about: &Arc<str>,
        limits: &Limits,
        (chance, least_ms): (f64, u64),
        now_ms: u64,
    ) -> Failed {
        let line = self.lines.get(about);
        let attempts = line.map_or(0, |line| line.attempts);
        if attempts >= limits.attempts_max {
            self.done(about, now_ms);
            return Failed::GivenUp;
        }
        if let Some((number, event)) = line.and_then(|line| line.events.front()) {
            self.shares.add(&event.cause, *number, event.droppable());
        }
        let wait_ms = limits.wait_ms(attempts, chance);
        let wait_ms = wait_ms.max(least_ms.min(limits.retry_max_ms));
        self.set_due(about, now_ms + wait_ms);
        Failed::Again
    }

    /// How many events wait or are under way.
    pub(super) const fn len(&self) -> usize {
        self.events
    }

    /// How many bytes they take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
