//! What all channels retain together, and which of them has to retain less: the gauge of
//! the metrics is the total, over all workers.
//!
//! A publication that finds the total near `channel.history_total_bytes_max` takes from
//! the channels that retain the most, those without subscribers first, and leaves each of
//! them its even share. Only where that is not quick enough the channel that is published
//! on loses its own oldest messages.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use actix::{Message, Recipient};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

use crate::metric::Metrics;
use turntable_core::model::history::shares::{Retaining, cuts};
use turntable_core::spare::Spare;

/// The channels are looked through at most so often, in ms: what they were requested to drop
/// is gone by then.
const LOOK_MS: u64 = 20;

/// A channel has to drop its oldest messages, until so many bytes are left.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Shrink(pub(super) usize);

/// The histories of a node.
#[derive(Debug)]
pub(super) struct Histories {
    total: Gauge,
    channels: Mutex<HashMap<u64, Arc<Known>>>,
    last: AtomicU64,
    looked_ms: AtomicU64,
}

/// A channel with a history.
#[derive(Debug)]
struct Known {
    bytes: AtomicUsize,
    oldest_bytes: AtomicUsize,
    has_subscribers: AtomicBool,
    channel: Recipient<Shrink>,
}

impl Histories {
    /// None.
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            total: metrics.history_bytes.clone(),
            channels: Mutex::default(),
            last: AtomicU64::new(0),
            looked_ms: AtomicU64::new(0),
        }
    }

    fn total(&self) -> usize {
        usize::try_from(self.total.get()).unwrap_or_default()
    }

    /// Takes from the channels that retain the most where all together are near `max`.
    fn make_room(&self, max: usize, now_ms: u64) {
        if self.total() <= max - max / 16 {
            return;
        }
        let looked_ms = self.looked_ms.load(Ordering::Relaxed);
        let is_due = now_ms >= looked_ms.saturating_add(LOOK_MS);
        let swap = (Ordering::Relaxed, Ordering::Relaxed);
        let ours = |at_ms| {
            let looked = &self.looked_ms;
            looked.compare_exchange(looked_ms, at_ms, swap.0, swap.1)
        };
        if !is_due || ours(now_ms).is_err() {
            return;
        }
        let known: Vec<Arc<Known>> = self.channels.lock().values().cloned().collect();
        let retaining = known.iter().map(|known| Retaining {
            bytes: known.bytes.load(Ordering::Relaxed),
            oldest_bytes: known.oldest_bytes.load(Ordering::Relaxed),
            has_subscribers: known.has_subscribers.load(Ordering::Relaxed),
        });
        for (place, bytes) in cuts(retaining.collect(), max - max / 8) {
            if let Some(known) = known.get(place) {
                known.channel.do_send(Shrink(bytes));
            }
        }
    }
}

/// The bytes of one channel's history. They are given back when the channel ends, also
/// by a panic.
#[derive(Debug)]
pub(super) struct HistoryBytes {
    all: Arc<Histories>,
    own: usize,
    known: Option<(u64, Arc<Known>)>,
}

impl HistoryBytes {
    /// Those of a channel without a history.
    pub(super) fn new(all: &Arc<Histories>) -> Self {
        Self {
            all: all.clone(),
            own: 0,
            known: None,
        }
    }

    /// How many bytes this channel may have where all together may have `total_max`.
    pub(super) fn budget(&self, total_max: usize) -> usize {
        let others = self.all.total().saturating_sub(self.own);
        total_max.saturating_sub(others)
    }

    /// The channel retains this. `channel` is itself.
    pub(super) fn set(
        &mut self,
        retaining: Retaining,
        channel: impl FnOnce() -> Recipient<Shrink>,
    ) {
        let bytes = retaining.bytes;
        if bytes == 0 {
            return self.clear();
        }
        let all = &self.all;
        let (_, known) = self.known.get_or_insert_with(|| {
            let number = all.last.fetch_add(1, Ordering::Relaxed);
            let known = Arc::new(Known {
                bytes: AtomicUsize::new(0),
                oldest_bytes: AtomicUsize::new(0),
                has_subscribers: AtomicBool::new(false),
                channel: channel(),
            });
            all.channels.lock().insert(number, known.clone());
            (number, known)
        });
        known.bytes.store(bytes, Ordering::Relaxed);
        known
            .oldest_bytes
            .store(retaining.oldest_bytes, Ordering::Relaxed);
        known
            .has_subscribers
            .store(retaining.has_subscribers, Ordering::Relaxed);
        self.count(bytes);
    }

    /// Something was published: others drop messages where all retain too much.
    pub(super) fn make_room(&self, total_max: usize, now_ms: u64) {
        self.all.make_room(total_max, now_ms);
    }

    fn clear(&mut self) {
        if let Some((number, _)) = self.known.take() {
            let mut channels = self.all.channels.lock();
            channels.remove(&number);
            channels.give_back();
        }
        self.count(0);
    }

    fn count(&mut self, bytes: usize) {
        if bytes != self.own {
            let change = bytes as i64 - self.own as i64;
            self.all.total.inc_by(change);
            self.own = bytes;
        }
    }
}

impl Drop for HistoryBytes {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix::{Actor, Context, Handler};

    #[derive(Default)]
    struct Channel(Arc<Mutex<Vec<usize>>>);

    impl Actor for Channel {
        type Context = Context<Self>;
    }

    impl Handler<Shrink> for Channel {
        type Result = ();

        fn handle(&mut self, Shrink(bytes): Shrink, _: &mut Self::Context) {
            self.0.lock().push(bytes);
        }
    }

    const fn silent(bytes: usize) -> Retaining {
        Retaining {
            bytes,
            oldest_bytes: 1,
            has_subscribers: false,
        }
    }

    #[actix::test]
    async fn a_channel_may_have_what_the_others_leave() {
        let metrics = Metrics::default();
        let all = Arc::new(Histories::new(&metrics));
        let channel = Channel::default().start();
        let recipient = || channel.clone().recipient();
        let (mut one, mut other) = (HistoryBytes::new(&all), HistoryBytes::new(&all));
        one.set(silent(70), recipient);
        other.set(silent(20), recipient);
        assert_eq!((one.budget(100), other.budget(100)), (80, 30));
        one.set(silent(90), recipient);
        assert_eq!(other.budget(100), 10);
        assert_eq!(other.budget(50), 0);
        drop(one);
        assert_eq!((metrics.history_bytes.get(), other.budget(100)), (20, 100));
        other.set(silent(0), recipient);
        assert!(all.channels.lock().is_empty());
    }

    #[actix::test]
    async fn the_channel_with_the_most_shrinks_once_in_a_while() {
        let all = Arc::new(Histories::new(&Metrics::default()));
        let (small, large) = (Channel::default(), Channel::default());
        let [large_got, others] = [&large, &small].map(|channel| channel.0.clone());
        let (small, large) = (small.start(), large.start());
        let (mut one, mut other) = (HistoryBytes::new(&all), HistoryBytes::new(&all));
        one.set(silent(100), || small.clone().recipient());
        other.set(silent(800), || large.clone().recipient());
        one.make_room(1_000, 1_000);
        other.set(silent(850), || large.clone().recipient());
        for at_ms in [1_000, 1_001, 1_019, 1_020] {
            one.make_room(1_000, at_ms);
        }
        // What was sent to them before was handled.
        for channel in [small, large] {
            let _ = channel.send(Shrink(0)).await;
        }
        assert_eq!(*large_got.lock(), [437, 437, 0]);
        assert_eq!(*others.lock(), [0]);
    }
}
