//! How much of an HTTP connection is read, and by when: pure, input and `now` in,
//! decisions out.
//!
//! The HTTP server decodes all requests that it has read, queues their answers
//! without a bound, and announces the end of the connection in the answer to one
//! request while it carries out the next. Therefore it gets the bytes of one request
//! at a time: its head, then its body; the next head when the answer was written. A
//! short body that came with its head is given with it. The input of the HTTP server
//! never gets near the size of its buffer, which would keep it awake.

use std::time::{Duration, Instant};

use crate::gateway::admission::IncompleteLimits;
use crate::http::head_end::{self, HeadEnd};

/// What is read of a body at a time, in bytes.
const CHUNK_BYTES: usize = 16_384;
/// What is read of a head, or of a body of unknown length, at a time, in bytes.
const STEP_BYTES: usize = 2_048;
/// So much of a body of unknown length may be read before it is known that the HTTP
/// server has used all it could, in bytes.
const UNCHECKED_BYTES_MAX: usize = 2_048;
/// The longest head of a request, in bytes; well below the 131,072 bytes of the HTTP
/// server's buffer.
pub const HEAD_BYTES_MAX: usize = 81_920;

/// The time limits of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// For the head of a request, from the accept or its first byte on.
    pub head: Duration,
    /// For the first byte of the next request, from the answer to the one before.
    pub keep_alive: Duration,
    /// For each 16,384 bytes of an answer that the client does not read: [`Unread`].
    ///
    /// [`Unread`]: crate::http::unread::Unread
    pub write: Duration,
    /// So many bytes may come for a body of unknown length, with all that chunks are
    /// made of, in bytes.
    pub chunked_bytes_max: usize,
    /// What may have come of heads that are not whole.
    pub incomplete: IncompleteLimits,
}

/// What a read may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Read at most so many bytes.
    Upto(usize),
    /// At most so many bytes of those that were read already.
    Buffered(usize),
    /// Not now; a later event lets it go on.
    Wait,
    /// Not before the HTTP server has looked once more at what it has.
    Again,
    /// The head of a request is too long.
    TooLong,
    /// A body of unknown length is.
    TooMuch,
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes of it are still to come.
    Left(usize),
    /// The client does not tell its length (chunks). What follows cannot be distinguished
    /// from it, so its request is the connection's last.
    Chunked,
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next request is awaited after another, since then.
    Idle(Instant),
    /// The first request is awaited, or a head comes, since then.
    Head(Instant),
    /// The HTTP server has the head, since then.
    Decoding(Instant),
    /// A handler has the request, or its answer is not written.
    Busy,
    /// A handler reads the body.
    Body,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Flow {
    phase: Phase,
    head_end: HeadEnd,
    /// The body of the last request.
    body: Body,
    /// Whether the connection ends with the answer to the last request.
    is_last: bool,
    /// Bytes of the head so far, in bytes.
    head_bytes: usize,
    /// Length of the body that was given with its head, in bytes.
    ahead_bytes: usize,
    /// Bytes that came for a body of unknown length.
    chunked_bytes: usize,
    /// Bytes that came since the HTTP server was known to have used all it could.
    unchecked_bytes: usize,
    /// Whether the HTTP server was woken to look again, and nothing was read since.
    is_checked: bool,
    /// Whether the socket takes nothing.
    is_blocked: bool,
    /// Whether the answer to the last request is not written.
    is_unwritten: bool,
}

