//! How much of an HTTP connection is read, and by when: pure, input and `now` in,
//! decisions out.
//!
//! The HTTP server decodes all requests that it has read, queues their answers
//! without a bound, and wakes itself as long as its input buffer is full. Therefore
//! little is read at a time between requests, requests are carried out one at a time,
//! each when the answer to the one before was written, and its input never gets near
//! the size of that buffer.

use std::time::{Duration, Instant};

/// What is read of a body at a time, in bytes.
const CHUNK_BYTES: usize = 16_384;
/// What is read between requests at a time, in bytes: short requests that came
/// together are decoded and queued together.
const STEP_BYTES: usize = 2_048;
/// So much may be read between requests before it is known that the HTTP server
/// has used all it could, in bytes.
const UNCHECKED_BYTES_MAX: usize = 2_048;
/// The longest head of a request, in bytes; well below the 131,072 bytes of the HTTP
/// server's buffer.
pub const HEAD_BYTES_MAX: usize = 81_920;
/// So many bytes have to be accepted by a blocked socket within the time limit.
const PROGRESS_BYTES: usize = 16_384;

/// The time limits of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// For the head of a request, from the answer to the one before.
    pub head: Duration,
    /// For each 16,384 bytes of an answer that the client does not read.
    pub write: Duration,
}

/// What a read may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Read at most so many bytes.
    Upto(usize),
    /// Not now; a later event lets it go on.
    Wait,
    /// Not before the HTTP server has looked once more at what it has.
    Again,
    /// The head of a request is too long.
    TooLong,
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next request is awaited, or its head comes, since then.
    Head(Instant),
    /// A handler has the request, or its answer is not written.
    Busy,
    /// A handler reads the body, of which so much has to come; `None` where the client
    /// does not tell (chunks).
    Body(Option<usize>),
}

/// The state of one connection.
#[derive(Debug)]
pub struct Flow {
    phase: Phase,
    /// Bytes that came since the last request began, in bytes.
    head_bytes: usize,
    /// Bytes that came since the HTTP server was known to have used all it could.
    unchecked_bytes: usize,
    /// Whether the HTTP server was told to look again, and no request began since.
    is_checked: bool,
    /// Since when the socket takes nothing, and how much it has taken since.
    blocked: Option<(Instant, usize)>,
    /// Whether the answer to the last request is not written.
    is_unwritten: bool,
    /// Whether the last request has a body that nobody has read to its end: what
    /// comes is the rest of it, which the HTTP server discards.
    has_unread_body: bool,
}

