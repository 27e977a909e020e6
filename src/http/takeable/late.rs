//! The time limits of a connection: one timer for all of them, and looks at what its
//! client has not received.

use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use actix_rt::time::{Sleep, sleep_until};

use super::Inner;
use crate::http::unread::Found;

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// A request, or the time before the next one.
    Request,
    /// The reading of an answer.
    Reader,
}

impl Inner {
    /// What took too long, if anything did. Wakes the task when something may have.
    pub(super) fn late(&mut self, cx: &mut Context<'_>) -> Option<Late> {
        loop {
            let deadline = self.flow.deadline(&self.limits);
            let look_at = self.unread.look_at();
            let next = deadline.into_iter().chain(look_at).min()?;
            // The timer of an earlier deadline wakes the task, which then looks again.
            let is_earlier = |timer: &Pin<Box<Sleep>>| {
                !timer.is_elapsed() && timer.deadline().into_std() <= next
            };
            if self.timer.as_ref().is_some_and(is_earlier) {
                return None;
            }
            let now = Instant::now();
            if now < next {
                self.wake_at(next, cx);
                return None;
            }
            if look_at.is_none_or(|look_at| now < look_at) {
                return Some(Late::Request);
            }
            if self.look(now) {
                return Some(Late::Reader);
            }
        }
    }

    fn wake_at(&mut self, deadline: Instant, cx: &mut Context<'_>) {
        // One that fires early is set anew then; most never do, because a deadline
        // per request would be set and cleared for nothing.
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        if timer.as_mut().poll(cx).is_ready() || timer.deadline().into_std() > deadline {
            timer.as_mut().reset(deadline.into());
            let _ = timer.as_mut().poll(cx);
        }
    }

    /// Looks at what the client has not received. Returns whether it took too long.
    fn look(&mut self, now: Instant) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        self.unread.also_wrote(stream.sent_bytes(0));
        let found = Found {
            // Where the kernel does not tell, what the socket has taken was received.
            unacknowledged: stream.unacknowledged_bytes().unwrap_or(0),
            is_blocked: self.flow.is_blocked(),
            is_memory_short: self.metrics.memory_pressure.get() > 0,
        };
        let is_late = self.unread.look(found, self.limits.write, now);
        if is_late {
            self.metrics.refuse("write_timeout");
            stream.discard_at_close();
        }
        let bytes = match self.unread.is_over() {
            true => 0,
            false => stream.unsent_bytes().unwrap_or(0),
        };
        self.count_send_buffer(bytes);
        is_late
    }

    /// Counts what the kernel uses for what the client has not received.
    pub(super) fn count_send_buffer(&mut self, bytes: u32) {
        let bytes = i64::from(bytes);
        let before = std::mem::replace(&mut self.send_buffer_bytes, bytes);
        if bytes != before {
            self.metrics.send_buffer_bytes.inc_by(bytes - before);
        }
    }
}
