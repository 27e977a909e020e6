//! A session that reads its channels more slowly than others publish on them.
//!
//! Messages of channels have offsets and histories, so one may be left out and requested
//! later; those of rooms and answers may not. A client that reads on, only too slowly, has
//! messages of its channels left out from three quarters of its outbox on, and is not
//! closed. One that takes nothing gets all of them, until its outbox is full and it is closed
//! (4003): it may resume without a gap.
//!
//! What is below the paths that a client joined has no rate together, and it did not name it:
//! from half of the outbox on it is left out in any case.

use crate::gateway::delivery::frame::Frame;
use turntable_core::session::Session;

/// A client reads on that took this part of the outbox while more than half of it waited. It is
/// small, so that the client has time for it while a burst fills the outbox; a kernel that takes
/// it for a client that stopped only delays the close (`LEFT_OUT_MAX`).
const READ_SHARE: usize = 16;
/// So many outboxes of messages are left out without a sign that the client reads, at most.
const LEFT_OUT_MAX: usize = 4;

/// What is remembered of a session from the first time that it is behind until it has
/// nearly caught up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Messages that were written when its client read on for the last time.
    sent: u64,
    /// Whether it reads on: it took a [`READ_SHARE`]th of the outbox while more than half of it waited.
    reads_on: bool,
    /// Bytes that were left out since then.
    left_out_bytes: usize,
    /// Whether its client was sent that something was left out.
    is_notified: bool,
}

impl Behind {
    /// Of an outbox that was this full for the first time.
    pub(super) fn new(session: &Session<Frame>) -> Self {
        Self {
            sent: session.outbox.sent(),
            ..Self::default()
        }
    }

    /// Something is left out. Returns whether its client has to be sent that.
    pub(super) const fn notify(&mut self) -> bool {
        !std::mem::replace(&mut self.is_notified, true)
    }

    /// Its client asks again for what it missed: what is left out from now on is sent anew.
    pub(super) const fn ask_again(&mut self) {
        self.is_notified = false;
    }

    /// Whether a message of so many bytes, of a channel that its client named, is left out.
    pub(super) fn leaves_out(
        &mut self,
        session: &Session<Frame>,
        bytes: usize,
        max: usize,
    ) -> bool {
        let outbox = &session.outbox;
        let (sent, waiting) = (outbox.sent(), outbox.waiting_bytes());
        let messages = usize::try_from(sent.saturating_sub(self.sent)).unwrap_or(usize::MAX);
        let each = waiting / outbox.waiting_len().max(1);
        if messages.saturating_mul(each) >= max / READ_SHARE {
            *self = Self {
                sent,
                reads_on: true,
                left_out_bytes: 0,
                is_notified: self.is_notified,
            };
        }
        if !self.reads_on || waiting.saturating_add(bytes) <= max - max / 4 {
            return false;
        }
        self.left_out_bytes = self.left_out_bytes.saturating_add(bytes);
        self.reads_on = self.left_out_bytes <= max.saturating_mul(LEFT_OUT_MAX);
        self.reads_on
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::session::SessionEntry;
    use crate::gateway::testing::{Noted, crowd, entry, gateway};
    use turntable_core::packet::{ReplyData, ServerPacket};
    use turntable_core::payload::Payload;
    use turntable_core::session::life::Input;
    use turntable_core::session::settings::SessionSettings;

    const MAX: usize = 100_000;

    fn message() -> Frame {
        let text = format!("{:?}", "x".repeat(960));
        let reply = ReplyData::Value(Payload::from_json(text.as_str()));
        Frame::message(&ServerPacket::Reply(reply), None)
    }

    /// Publishes so many messages of about 1,000 bytes; returns how many were left out, and
    /// how often its client was notified.
    fn publish(entry: &mut SessionEntry, count: usize) -> (usize, usize) {
        let (mut left_out, mut notified) = (0, 0);
        for _ in 0..count {
            if entry.leaves_out(1_000) {
                left_out += 1;
                notified += usize::from(entry.leave_out());
            } else {
                entry.has_caught_up();
                entry.deliver(message(), &mut Vec::new());
            }
        }
        (left_out, notified)
    }

    fn with_session(check: impl FnOnce(&mut SessionEntry)) {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let session = crowd(&mut gateway, 1)[0];
        let entry = entry(&mut gateway, session);
        entry.limit_waiting(MAX);
        entry.is_blocked = true;
        check(entry);
    }

    #[test]
    fn client_that_reads_on_misses_messages_and_its_outbox_does_not_fill() {
        with_session(|entry| {
            let mut counts = (0, 0);
            for _ in 0..100 {
                // It gets 20 messages and reads 16.
                let (left_out, notified) = publish(entry, 20);
                counts = (counts.0 + left_out, counts.1 + notified);
                entry.session.outbox.written(16, 0);
            }
            assert!((300..500).contains(&counts.0), "{counts:?}");
            assert_eq!(counts.1, 1, "one for all that is left out");
            assert!(entry.session.outbox.waiting_bytes() <= MAX * 3 / 4);
            // It asks for what it missed, and misses more.
            entry.asks_again();
            assert_eq!(publish(entry, 40).1, 1);
            // It catches up.
            entry.session.outbox.written(100, 0);
            assert_eq!(publish(entry, 40), (0, 0));
            let extras = entry.extras.as_ref();
            assert!(extras.is_none_or(|extras| extras.behind.is_none()));
        });
    }

    #[test]
    fn client_that_reads_a_little_of_a_burst_is_spared() {
        with_session(|entry| {
            publish(entry, 60);
            // It takes 7 of the 40 that fill the rest of its outbox.
            entry.session.outbox.written(7, 0);
            let (left_out, _) = publish(entry, 33);
            assert!(left_out > 0);
            assert!(entry.session.outbox.waiting_bytes() <= MAX * 3 / 4);
        });
    }

    #[test]
    fn client_that_takes_nothing_is_not_spared() {
        with_session(|entry| {
            assert_eq!(publish(entry, 120), (0, 0));
            assert!(entry.session.outbox.waiting_bytes() > MAX);
        });
        with_session(|entry| {
            publish(entry, 60);
            entry.session.outbox.written(30, 0);
            publish(entry, 30);
            // It has read, and stops: what is left out for it has an end, too.
            let (left_out, notified) = publish(entry, 1_000);
            assert!((300..=400).contains(&left_out), "{left_out}");
            assert_eq!(notified, 1);
            assert!(entry.session.outbox.waiting_bytes() > MAX);
        });
    }

    #[test]
    fn session_without_a_connection_gets_all_that_it_may_resume_with() {
        with_session(|entry| {
            publish(entry, 60);
            entry.session.outbox.written(30, 0);
            let lost = Input::Lost(entry.session.connection().unwrap());
            entry.session.step(lost, 1, &SessionSettings::default());
            assert_eq!(publish(entry, 100), (0, 0));
        });
    }
}