impl Flow {
    /// A connection that was accepted now: its first head has a time limit from here
    /// on, not from its first byte.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Head(now),
            head_bytes: 0,
            unchecked_bytes: 0,
            is_checked: false,
            blocked: None,
            is_unwritten: false,
            has_unread_body: false,
        }
    }

    /// Whether the next read may be done.
    pub fn read(&mut self) -> Read {
        if self.blocked.is_some() {
            return Read::Wait;
        }
        match self.phase {
            Phase::Busy => return Read::Wait,
            Phase::Body(Some(0)) => return Read::Wait,
            // The handler takes it out as it comes. Never less than a step: a read that
            // fills its buffer does not tell that the socket is empty.
            Phase::Body(Some(left)) => return Read::Upto(left.clamp(STEP_BYTES, CHUNK_BYTES)),
            Phase::Head(_) if self.has_unread_body => return Read::Upto(CHUNK_BYTES),
            Phase::Body(None) | Phase::Head(_) => {}
        }
        if self.head_bytes > HEAD_BYTES_MAX {
            return Read::TooLong;
        }
        if self.unchecked_bytes > UNCHECKED_BYTES_MAX {
            if !self.is_checked {
                self.is_checked = true;
                return Read::Again;
            }
            self.unchecked_bytes = 0;
        }
        self.is_checked = false;
        Read::Upto(STEP_BYTES)
    }

    /// So many bytes came.
    pub fn came(&mut self, bytes: usize) {
        match &mut self.phase {
            Phase::Body(Some(left)) => *left = left.saturating_sub(bytes),
            Phase::Body(None) => self.unchecked_bytes += bytes,
            Phase::Head(_) if self.has_unread_body => {}
            Phase::Head(_) | Phase::Busy => {
                self.head_bytes += bytes;
                self.unchecked_bytes += bytes;
            }
        }
    }

    /// Whether a part of a head came, and the rest is awaited.
    pub const fn is_in_head(&self) -> bool {
        matches!(self.phase, Phase::Head(_)) && self.head_bytes > 0
    }

    /// Whether no request is carried out, and none is answered.
    pub const fn is_between_requests(&self) -> bool {
        matches!(self.phase, Phase::Head(_)) && !self.is_unwritten
    }

    /// Whether the next request may begin: the answer to the one before was
    /// written.
    pub const fn may_begin(&self) -> bool {
        !self.is_unwritten
    }

    /// A handler gets a request, which may have a body.
    pub const fn begin(&mut self, has_body: bool) {
        self.phase = Phase::Busy;
        self.head_bytes = 0;
        self.is_checked = false;
        self.has_unread_body = has_body;
    }

    /// The handler reads the body, of which so many bytes come at the most; `None`
    /// where the client does not tell.
    pub const fn read_body(&mut self, length: Option<usize>) {
        self.phase = Phase::Body(length);
    }

    /// The handler has stopped reading the body, at its end or not.
    pub const fn stop_body(&mut self, is_whole: bool) {
        self.phase = Phase::Busy;
        self.has_unread_body = !is_whole;
    }

    /// The handler has answered.
    pub const fn answered(&mut self) {
        self.phase = Phase::Busy;
        self.is_unwritten = true;
    }

    /// Everything that was answered is written. Returns whether that lets reading
    /// or the next request go on.
    pub const fn flushed(&mut self, now: Instant) -> bool {
        self.blocked = None;
        if !self.is_unwritten {
            return false;
        }
        self.is_unwritten = false;
        self.phase = Phase::Head(now);
        true
    }

    /// The socket took so many bytes; 0 where it takes none. Returns whether it
    /// takes bytes again.
    pub fn wrote(&mut self, bytes: usize, now: Instant) -> bool {
        match &mut self.blocked {
            None if bytes == 0 => {
                self.blocked = Some((now, 0));
                false
            }
            None => false,
            Some((since, taken)) => {
                *taken += bytes;
                if *taken >= PROGRESS_BYTES {
                    (*since, *taken) = (now, 0);
                }
                bytes > 0
            }
        }
    }

    /// When the connection has taken too long.
    pub fn deadline(&self, limits: &FlowLimits) -> Option<Instant> {
        if let Some((since, _)) = self.blocked {
            return Some(since + limits.write);
        }
        match self.phase {
            Phase::Head(since) => Some(since + limits.head),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FlowLimits = FlowLimits {
        head: Duration::from_secs(10),
        write: Duration::from_secs(30),
    };

    #[test]
    fn head_has_a_time_limit_on_a_kept_connection_too() {
        let now = Instant::now();
        let mut flow = Flow::new(now);
        assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
        for _ in 0..2 {
            flow.came(1);
            flow.came(1);
            assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
            flow.begin(false);
            assert_eq!(flow.deadline(&LIMITS), None);
            flow.answered();
            assert!(flow.flushed(now));
        }
    }

    #[test]
    fn nothing_is_read_while_a_request_is_carried_out_but_its_body() {
        let now = Instant::now();
        let mut flow = Flow::new(now);
        assert_eq!(flow.read(), Read::Upto(STEP_BYTES));
        flow.came(100);
        flow.begin(true);
        assert_eq!(flow.read(), Read::Wait);
        flow.read_body(Some(20_000));
        assert_eq!(flow.read(), Read::Upto(CHUNK_BYTES));
        flow.came(CHUNK_BYTES);
        assert_eq!(flow.read(), Read::Upto(20_000 - CHUNK_BYTES));
        flow.came(20_000 - CHUNK_BYTES);
        assert_eq!(flow.read(), Read::Wait, "what follows is another request");
        flow.stop_body(true);
        assert_eq!(flow.read(), Read::Wait);
        flow.answered();
        assert!(!flow.may_begin());
        assert_eq!(flow.read(), Read::Wait);
        assert!(flow.flushed(now) && flow.may_begin());
        assert_eq!(flow.read(), Read::Upto(STEP_BYTES));
    }

    #[test]
    fn blocked_socket_has_a_time_limit_and_stops_reading() {
        let now = Instant::now();
        let mut flow = Flow::new(now);
        assert!(!flow.wrote(10, now));
        assert!(!flow.wrote(0, now));
        assert_eq!(flow.read(), Read::Wait);
        assert!(flow.wrote(PROGRESS_BYTES - 1, now + LIMITS.write / 2));
        assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.write));
        flow.wrote(1, now + LIMITS.write / 2);
        assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.write * 3 / 2));
        flow.flushed(now);
        assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
        assert_eq!(flow.read(), Read::Upto(STEP_BYTES));
    }

    /// Whatever a client sends, what waits in the HTTP server stays below its
    /// buffer, and an incomplete head is refused.
    #[test]
    fn input_that_waits_is_bounded() {
        let now = Instant::now();
        // Lengths of requests, of which the last never ends.
        for length in [18, 300, 9_000, 40_000, usize::MAX] {
            let mut flow = Flow::new(now);
            let mut waiting = 0_usize;
            for _ in 0..10_000 {
                match flow.read() {
                    Read::Upto(bytes) => {
                        waiting += bytes;
                        flow.came(bytes);
                    }
                    Read::TooLong => break,
                    Read::Wait | Read::Again => {}
                }
                assert!(waiting < 131_072, "{length}: {waiting}");
                // The HTTP server begins one request, which is answered at once.
                if waiting >= length {
                    waiting -= length;
                    flow.begin(false);
                    flow.answered();
                    flow.flushed(now);
                }
            }
            if length == usize::MAX {
                assert_eq!(flow.read(), Read::TooLong);
            }
        }
    }

    #[test]
    fn unread_body_is_discarded_and_no_head() {
        let now = Instant::now();
        let mut flow = Flow::new(now);
        flow.begin(true);
        flow.answered();
        flow.flushed(now);
        for _ in 0..100 {
            assert_eq!(flow.read(), Read::Upto(CHUNK_BYTES));
            flow.came(CHUNK_BYTES);
        }
        assert_eq!(flow.deadline(&LIMITS), Some(now + LIMITS.head));
        assert!(!flow.is_in_head());
    }
}