impl Flow {
    /// A connection that was accepted now: its first head has a time limit from here
    /// on, not from its first byte.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Head(now),
            head_end: HeadEnd::default(),
            body: Body::Left(0),
            is_last: false,
            head_bytes: 0,
            ahead_bytes: 0,
            chunked_bytes: 0,
            unchecked_bytes: 0,
            is_checked: false,
            is_blocked: false,
            is_unwritten: false,
        }
    }

    /// Whether the next read may be done.
    pub fn read(&mut self, limits: &FlowLimits) -> Read {
        if self.is_blocked {
            return Read::Wait;
        }
        if self.chunked_bytes > limits.chunked_bytes_max {
            return Read::TooMuch;
        }
        match (self.phase, self.body) {
            (Phase::Decoding(_), _) | (Phase::Busy | Phase::Body, Body::Left(0)) => Read::Wait,
            // What came with the head costs nothing more, and without it a handler
            // that wants no body would end the connection.
            (Phase::Busy, Body::Left(left)) if !self.is_unwritten => Read::Buffered(left),
            (Phase::Busy, _) => Read::Wait,
            (Phase::Body, Body::Left(left)) => Read::Upto(left.min(CHUNK_BYTES)),
            (Phase::Idle(_) | Phase::Head(_), Body::Left(0)) => {
                match HEAD_BYTES_MAX.saturating_sub(self.head_bytes) {
                    0 => Read::TooLong,
                    left => Read::Upto(left.min(STEP_BYTES)),
                }
            }
            // The HTTP server discards the rest of a body that nobody has read.
            (Phase::Idle(_) | Phase::Head(_), _) => Read::Upto(CHUNK_BYTES),
            (Phase::Body, Body::Chunked) => {
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
        }
    }

    /// These bytes came. Returns how many of them belong to the request at hand; the
    /// others are buffered.
    pub fn came(&mut self, bytes: &[u8], now: Instant) -> usize {
        match (self.phase, &mut self.body) {
            (Phase::Idle(_) | Phase::Head(_), Body::Left(0)) => {
                let since = match self.phase {
                    Phase::Head(since) => since,
                    _ => now,
                };
                let end = self.head_end.find(bytes);
                self.phase = match end {
                    Some(_) => Phase::Decoding(since),
                    None => Phase::Head(since),
                };
                let taken = end.unwrap_or(bytes.len());
                let is_whole = self.head_bytes == 0;
                self.head_bytes += taken;
                let (head, rest) = bytes.split_at(taken);
                // The HTTP server looks at its input once more for a body that comes
                // later.
                self.ahead_bytes = match end {
                    Some(_) if is_whole => head_end::length_of_post(head)
                        .filter(|length| *length <= rest.len())
                        .unwrap_or(0),
                    _ => 0,
                };
                taken + self.ahead_bytes
            }
            (_, Body::Left(left)) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                taken
            }
            (_, Body::Chunked) => {
                self.chunked_bytes += bytes.len();
                self.unchecked_bytes += bytes.len();
                bytes.len()
            }
        }
    }

    /// Whether the body of the request at hand came as a whole, with its head.
    pub const fn has_body(&self) -> bool {
        matches!(self.body, Body::Left(0))
    }

    /// How much came of a head whose rest is awaited, in bytes; 0 where none is.
    pub const fn incomplete_bytes(&self) -> usize {
        match self.phase {
            Phase::Head(_) => self.head_bytes,
            _ => 0,
        }
    }

    /// Whether a part of a head came, and the rest is awaited.
    pub const fn is_in_head(&self) -> bool {
        self.incomplete_bytes() > 0
    }

    /// Whether no request is carried out, and none is answered.
    pub const fn is_between_requests(&self) -> bool {
        !matches!(self.phase, Phase::Busy | Phase::Body) && !self.is_unwritten
    }

    /// A handler gets a request with this body. Returns whether the connection may have
    /// another request at all.
    pub fn begin(&mut self, body: Body) -> bool {
        if self.is_last {
            return false;
        }
        let body = match (std::mem::take(&mut self.ahead_bytes), body) {
            (0, body) => body,
            (ahead, Body::Left(length)) if ahead == length => Body::Left(0),
            // The HTTP server reads another length from the head than was read here:
            // what it has may be the beginning of something else.
            _ => {
                self.is_last = true;
                return false;
            }
        };
        self.phase = Phase::Busy;
        self.head_bytes = 0;
        self.unchecked_bytes = 0;
        self.is_checked = false;
        self.body = body;
        self.is_last = body == Body::Chunked;
        true
    }

    /// Whether the connection ends with the answer to the request at hand.
    pub const fn is_last(&self) -> bool {
        self.is_last
    }

    /// The handler reads the body from now on.
    pub const fn read_body(&mut self) {
        self.phase = Phase::Body;
    }

    /// The handler has stopped reading the body, at its end or not.
    pub const fn stop_body(&mut self) {
        self.phase = Phase::Busy;
    }

    /// The handler has answered. The HTTP server ends the connection where a part of
    /// the body is missing.
    pub fn answered(&mut self) {
        self.phase = Phase::Busy;
        self.is_unwritten = true;
        self.is_last |= self.body != Body::Left(0);
    }

    /// Everything that was answered is written. Returns whether that lets reading
    /// or the next request go on.
    pub const fn flushed(&mut self, now: Instant) -> bool {
        self.is_blocked = false;
        if !self.is_unwritten {
            return false;
        }
        self.is_unwritten = false;
        // The rest of a body that nobody has read is awaited no longer than a head.
        self.phase = match self.body {
            Body::Left(0) => Phase::Idle(now),
            _ => Phase::Head(now),
        };
        true
    }

    /// Whether the socket takes nothing.
    pub const fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// The socket took so many bytes; 0 where it takes none. Returns whether it
    /// takes bytes again.
    pub const fn wrote(&mut self, bytes: usize) -> bool {
        self.is_blocked |= bytes == 0;
        self.is_blocked && bytes > 0
    }

    /// When the connection has taken too long. What its client does not read has a time
    /// limit of its own.
    pub fn deadline(&self, limits: &FlowLimits) -> Option<Instant> {
        if self.is_blocked {
            return None;
        }
        match self.phase {
            Phase::Idle(since) => Some(since + limits.keep_alive),
            Phase::Head(since) | Phase::Decoding(since) => Some(since + limits.head),
            Phase::Busy | Phase::Body => None,
        }
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
