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

/// The future that polls the gateway's sockets.
pub struct Turn {
    poll: AsyncFd<mio::Poll>,
    events: mio::Events,
    tick: Interval,
    presence: Pin<Box<Sleep>>,
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
        gateway.flush();
        if has_more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
