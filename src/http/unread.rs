//! What the client of an HTTP connection has not received of its answers.
//!
//! The kernel takes an answer long before its client reads it, so what the socket takes
//! says little. The connection looks at what the client has acknowledged, a second
//! after it wrote something and as long as some of it is missing: a connection that
//! writes nothing is never looked at.

use std::time::{Duration, Instant};

/// So many bytes have to be acknowledged within the time limit, or all there are.
const PROGRESS_BYTES: u64 = 16_384;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What one connection has written, and what its client has to receive of it.
#[derive(Debug, Default)]
pub struct Unread {
    /// Bytes that the socket took, since it was accepted.
    written: u64,
    /// What is missing; nothing where all was acknowledged at the last look.
    missing: Option<Missing>,
}

#[derive(Debug)]
struct Missing {
    /// The time limit begins here.
    since: Instant,
    /// So much has to be acknowledged within it.
    due: u64,
    /// What was acknowledged at the last look.
    acknowledged: u64,
    look_at: Instant,
}

/// What a look finds.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Bytes that the client has not acknowledged.
    pub unacknowledged: usize,
    /// Whether the socket takes nothing now.
    pub is_blocked: bool,
    /// Whether others need the memory.
    pub is_memory_short: bool,
}

impl Unread {
    /// The socket took so many bytes; 0 where it takes none.
    pub fn wrote(&mut self, bytes: usize, limit: Duration, now: Instant) {
        let acknowledged = self.written;
        self.written += bytes as u64;
        let most = match bytes {
            0 => u64::MAX,
            _ => self.written,
        };
        self.missing.get_or_insert_with(|| Missing {
            since: now,
            due: most.min(acknowledged + PROGRESS_BYTES),
            acknowledged,
            look_at: now + LOOK.min(limit),
        });
    }

    /// The socket took so many bytes of what was written before, as TLS has them.
    pub const fn also_wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// When to look.
    #[must_use]
    pub fn look_at(&self) -> Option<Instant> {
        self.missing.as_ref().map(|missing| missing.look_at)
    }

    /// Whether all was acknowledged that was written.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.missing.is_none()
    }

    /// Looks at what the client has acknowledged. Returns whether it took too long.
    pub fn look(&mut self, found: Found, limit: Duration, now: Instant) -> bool {
        let Some(missing) = &mut self.missing else {
            return false;
        };
        if found.unacknowledged == 0 && !found.is_blocked {
            self.missing = None;
            return false;
        }
        let acknowledged = self.written.saturating_sub(found.unacknowledged as u64);
        let most = match found.is_blocked {
            true => u64::MAX,
            false => self.written,
        };
        let before = std::mem::replace(&mut missing.acknowledged, acknowledged);
        if acknowledged >= missing.due.min(most) {
            missing.since = now;
            missing.due = most.min(acknowledged + PROGRESS_BYTES);
        } else if now >= missing.since + limit {
            return true;
        }
        missing.look_at = (now + LOOK).min(missing.since + limit);
        // What many clients do not read would cost others their sessions.
        let is_much = found.unacknowledged as u64 > PROGRESS_BYTES;
        found.is_memory_short && is_much && acknowledged <= before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A client has not acknowledged so many bytes.
    fn look(unread: &mut Unread, unacknowledged: usize, now: Instant) -> bool {
        let found = Found {
            unacknowledged,
            is_blocked: false,
            is_memory_short: false,
        };
        unread.look(found, LIMIT, now)
    }

    fn blocked(unread: &mut Unread, unacknowledged: usize, now: Instant) -> bool {
        let found = Found {
            unacknowledged,
            is_blocked: true,
            is_memory_short: false,
        };
        unread.look(found, LIMIT, now)
    }

    #[test]
    fn what_was_acknowledged_is_not_looked_at_again() {
        let (mut unread, now) = (Unread::default(), Instant::now());
        assert_eq!(unread.look_at(), None);
        unread.wrote(100, LIMIT, now);
        assert_eq!(unread.look_at(), Some(now + LOOK));
        // Another answer sets no other time.
        unread.wrote(100, LIMIT, now + LOOK / 2);
        assert_eq!(unread.look_at(), Some(now + LOOK));
        assert!(!look(&mut unread, 0, now + LOOK));
        assert_eq!(unread.look_at(), None);
    }

    #[test]
    fn client_that_acknowledges_nothing_is_late_although_the_socket_takes_all() {
        let (mut unread, now) = (Unread::default(), Instant::now());
        unread.wrote(100_000, LIMIT, now);
        for second in 1..20 {
            assert!(!look(&mut unread, 100_000, now + LOOK * second));
        }
        assert_eq!(unread.look_at(), Some(now + LIMIT));
        assert!(look(&mut unread, 100_000, now + LIMIT));
    }

    #[test]
    fn client_that_reads_slowly_has_the_time_for_each_part() {
        let (mut unread, now) = (Unread::default(), Instant::now());
        unread.wrote(100_000, LIMIT, now);
        let mut left = 100_000;
        for part in 1..=6 {
            left -= 16_384;
            assert!(!look(&mut unread, left + 1, now + LIMIT * part - LOOK));
            assert!(!look(&mut unread, left, now + LIMIT * part));
        }
        // The last part is shorter than the others.
        assert_eq!(left, 1_696);
        assert!(!look(&mut unread, left, now + LIMIT * 7 - LOOK));
        assert!(look(&mut unread, 1, now + LIMIT * 7));
    }

    #[test]
    fn client_with_small_answers_is_not_late_however_often_one_is_on_its_way() {
        let (mut unread, now) = (Unread::default(), Instant::now());
        for second in 0..60 {
            let now = now + LOOK * second;
            unread.wrote(500, LIMIT, now);
            assert!(!look(&mut unread, 500, now), "{second}");
        }
    }

    #[test]
    fn blocked_socket_needs_the_time_for_each_part_of_what_it_takes() {
        let (mut unread, now) = (Unread::default(), Instant::now());
        unread.wrote(100, LIMIT, now);
        assert!(!blocked(&mut unread, 0, now + LOOK));
        assert!(!blocked(&mut unread, 0, now + LOOK * 2));
        assert!(blocked(&mut unread, 0, now + LOOK + LIMIT));
        // What was due while it was blocked is more than there is now.
        let mut unread = Unread::default();
        unread.wrote(0, LIMIT, now);
        unread.wrote(100, LIMIT, now);
        assert!(!look(&mut unread, 0, now + LIMIT));
        assert_eq!(unread.look_at(), None);
    }

    #[test]
    fn much_that_is_not_read_at_all_goes_while_memory_is_short() {
        let now = Instant::now();
        let short = |unacknowledged| Found {
            unacknowledged,
            is_blocked: false,
            is_memory_short: true,
        };
        let written = || {
            let mut unread = Unread::default();
            unread.wrote(50_000, LIMIT, now);
            unread
        };
        let at = now + LOOK;
        assert!(written().look(short(50_000), LIMIT, at));
        let mut unread = written();
        assert!(!unread.look(short(40_000), LIMIT, at), "it reads");
        assert!(unread.look(short(40_000), LIMIT, at + LOOK));
        let mut unread = written();
        assert!(!unread.look(short(16_384), LIMIT, at), "it reads");
        assert!(
            !unread.look(short(16_384), LIMIT, at + LOOK),
            "it is little"
        );
    }
}
