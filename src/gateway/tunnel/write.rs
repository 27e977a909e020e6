//! What a tunnel's socket gets: header, datagrams, keepalives and footer, each
//! in its turn.

use super::Stage;
use crate::clock;
use crate::gateway::door::{DoorKind, DoorLine};
use crate::gateway::frame::Frame;
use crate::gateway::slots::Key;
use crate::gateway::{Gateway, Timer};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_wire::tunnel_format::{Format, Opening};

/// A tunnel that took nothing for so many keepalives is dead.
const BLOCKED_MAX: u8 = 2;

/// Bytes that a tunnel's client may send on its socket, for nothing.
const UNASKED_BYTES_MAX: usize = 262_144;

impl Gateway {
    /// Answers the request that would have become a tunnel with an error, while
    /// nothing was written. Returns whether it did.
    pub(in crate::gateway) fn refuse_opening(&mut self, slot: u32, error: &ErrorBody) -> bool {
        if self.refuse_namespace(slot, error) {
            return true;
        }
        let Some(tunnel) = self.tunnel(slot) else {
            return false;
        };
        if tunnel.stage != Stage::Waiting {
            return false;
        }
        let answer = (tunnel.refusal.write)(error, &tunnel.refusal.headers);
        tunnel.stage = Stage::Ending;
        self.context.metrics.error(error.code);
        if let Some(connection) = self.connections.at_mut(slot) {
            connection.take_direct();
        }
        self.finish(slot, Frame::raw(&answer), CloseReason::Bye);
        true
    }

    /// Closes a tunnel with its footer.
    pub(in crate::gateway) fn close_tunnel(&mut self, slot: u32, reason: CloseReason) {
        if self
            .connections
            .at(slot)
            .is_some_and(|line| line.stream.is_none())
        {
            self.context.metrics.close(reason);
            return self.lose(slot);
        }
        let error = ErrorBody::new(ErrorCode::Unavailable, reason.name());
        if self.refuse_opening(slot, &error) {
            return;
        }
        let mut last = Vec::new();
        self.write_edge(slot, &mut last, Some(reason));
        self.finish(slot, Frame::raw(&last), reason);
    }

    /// Writes what stands between the last datagram and the end: the header,
    /// where it was not written, and the footer.
    pub(super) fn write_edge(&mut self, slot: u32, out: &mut Vec<u8>, end: Option<CloseReason>) {
        let Some(DoorLine {
            id,
            kind: DoorKind::Tunnel(tunnel),
            ..
        }) = self
            .connections
            .at_mut(slot)
            .and_then(|line| line.door.as_deref_mut())
        else {
            return;
        };
        let Some(format) = self.context.dialects.format(tunnel.format) else {
            return;
        };
        if tunnel.stage == Stage::Ready {
            out.extend_from_slice(&std::mem::take(&mut tunnel.opening));
            tunnel.stage = Stage::Open;
        }
        if tunnel.stage != Stage::Open {
            return;
        }
        let opening = Opening {
            tunnel: &id.secret(),
            now_ms: clock::now_ms(),
            callback: tunnel.callback.as_deref(),
            code: end.map_or(0, CloseReason::code),
        };
        if let Some(reason) = end {
            tunnel.stage = Stage::Ending;
            if format.is_once() && reason != CloseReason::Bye {
                format.closing(&opening, out);
            }
            format.footer(&opening, out);
        } else {
            format.keepalive(&opening, out);
        }
    }

