//! Events that wait to be sent. Pure: `now` is an argument.
//!
//! Events about the same user or room are sent one behind the other, so none overtakes
//! an earlier one that has to be repeated; others do not wait for them. The queue is
//! bounded in events and in bytes: what does not fit is dropped, the newest first.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use turntable_core::spare::Spare;

/// What one event takes beside its texts, in bytes.
const ENTRY_BYTES: usize = 256;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its id, the same whenever it is sent.
    pub(super) id: Box<str>,
    /// The user or room that it is about.
    pub(super) about: Arc<str>,
    /// What is sent.
    pub(super) body: Box<str>,
}

impl Event {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.id.len() + self.about.len() + self.body.len()
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
    events: VecDeque<Event>,
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
    events: usize,
    bytes: usize,
    /// The number of the last event.
    last: u64,
}

impl Queue {
    /// Puts an event behind the others. Returns whether there is room for it.
    pub(super) fn push(&mut self, event: Event, limits: &Limits, now_ms: u64) -> bool {
        let bytes = event.bytes();
        if self.events >= limits.events_max || self.bytes + bytes > limits.bytes_max {
            return false;
        }
        self.events += 1;
        self.bytes += bytes;
        let about = event.about.clone();
        let line = self.lines.entry(about.clone()).or_default();
        line.events.push_back(event);
        if line.events.len() == 1 {
            self.set_due(&about, now_ms);
        }
        true
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
        line.events
            .front()
            .cloned()
            .map_or(Next::Nothing, Next::Send)
    }

    /// The event about this user or room that was under way is delivered, or given up.
    pub(super) fn done(&mut self, about: &Arc<str>, now_ms: u64) {
        let Some(line) = self.lines.get_mut(about).filter(|line| line.due.is_none()) else {
            return;
        };
        if let Some(event) = line.events.pop_front() {
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
        let attempts = self.lines.get(about).map_or(0, |line| line.attempts);
        if attempts >= limits.attempts_max {
            self.done(about, now_ms);
            return Failed::GivenUp;
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        events_max: 8,
        bytes_max: 8 * 300,
        attempts_max: 3,
        retry_ms: 100,
        retry_max_ms: 250,
    };

    fn event(about: usize, number: usize) -> Event {
        Event {
            id: number.to_string().into(),
            about: format!("1:{about}").into(),
            body: "{}".into(),
        }
    }

    #[test]
    fn repeats_wait_twice_as_long_each_time_and_end() {
        let mut queue = Queue::default();
        assert!(queue.push(event(1, 1), &LIMITS, 0));
        let mut now_ms = 0;
        for (wait_ms, expected) in [
            (100, Failed::Again),
            (200, Failed::Again),
            (0, Failed::GivenUp),
        ] {
            assert_eq!(queue.next(now_ms), Next::Send(event(1, 1)));
            assert_eq!(queue.next(now_ms), Next::Nothing);
            let failed = queue.failed(&event(1, 1).about, &LIMITS, (0.0, 0), now_ms);
            assert_eq!(failed, expected);
            now_ms += wait_ms;
            if failed == Failed::Again {
                assert_eq!(queue.next(now_ms - 1), Next::Wait(now_ms));
            }
        }
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
        assert_eq!(LIMITS.wait_ms(60, 0.0), 250);
        assert_eq!(LIMITS.wait_ms(1, 1.0), 50);
    }

    #[test]
    fn receiver_may_ask_for_more_time_within_the_limit() {
        let mut queue = Queue::default();
        queue.push(event(1, 1), &LIMITS, 0);
        queue.next(0);
        queue.failed(&event(1, 1).about, &LIMITS, (1.0, 10_000), 0);
        assert_eq!(queue.next(0), Next::Wait(250));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Next,
        Done(usize),
        Failed(usize),
        Later(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3usize).prop_map(Step::Push),
            4 => Just(Step::Next),
            3 => (0..3usize).prop_map(Step::Done),
            2 => (0..3usize).prop_map(Step::Failed),
            2 => (0..200u64).prop_map(Step::Later),
        ]
    }

    proptest! {
        /// Whatever fails: events about one object are sent in their order and one at a
        /// time, no event is sent more often than allowed, the bounds hold, and every
        /// event that was taken is delivered or given up in the end.
        #[test]
        fn order_and_bounds_hold(steps in prop::collection::vec(step(), 0..200)) {
            let (mut queue, mut now_ms, mut pushed) = (Queue::default(), 0, 0);
            let mut waiting: [VecDeque<usize>; 3] = Default::default();
            let mut under_way = [None::<usize>; 3];
            let mut attempts: HashMap<usize, u32> = HashMap::new();
            let drain = (0..60).map(|round| match round % 3 {
                0 => Step::Next,
                1 => Step::Later(300),
                _ => Step::Done(round),
            });
            let drain = drain.flat_map(|step| match step {
                Step::Done(_) => vec![Step::Done(0), Step::Done(1), Step::Done(2)],
                step => vec![step],
            });
            for step in steps.into_iter().chain(drain) {
                match step {
                    Step::Push(about) => {
                        pushed += 1;
                        if queue.push(event(about, pushed), &LIMITS, now_ms) {
                            waiting[about].push_back(pushed);
                        } else {
                            prop_assert!(queue.len() == 8 || queue.bytes() > 7 * 256);
                        }
                    }
                    Step::Next => if let Next::Send(sent) = queue.next(now_ms) {
                        let about = (0..3).find(|n| event(*n, 0).about == sent.about).unwrap();
                        prop_assert_eq!(under_way[about], None);
                        let number = sent.id.parse().unwrap();
                        prop_assert_eq!(waiting[about].front(), Some(&number));
                        under_way[about] = Some(number);
                        let count = attempts.entry(number).or_default();
                        *count += 1;
                        prop_assert!(*count <= LIMITS.attempts_max);
                    },
                    Step::Done(about) => if under_way[about].take().is_some() {
                        queue.done(&event(about, 0).about, now_ms);
                        waiting[about].pop_front();
                    },
                    Step::Failed(about) => if under_way[about].take().is_some() {
                        let about_text = event(about, 0).about;
                        let failed = queue.failed(&about_text, &LIMITS, (0.5, 0), now_ms);
                        if failed == Failed::GivenUp {
                            waiting[about].pop_front();
                        }
                    },
                    Step::Later(ms) => now_ms += ms,
                }
                let count: usize = waiting.iter().map(VecDeque::len).sum();
                prop_assert_eq!(queue.len(), count);
                prop_assert!(count <= LIMITS.events_max && queue.bytes() <= LIMITS.bytes_max);
            }
            prop_assert_eq!((queue.len(), queue.bytes()), (0, 0));
            prop_assert!(queue.lines.is_empty() && queue.due.is_empty());
        }
    }
}
