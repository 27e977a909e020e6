//! How long an actor handles messages before others on its thread have their turn.
//!
//! actix drains a mailbox without giving way. While another thread fills it as fast as it is
//! drained, nothing else on its thread would run: neither a gateway's sockets nor the
//! owners. So an actor that many send to gives way after a time. A number of messages would
//! be too many of those that name a thousand users, and too few of others: each time that a
//! gateway gives way, it writes what it has, and a burst is to be one write to each socket.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix::fut::wrap_future;
use actix::{Actor, ActorFuture};

/// How long messages of one mailbox are handled in a row. Sixteen that go to 1,000 sessions each
/// take about 2 ms: a shorter time would write them in parts, and an answer to a poll with half
/// of them makes one more request of each client.
const LASTS_MAX: Duration = Duration::from_millis(4);

/// Messages between two looks at the clock.
const MESSAGES_PER_LOOK: u32 = 4;

/// Measures how long messages are handled since others had their turn.
#[derive(Debug, Default)]
pub struct Burst {
    messages: u32,
    /// When the clock was looked at first.
    since: Option<Instant>,
}

impl Burst {
    /// One more is handled. Returns whether others have their turn behind it.
    pub fn is_over(&mut self) -> bool {
        self.is_over_at(Instant::now)
    }

    /// The same by this clock. Few messages do not look at it.
    fn is_over_at(&mut self, now: impl FnOnce() -> Instant) -> bool {
        self.messages += 1;
        if self.messages < MESSAGES_PER_LOOK {
            return false;
        }
        self.messages = 0;
        let now = now();
        let since = *self.since.get_or_insert(now);
        let is_over = now.saturating_duration_since(since) >= LASTS_MAX;
        if is_over {
            self.begin();
        }
        is_over
    }

    /// Others had their turn.
    pub const fn begin(&mut self) {
        self.messages = 0;
        self.since = None;
    }
}

/// Begins an actor's burst whenever its mailbox is empty or it gave way; for `ctx.spawn`.
pub fn begin_when_drained<A: Actor>(
    burst: fn(&mut A) -> &mut Burst,
) -> impl ActorFuture<A, Output = ()> {
    BeginWhenDrained(burst)
}

/// actix polls it behind the mailbox.
struct BeginWhenDrained<A>(fn(&mut A) -> &mut Burst);

impl<A: Actor> ActorFuture<A> for BeginWhenDrained<A> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        _: &mut A::Context,
        _: &mut Context<'_>,
    ) -> Poll<()> {
        (self.0)(actor).begin();
        Poll::Pending
    }
}

/// Waits until everything else on the thread that can run has run, and its sockets and
/// timers were looked at; for `ctx.wait`.
pub fn give_way<A: Actor>() -> impl ActorFuture<A, Output = ()> {
    // A task that only wakes itself would run again before any of that.
    wrap_future(tokio::task::yield_now())
}

/// The task has more to do: it runs again when the thread's sockets and timers were looked
/// at.
pub fn go_on_behind_others(cx: &mut Context<'_>) {
    // What is polled once wakes the task then, whether it still exists or not.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use actix::{Actor, AsyncContext, Context, Handler, Message};

    use super::*;

    /// Handles messages, and notes at each how often something else ran.
    struct Busy {
        burst: Burst,
        others: Rc<Cell<usize>>,
        seen: Vec<usize>,
    }

    impl Actor for Busy {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Work;

    impl Handler<Work> for Busy {
        type Result = ();

        fn handle(&mut self, Work: Work, ctx: &mut Self::Context) {
            let start = Instant::now();
            while start.elapsed() < LASTS_MAX / 4 {}
            self.seen.push(self.others.get());
            if self.burst.is_over() {
                ctx.wait(give_way());
            }
        }
    }

    #[derive(Message)]
    #[rtype(result = "Vec<usize>")]
    struct Seen;

    impl Handler<Seen> for Busy {
        type Result = Vec<usize>;

        fn handle(&mut self, Seen: Seen, _: &mut Self::Context) -> Vec<usize> {
            std::mem::take(&mut self.seen)
        }
    }

    #[actix_rt::test]
    async fn others_on_the_thread_run_between_the_messages_of_a_full_mailbox() {
        let others = Rc::new(Cell::new(0));
        let busy = Busy {
            burst: Burst::default(),
            others: others.clone(),
            seen: Vec::new(),
        };
        let busy = busy.start();
        for _ in 0..100 {
            busy.do_send(Work);
        }
        actix_rt::spawn(async move {
            loop {
                others.set(others.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let mut seen = busy.send(Seen).await.unwrap_or_default();
        assert_eq!(seen.len(), 100);
        // Each burst is of eight; others run once for each, but in any order.
        seen.dedup();
        assert!((6..=14).contains(&seen.len()), "{seen:?}");
    }

    #[test]
    fn burst_is_over_by_its_time_not_by_the_number_of_its_messages() {
        let start = Instant::now();
        let mut burst = Burst::default();
        for _ in 0..1_000 {
            assert!(!burst.is_over_at(|| start), "they took no time");
        }
        let end = start + LASTS_MAX;
        let late = (0..MESSAGES_PER_LOOK).filter(|_| burst.is_over_at(|| end));
        assert_eq!(late.count(), 1);
        // The next begins when it is looked at.
        assert!((0..1_000).all(|_| !burst.is_over_at(|| end)));
        burst.begin();
        let later = end + LASTS_MAX;
        assert!((0..1_000).all(|_| !burst.is_over_at(|| later)));
    }

    #[test]
    fn few_messages_do_not_look_at_the_clock() {
        let looks = Cell::new(0);
        let clock = || {
            looks.set(looks.get() + 1);
            Instant::now()
        };
        let mut burst = Burst::default();
        for _ in 0..100 {
            burst.begin();
            for _ in 1..MESSAGES_PER_LOOK {
                assert!(!burst.is_over_at(clock));
            }
        }
        assert_eq!(looks.get(), 0);
        burst.is_over_at(clock);
        assert_eq!(looks.get(), 1);
    }
}
