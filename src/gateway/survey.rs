//! What a gateway does every few seconds: it brings gauges up to date, and gives
//! back the memory that a burst took.

use std::time::Instant;

use actix::{Context, Handler};

use crate::cluster::probe::Probe;
use crate::gateway::Gateway;
use crate::gateway::turn::TurnLists;
use crate::slow;
use turntable_core::spare::Spare;

impl Spare for TurnLists {
    fn give_back(&mut self) {
        self.dirty.give_back();
        self.unread.give_back();
        self.changed.give_back();
        self.snapshots.give_back();
        self.spare_changes.clear();
    }
}

impl Handler<Probe> for Gateway {
    type Result = ();

    fn handle(&mut self, probe: Probe, _: &mut Context<Self>) {
        let mailboxes = &self.shared.mailboxes;
        mailboxes.answers(self.id.worker, Instant::now());
        let waited = probe.waited();
        self.delivery_lag.observe_duration(waited);
        slow::note(waited, slow::Kind::Wait, || {
            format!("a delivery that waited for worker {}", self.id.worker)
        });
    }
}

/// What the kernel uses for connections that are not blocked. A system call for each of many
/// thousands would hold the worker up, so each survey counts so many of them.
#[derive(Debug, Default)]
pub(crate) struct Unblocked {
    /// How many were counted since the first one.
    counted: usize,
    /// What the kernel uses for these, in bytes.
    bytes: i64,
    /// The same for all of them, when they were counted last.
    all_bytes: i64,
}

const PART: usize = 2_048;

/// The connections of one survey.
struct PartCount {
    /// So many are passed over.
    skipped: usize,
    left: usize,
    bytes: i64,
}

impl PartCount {
    const fn of(unblocked: &Unblocked) -> Self {
        Self {
            skipped: unblocked.counted,
            left: PART,
            bytes: 0,
        }
    }

    /// There is another connection, for which the kernel uses so many bytes.
    fn count(&mut self, bytes: impl FnOnce() -> i64) {
        if self.skipped > 0 {
            self.skipped -= 1;
        } else if self.left > 0 {
            self.left -= 1;
            self.bytes += bytes();
        }
    }
}

impl Unblocked {
    /// A part was counted. Returns what the kernel uses for all, as far as is known.
    fn add(&mut self, part: PartCount) -> i64 {
        self.counted += PART - part.left;
        self.bytes += part.bytes;
        if part.left > 0 || part.skipped > 0 {
            // There were no more.
            self.all_bytes = std::mem::take(&mut self.bytes);
            self.counted = 0;
        }
        self.all_bytes.max(self.bytes)
    }
}

impl Gateway {
    /// Counts what the kernel uses for what clients have not acknowledged: of those whose sockets
    /// take nothing, or that are closed and have not taken their last bytes, and of a part of the
    /// others, whose sockets take all as long as it fits the kernel's buffer.
    pub(crate) fn survey_send_buffers(&mut self) {
        let (mut blocked_bytes, mut part) = (0, PartCount::of(&self.unblocked));
        for (_, connection) in self.connections.iter() {
            let Some(io) = &connection.io else {
                continue;
            };
            let bytes = || io.unsent_bytes().map_or(0, i64::from);
            match connection.queue.is_blocked() || connection.is_closing() {
                true => blocked_bytes += bytes(),
                false => part.count(bytes),
            }
        }
        let bytes = blocked_bytes + self.unblocked.add(part);
        let before = std::mem::replace(&mut self.send_buffer_bytes, bytes);
        let total = &self.shared.metrics.send_buffer_bytes;
        total.inc_by(bytes - before);
    }

    /// Brings the gauges of what waits and of what is retained up to date, and gives back what a burst took.
    /// Seldom, as it looks at every session.
    pub(crate) fn survey(&mut self) {
        self.waiting_gauge.set(self.sessions.waiting_bytes() as i64);
        let bytes = self.connections.answer_bytes() + self.sessions.answer_bytes();
        self.answers_gauge.set(bytes as i64);
        self.survey_send_buffers();
        self.traces.survey(crate::clock::now_ms());
        self.sweep_by_operator();
        self.work.give_back();
        self.continued.give_back();
        self.due.give_back();
        self.hook_effects.give_back();
        self.lists.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Surveys so many connections, for each of which the kernel uses as much.
    fn survey(unblocked: &mut Unblocked, connections: usize, each: i64) -> i64 {
        let mut part = PartCount::of(unblocked);
        (0..connections).for_each(|_| part.count(|| each));
        unblocked.add(part)
    }

    #[test]
    fn connections_that_are_not_blocked_are_counted_in_parts() {
        let mut unblocked = Unblocked::default();
        assert_eq!(survey(&mut unblocked, 10, 100), 1_000);
        assert_eq!(survey(&mut unblocked, 10, 0), 0);
        let two_parts = PART + 10;
        assert_eq!(survey(&mut unblocked, two_parts, 1), 2_048);
        assert_eq!(survey(&mut unblocked, two_parts, 1), 2_058);
        // What is known of all holds until all were counted again.
        assert_eq!(survey(&mut unblocked, two_parts, 0), 2_058);
        assert_eq!(survey(&mut unblocked, two_parts, 0), 0);
        // Fewer than were counted are left.
        assert_eq!(survey(&mut unblocked, two_parts, 1), 2_048);
        assert_eq!(survey(&mut unblocked, 3, 1), 2_048);
        assert_eq!(survey(&mut unblocked, 3, 1), 3);
    }
}