    /// A tunnel was quiet for a while, or has waited long enough for a batch.
    pub(in crate::gateway) fn tunnel_is_due(&mut self, key: Key) {
        let slot = key.slot;
        let Some(line) = self.live(key) else {
            return;
        };
        if line.is_closing() || line.stream.is_none() {
            return;
        }
        let is_blocked = line.is_blocked;
        let is_once = self.tunnel_format(slot).is_some_and(Format::is_once);
        let Some(tunnel) = self.tunnel(slot) else {
            return;
        };
        tunnel.blocked = if is_blocked { tunnel.blocked + 1 } else { 0 };
        if tunnel.blocked >= BLOCKED_MAX {
            log::debug!("a tunnel takes nothing any more");
            self.context.metrics.close(CloseReason::HeartbeatMissed);
            return self.lose(slot);
        }
        let is_quiet = std::mem::replace(&mut tunnel.is_quiet, true);
        let stage = tunnel.stage;
        if is_once && stage == Stage::Open {
            let mut last = Vec::new();
            self.write_edge(slot, &mut last, Some(CloseReason::Bye));
            self.push_direct(slot, Frame::raw(&last));
        } else if !is_once && stage == Stage::Open && is_quiet && !is_blocked {
            let mut keepalive = Vec::new();
            self.write_edge(slot, &mut keepalive, None);
            self.push_direct(slot, Frame::raw(&keepalive));
        }
        self.look_after_tunnel(slot);
    }

    /// Writes to a tunnel: the header in front of the first datagram, and the
    /// footer behind the first batch, where the format ends with it.
    pub(in crate::gateway) fn flush_tunnel(&mut self, slot: u32) {
        let is_once = self.tunnel_format(slot).is_some_and(Format::is_once);
        let Some(line) = self.connections.at_mut(slot) else {
            return;
        };
        let (has_direct, is_closing) = (line.has_direct(), line.is_closing());
        let session = line.session();
        if line.stream.is_none() {
            // Changes of presence merge until the client comes back.
            if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
                held.is_blocked = true;
                held.is_dirty = false;
            }
            return;
        }
        let has_output = has_direct
            || session
                .and_then(|session| self.sessions.at(session))
                .is_some_and(|held| !held.outbox.is_drained());
        let Some(tunnel) = self.tunnel(slot) else {
            return;
        };
        match tunnel.stage {
            Stage::Waiting => return,
            // The header goes out at once, so that the client knows it is in.
            Stage::Ready => {
                tunnel.stage = Stage::Open;
                let opening = std::mem::take(&mut tunnel.opening);
                if let Some(line) = self.connections.at_mut(slot) {
                    line.push_front(Frame::raw(&opening));
                }
            }
            Stage::Open | Stage::Ending => {}
        }
        if let Some(tunnel) = self.tunnel(slot) {
            tunnel.is_quiet = false;
        }
        let mut is_drained = self.flush_socket(slot);
        let stage = self.tunnel(slot).map(|tunnel| tunnel.stage);
        if !is_once || is_closing || !is_drained || (!has_output && stage == Some(Stage::Open)) {
            return;
        }
        if stage == Some(Stage::Open) {
            let mut last = Vec::new();
            self.write_edge(slot, &mut last, Some(CloseReason::Bye));
            self.push_direct(slot, Frame::raw(&last));
            is_drained = self.flush_socket(slot);
        }
        if is_drained {
            self.end_batch(slot);
        }
    }

    /// The answer is whole; the line waits for the next request.
    fn end_batch(&mut self, slot: u32) {
        if let Some(stream) = self.drop_stream(slot) {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        if let Some(key) = self.connections.key(slot) {
            let at_ms = clock::now_ms() + self.settings().tunnel.gap_ms;
            self.wheel.set(at_ms, Timer::Gap(key));
        }
    }

    /// Reads what a tunnel's client has no reason to send, to see it go. One
    /// that sends without end would never let others have their turn.
    pub(in crate::gateway) fn read_door(&mut self, slot: u32, buffer: &mut [u8]) {
        while let Some(line) = self.connections.at_mut(slot) {
            let count = match line.read(buffer) {
                Ok(None) => return,
                Ok(Some(count @ 1..)) => count,
                Ok(Some(_)) | Err(_) => return self.lose(slot),
            };
            self.tally.received_bytes += count as u64;
            if let Some(tunnel) = self.tunnel(slot) {
                tunnel.unasked_bytes += count;
                if tunnel.unasked_bytes > UNASKED_BYTES_MAX {
                    log::debug!("a tunnel's client sends where nothing is read");
                    return self.lose(slot);
                }
            }
        }
    }
}
