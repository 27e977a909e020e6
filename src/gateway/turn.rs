//! One turn of a gateway's loop.
//!
//! The gateway's sockets are in a poll of their own, which the worker's runtime
//! sees as one descriptor. actix drains the gateway's mailbox before it polls
//! this future, so a turn is: what actors said, then what sockets have, then
//! timers, and then one write per socket, however much there was.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::{ActorFuture, Context};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::wheel::TICK_MS;

/// Events taken from the poll at once; what is left comes next turn, behind the
/// mailbox.
const EVENTS_MAX: usize = 1024;

/// Turns that writing waits for once input came in beside it: what was read
/// passes a directory and an owner before it comes back.
const SETTLE_TURNS: u8 = 2;
/// How long writing waits for input to end at the most.
const SETTLE_MAX: Duration = Duration::from_micros(150);

/// Puts writing off while input keeps coming.
///
/// A burst comes as many small reads. If each led to a write, a socket would
/// be written to as often as the burst has messages; waiting for its end (for
/// microseconds, and only while there is something to do) makes one write of
/// them. Without input nothing waits.
#[derive(Debug, Default)]
struct Settling {
    turns: u8,
    since: Option<Instant>,
}

impl Settling {
    /// Whether what waits should be written in this turn.
    fn is_over(&mut self, has_output: bool, had_input: bool) -> bool {
        if !has_output {
            *self = Self::default();
            return true;
        }
        if had_input {
            self.turns = SETTLE_TURNS;
        }
        if self.turns == 0 {
            self.since = None;
            return true;
        }
        self.turns -= 1;
        let is_over = self.since.get_or_insert_with(Instant::now).elapsed() >= SETTLE_MAX;
        if is_over {
            *self = Self::default();
        }
        is_over
    }
}

/// The future that polls the gateway's sockets.
pub struct Turn {
    poll: AsyncFd<mio::Poll>,
    events: mio::Events,
    tick: Interval,
    presence: Pin<Box<Sleep>>,
    settling: Settling,
}

impl Turn {
    /// A turn over the sockets of `poll`.
    ///
    /// # Errors
    /// Where the runtime cannot watch the poll.
    pub fn new(poll: mio::Poll) -> std::io::Result<Self> {
        let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        #[expect(
            deprecated,
            reason = "its heir is unsafe; a poll keeps its descriptor until it is dropped"
        )]
        let poll = AsyncFd::with_interest(poll, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: mio::Events::with_capacity(EVENTS_MAX),
            tick,
            presence: Box::pin(tokio::time::sleep(Duration::ZERO)),
            settling: Settling::default(),
        })
    }

    /// Takes what the sockets have. Returns whether there is more.
    fn take_events(&mut self, gateway: &mut Gateway, cx: &mut TaskContext<'_>) -> bool {
        while let Poll::Ready(ready) = self.poll.poll_read_ready_mut(cx) {
            let Ok(mut ready) = ready else {
                return false;
            };
            if let Err(error) = ready
                .get_inner_mut()
                .poll(&mut self.events, Some(Duration::ZERO))
            {
                if error.kind() == std::io::ErrorKind::Interrupted {
                    continue;
                }
                log::error!("polling the sockets failed: {error}");
                return false;
            }
            for event in &self.events {
                gateway.socket_event(event);
            }
            if self.events.iter().count() == EVENTS_MAX {
                return true;
            }
            ready.clear_ready();
        }
        false
    }
}

impl ActorFuture<Gateway> for Turn {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        gateway: &mut Gateway,
        _: &mut Context<Gateway>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let turn = &mut *self;
        let mut has_more = turn.take_events(gateway, cx);
        has_more |= gateway.read_on();
        while turn.tick.poll_tick(cx).is_ready() {
            gateway.tick();
        }
        gateway.write_snapshots();
        let mut wait_ms = gateway.write_presence(clock::now_ms());
        while wait_ms > 0 {
            // Changes wait for others, for as long as is configured.
            let deadline = Instant::now() + Duration::from_millis(wait_ms);
            turn.presence.as_mut().reset(deadline);
            if turn.presence.as_mut().poll(cx).is_pending() {
                break;
            }
            wait_ms = gateway.write_presence(clock::now_ms());
        }
        if turn
            .settling
            .is_over(gateway.has_output(), gateway.had_input())
        {
            gateway.flush();
        } else {
            has_more = true;
        }
        if has_more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_message_is_written_at_once() {
        let mut settling = Settling::default();
        assert!(
            settling.is_over(false, true),
            "read, and nothing to write yet"
        );
        assert!(settling.is_over(true, false));
    }

    #[test]
    fn a_burst_is_waited_for_but_not_for_long() {
        let mut settling = Settling::default();
        assert!(!settling.is_over(true, true));
        assert!(!settling.is_over(true, false));
        assert!(settling.is_over(true, false), "nothing came any more");
        let start = Instant::now();
        while !settling.is_over(true, true) {
            assert!(start.elapsed() < Duration::from_secs(5), "it ends");
        }
        assert!(start.elapsed() >= SETTLE_MAX);
    }
}
