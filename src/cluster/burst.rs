//! How many messages an actor handles before others on its thread have their turn.
//!
//! actix drains a mailbox without giving way. While another thread fills it as fast as it is
//! drained, nothing else on its thread would run: neither a gateway's sockets nor the
//! owners. So an actor that many send to gives way after a number of messages.

use std::pin::pin;
use std::task::Context;

use actix::fut::wrap_future;
use actix::{Actor, ActorFuture};

/// Messages of one mailbox in a row.
const MESSAGES: u32 = 128;

/// Counts the messages since others had their turn. Pure.
#[derive(Debug, Default)]
pub struct Burst(u32);

impl Burst {
    /// One more is handled. Returns whether others have their turn behind it.
    pub const fn is_over(&mut self) -> bool {
        self.0 += 1;
        let is_over = self.0 >= MESSAGES;
        if is_over {
            self.0 = 0;
        }
        is_over
    }

    /// Others had their turn.
    pub const fn begin(&mut self) {
        self.0 = 0;
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
        for _ in 0..10 * MESSAGES {
            busy.do_send(Work);
        }
        actix_rt::spawn(async move {
            loop {
                others.set(others.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let seen = busy.send(Seen).await.unwrap_or_default();
        assert_eq!(seen.len(), 10 * MESSAGES as usize);
        // Once between two bursts; which of both is first changes.
        assert!(seen.last().is_some_and(|others| *others >= 8), "{seen:?}");
        let within = seen.chunks(MESSAGES as usize);
        assert!(within.clone().all(|burst| burst.first() == burst.last()));
    }
}
