//! A connection: one client at one gateway over one transport.
//!
//! It has a socket, or between HTTP requests none; a write queue; and the state
//! of its transport. One without a socket may be carried by another connection.

pub mod io;
mod lifetime;
pub(crate) mod packed;
pub(crate) mod queue;
pub(crate) mod table;

use crate::gateway::admission::Permit;
use crate::gateway::connection::io::Io;
use crate::gateway::connection::queue::WriteQueue;
use crate::gateway::delivery::encoding::{Encoding, Encodings, Reader};
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::Transport;
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::session::clock::KernelTrip;
use turntable_core::session::deadline::Deadline;
use turntable_core::session::greeting::Greeting;

/// How far a connection is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Its client has not identified.
    Greeting(Greeting),
    /// Its client has claimed to be someone, which the portal checks.
    Checking(Box<Greeting>),
    /// Its client has; the avatar has not admitted this session yet.
    Identifying(SessionSlot),
    /// It carries this session.
    Attached(SessionSlot),
    /// It carries no session itself: other connections, or its own bytes.
    Carrier,
    /// It ends: nothing that comes in counts any more.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The socket, where it has one now.
    pub(crate) io: Option<Io>,
    /// Its place in the connection limits; a namespace has none of its own.
    pub(crate) permit: Option<Permit>,
    /// How far it is.
    pub(crate) phase: Phase,
    /// How its messages are written.
    pub(crate) encoding: Encoding,
    /// What waits to be written.
    pub(crate) queue: WriteQueue,
    /// Its transport.
    pub(crate) transport: Transport,
    /// Whether the socket has input that was not read.
    pub(crate) has_unread: bool,
    /// Whether the other end has sent its last byte, which the socket reports
    /// only once.
    pub(crate) is_read_closed: bool,
    /// Whether its socket is that of a trusted proxy, not of its client.
    pub(crate) is_proxied: bool,
    /// Claims of its client that were refused.
    pub(crate) attempts: u8,
    /// By when its client has to identify.
    pub(crate) deadline: Deadline,
    /// Reads since its last frame was queued and 1; 0: it does not close.
    closing_reads: u8,
}

/// Reads of a connection whose last frame is queued: enough to find the other end's
/// close frame behind what it sent before. One that sends on and on waits for its
/// timer unread, and costs nothing.
const CLOSING_READS_MAX: u8 = 16;

impl Connection {
    /// A connection whose client has not identified.
    pub(crate) fn new(io: Option<Io>, permit: Option<Permit>, transport: Transport) -> Self {
        Self {
            io,
            permit,
            phase: Phase::Greeting(Greeting::default()),
            encoding: Encoding::default(),
            queue: WriteQueue::default(),
            transport,
            has_unread: false,
            is_read_closed: false,
            is_proxied: false,
            attempts: 0,
            deadline: Deadline::default(),
            closing_reads: 0,
        }
    }

    /// The session that it carries.
    pub(crate) const fn session(&self) -> Option<SessionSlot> {
        match self.phase {
            Phase::Attached(session) => Some(session),
            _ => None,
        }
    }

    /// Whether its client has read an answer, and comes back for the next.
    pub(crate) fn awaits_attachment(&self) -> bool {
        self.io.is_none() && self.transport.is_attached_again()
    }

    /// Whether its client has not identified.
    pub(crate) const fn is_greeting(&self) -> bool {
        matches!(self.phase, Phase::Greeting(_))
    }

    /// Whether its client has made a claim that the portal or the avatar has not decided.
    pub(crate) const fn is_claimed(&self) -> bool {
        matches!(self.phase, Phase::Identifying(_) | Phase::Checking(_))
    }

    /// Whether what its client sends has to wait, whatever its session does.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_claimed() || self.transport.is_paused()
    }

    /// Whether its last frame is queued, or was written.
    pub(crate) const fn is_closing(&self) -> bool {
        self.closing_reads > 0
    }

    /// Counts a read. Returns whether there may be one.
    pub(crate) const fn may_read(&mut self) -> bool {
        if self.is_closing() {
            if self.closing_reads > CLOSING_READS_MAX {
                return false;
            }
            self.closing_reads += 1;
        }
        true
    }

    /// The kernel's round trip to its client; `None` without a socket, to a proxy, and
    /// where nothing was measured.
    pub(crate) fn kernel_round_trip(&self) -> Option<KernelTrip> {
        let io = self.io.as_ref().filter(|_| !self.is_proxied)?;
        let trip = io.round_trip().ok().filter(|trip| trip.min_rtt_us > 0)?;
        let (least_ms, smoothed_ms) = (trip.least_ms(), trip.smoothed_ms());
        Some(KernelTrip::smoothed(
            least_ms,
            smoothed_ms,
            trip.deviation_ms(),
        ))
    }

    /// Queues the last frame; nothing that comes in counts any more.
    pub(crate) fn begin_closing(&mut self, last: Frame) {
        self.phase = Phase::Closing;
        self.closing_reads = self.closing_reads.max(1);
        self.transport.drop_input();
        self.queue.push(last);
    }

    /// Whom its messages are written for.
    pub(crate) fn reader<'a>(
        &self,
        encodings: &'a Encodings,
        user: Option<&'a UserId>,
        now_ms: u64,
    ) -> Reader<'a> {
        Reader {
            encoding: self.encoding,
            encodings,
            name: self.transport.name(),
            user,
            mark: self.transport.mark(),
            now_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_is_small() {
        let bytes = size_of::<Connection>();
        assert!(bytes <= 144, "{bytes}");
    }
}
