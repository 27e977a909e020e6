//! How many messages wait in the mailboxes of each worker.
//!
//! Mailboxes of actix have no bound that `do_send` respects, so they are counted
//! here. What a client sends is a call to a directory, then one to an owner,
//! and comes back as deliveries to gateways; where any of these wait too long, the
//! gateways stop reading from their sockets (`gateway::intake`), and HTTP requests wait
//! (`request`). No worker ever waits for a mailbox, so two cannot wait for each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;

use crate::cluster::probe::Probed;
use crate::cluster::request::Requests;
use crate::metric::Metrics;
use turntable_core::key::WorkerId;

/// A worker that has handled no probe for so long does not answer. They come once a second.
const SILENT: Duration = Duration::from_secs(3);

/// A number with a cache line of its own: senders and the receiver would otherwise
/// take it from each other with every message.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Count(AtomicU64);

/// The messages of one mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    put: Count,
    taken: Count,
}

impl Mailbox {
    /// A message is put in, by any thread.
    pub fn put(&self) {
        self.put.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A message is taken out, by the worker's own thread.
    pub fn take(&self) {
        let taken = self.taken.0.load(Ordering::Relaxed);
        self.taken.0.store(taken + 1, Ordering::Relaxed);
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        // In this order it never misses one that waits.
        let taken = self.taken.0.load(Ordering::Acquire);
        self.put.0.load(Ordering::Relaxed).saturating_sub(taken)
    }
}

/// The mailboxes of one worker.
#[derive(Debug, Default)]
pub struct WorkerMailboxes {
    /// Calls to its directory.
    pub calls: Mailbox,
    /// Calls that its directory has passed on to owners.
    pub owner_calls: Mailbox,
    /// Deliveries to its gateway.
    pub deliveries: Mailbox,
    calls_gauge: Gauge,
    deliveries_gauge: Gauge,
    silent_gauge: Gauge,
    probed: OnceLock<Probed>,
    /// When its gateway handled the last probe, or it began, in ms since the mailboxes were made,
    /// and 1 more; 0 before.
    answered: AtomicU64,
}

impl WorkerMailboxes {
    fn waiting_calls(&self) -> u64 {
        self.calls.waiting() + self.owner_calls.waiting()
    }
}

/// A worker that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent {
    /// Its number.
    pub worker: WorkerId,
    /// How long ago its last sign of life was.
    pub time: Duration,
}

/// The mailboxes of all workers.
#[derive(Debug)]
pub struct Mailboxes {
    made: Instant,
    workers: Box<[WorkerMailboxes]>,
    requests: Requests,
    /// Answers from outside that owners wait for.
    awaited: Arc<AtomicU64>,
}

/// An owner waits for an answer from outside, as of the store; until this is dropped.
#[derive(Debug)]
pub struct Awaited(Arc<AtomicU64>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Mailboxes {
    /// Empty ones for `workers` workers.
    #[must_use]
    pub fn new(workers: usize, metrics: &Metrics) -> Self {
        let queues = |worker: usize| {
            let (calls_gauge, deliveries_gauge) = metrics.mailboxes(WorkerId(worker as u16));
            WorkerMailboxes {
                calls_gauge,
                deliveries_gauge,
                silent_gauge: metrics.silent(WorkerId(worker as u16)),
                ..WorkerMailboxes::default()
            }
        };
        Self {
            made: Instant::now(),
            workers: (0..workers).map(queues).collect(),
            requests: Requests::default(),
            awaited: Arc::default(),
        }
    }

    /// An owner waits for an answer, until what this returns is dropped.
    #[must_use]
    pub fn await_answer(&self) -> Awaited {
        self.awaited.fetch_add(1, Ordering::Relaxed);
        Awaited(self.awaited.clone())
    }

    /// How many answers from outside owners wait for.
    #[must_use]
    pub fn awaited(&self) -> u64 {
        self.awaited.load(Ordering::Relaxed)
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Those of a worker.
    #[must_use]
    pub fn of(&self, worker: WorkerId) -> Option<&WorkerMailboxes> {
        self.workers.get(worker.index())
    }

    /// The HTTP requests on their way to gateways.
    pub(super) const fn requests(&self) -> &Requests {
        &self.requests
    }

    /// How many messages wait where the most do.
    #[must_use]
    pub fn most_waiting(&self) -> u64 {
        let waiting =
            |queues: &WorkerMailboxes| queues.waiting_calls().max(queues.deliveries.waiting());
        self.workers.iter().map(waiting).max().unwrap_or_default()
    }

    /// How many calls to owners wait where the most do.
    #[must_use]
    pub fn most_calls(&self) -> u64 {
        let workers = self.workers.iter();
        workers
            .map(WorkerMailboxes::waiting_calls)
            .max()
            .unwrap_or_default()
    }

    /// The actors of a worker run.
    pub fn connect(&self, worker: WorkerId, probed: Probed) {
        if let Some(mailboxes) = self.of(worker) {
            // A worker that is started anew keeps its first ones.
            let _ = mailboxes.probed.set(probed);
        }
        // One that hangs before its first probe does not answer either.
        self.answers(worker, Instant::now());
    }

    /// Measures how long messages wait at a worker, since a probe was due.
    pub fn probe(&self, worker: WorkerId, due: Instant) {
        if let Some(probed) = self.of(worker).and_then(|of| of.probed.get()) {
            probed.post(due);
        }
    }

    /// The gateway of a worker handles a probe at this time: it answers.
    pub fn answers(&self, worker: WorkerId, now: Instant) {
        if let Some(mailboxes) = self.of(worker) {
            let ms = now.saturating_duration_since(self.made).as_millis();
            let ms = u64::try_from(ms).unwrap_or(u64::MAX);
            mailboxes
                .answered
                .store(ms.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// The workers that do not answer at this time. One that has not begun yet is none of them.
    #[must_use]
    pub fn silent(&self, now: Instant) -> Vec<Silent> {
        let workers = self.workers.iter().enumerate();
        let silent = workers.filter_map(|(number, mailboxes)| {
            let answered = mailboxes.answered.load(Ordering::Relaxed).checked_sub(1)?;
            let answered = self.made.checked_add(Duration::from_millis(answered))?;
            let time = now.saturating_duration_since(answered);
            let worker = WorkerId(number as u16);
            (time >= SILENT).then_some(Silent { worker, time })
        });
        silent.collect()
    }

    /// Brings the gauges of workers that do not answer up to date. A worker cannot do it itself.
    pub fn survey_silent(&self, now: Instant) {
        let silent = self.silent(now);
        for (number, mailboxes) in self.workers.iter().enumerate() {
            let known = silent.iter().find(|one| one.worker.index() == number);
            let ms = known.map_or(0, |one| one.time.as_millis());
            mailboxes
                .silent_gauge
                .set(i64::try_from(ms).unwrap_or(i64::MAX));
        }
    }

    /// Brings the gauges of all workers up to date: a worker that is behind may not
    /// come to do it.
    pub fn survey(&self) {
        for queues in &self.workers {
            queues.calls_gauge.set(queues.waiting_calls() as i64);
            let deliveries = queues.deliveries.waiting();
            queues.deliveries_gauge.set(deliveries as i64);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_awaited_until_they_are_dropped() {
        let mailboxes = Mailboxes::new(1, &Metrics::default());
        let answers = [mailboxes.await_answer(), mailboxes.await_answer()];
        assert_eq!(mailboxes.awaited(), 2);
        drop(answers);
        assert_eq!(mailboxes.awaited(), 0);
    }

    #[test]
    fn worker_that_handles_no_probe_does_not_answer() {
        let metrics = Metrics::default();
        let mailboxes = Mailboxes::new(3, &metrics);
        let at = |ms| mailboxes.made + Duration::from_millis(ms);
        assert_eq!(mailboxes.silent(at(60_000)), [], "none has begun");
        mailboxes.answers(WorkerId(0), at(0));
        mailboxes.answers(WorkerId(1), at(500));
        assert_eq!(mailboxes.silent(at(2_999)), []);
        mailboxes.answers(WorkerId(0), at(3_000));
        let silent = Silent {
            worker: WorkerId(1),
            time: Duration::from_millis(3_500),
        };
        assert_eq!(mailboxes.silent(at(4_000)), [silent]);
        mailboxes.survey_silent(at(4_000));
        let shown = || [0, 1, 2].map(|worker| metrics.silent(WorkerId(worker)).get());
        assert_eq!(shown(), [0, 3_500, 0]);
        mailboxes.answers(WorkerId(1), at(4_100));
        mailboxes.survey_silent(at(4_200));
        assert_eq!(shown(), [0, 0, 0]);
    }

    #[test]
    fn letters_wait_from_put_to_take() {
        let metrics = Metrics::default();
        let mailboxes = Mailboxes::new(2, &metrics);
        let queues = mailboxes.of(WorkerId(1)).unwrap();
        for _ in 0..3 {
            queues.calls.put();
            queues.deliveries.put();
        }
        queues.calls.take();
        queues.owner_calls.put();
        queues.owner_calls.put();
        assert_eq!(mailboxes.most_waiting(), 4, "calls are those of owners too");
        mailboxes.survey();
        let gauges = metrics.mailboxes(WorkerId(1));
        assert_eq!((gauges.0.get(), gauges.1.get()), (4, 3));
        queues.owner_calls.take();
        queues.owner_calls.take();
        assert_eq!(mailboxes.most_waiting(), 3);
        // One that was not counted when it was put in does no harm.
        mailboxes.of(WorkerId(0)).unwrap().calls.take();
        assert_eq!(mailboxes.most_waiting(), 3);
        assert!(mailboxes.of(WorkerId(2)).is_none());
    }
}
