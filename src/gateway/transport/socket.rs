//! Reading and writing a connection's socket: shared by the transports that have
//! one.

use std::io::ErrorKind;

use crate::gateway::connection::Connection;
use crate::gateway::transport::context::Cx;
use crate::gateway::work::Effect;

/// Reads of one connection in one turn; the rest follows behind the others.
const READS_MAX: usize = 4;

/// Reads a bounded amount from the socket and hands it to `take`, which returns
/// whether the connection may go on.
pub(crate) fn read(
    connection: &mut Connection,
    buffer: &mut [u8],
    cx: &mut Cx<'_>,
    take: fn(&mut Connection, &mut [u8], &mut Cx<'_>) -> bool,
) {
    for _ in 0..READS_MAX {
        if cx.is_paused(connection) || has_waiting(connection) {
            // Read when the pause ends, or behind what was read before: the socket reports input only once.
            connection.has_unread = true;
            return;
        }
        if !connection.may_read() {
            if connection.is_read_closed {
                cx.push_effect(Effect::Lose(cx.key));
            }
            return;
        }
        let Some(io) = &mut connection.io else {
            return;
        };
        let read = io.read(buffer);
        let has_unread = io.has_unread();
        let count = match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Ok(0) | Err(_) => return cx.push_effect(Effect::Lose(cx.key)),
            Ok(count) => count,
        };
        cx.counters.received_bytes += count as u64;
        cx.lists.was_read = true;
        let is_read_closed = connection.is_read_closed;
        if !take(connection, buffer.get_mut(..count).unwrap_or_default(), cx) {
            connection.has_unread = true;
            return;
        }
        // Read short of the buffer, the socket is empty and reports new input;
        // but its end was reported already.
        if count < buffer.len() && !is_read_closed && !has_unread {
            return;
        }
    }
    cx.mark_unread(connection);
}

/// Whether something that was read waits for its turn: what comes is behind it.
fn has_waiting(connection: &mut Connection) -> bool {
    let frames = connection.transport.frames_mut();
    frames.is_some_and(|frames| frames.has_waiting())
}

/// Reads on behind a pause.
pub(crate) fn read_on(connection: &mut Connection, cx: &mut Cx<'_>) {
    if std::mem::take(&mut connection.has_unread) {
        cx.mark_unread(connection);
    }
}

/// Writes what the socket takes of the connection's queue and of its session's
/// outbox. Returns whether nothing is left.
pub(crate) fn write(connection: &mut Connection, cx: &mut Cx<'_>) -> bool {
    let settings = &cx.settings.session;
    let is_closing = connection.is_closing();
    let (mut user, mut outbox) = (None, None);
    if let Some((_, entry)) = &mut cx.session {
        entry.is_dirty = false;
        user = Some(&entry.session.user);
        outbox = Some(&mut entry.session.outbox);
    }
    let reader = connection.reader(cx.encodings, user, cx.now_ms);
    let Some(io) = &mut connection.io else {
        return false;
    };
    let written = connection
        .queue
        .flush(io, outbox, settings.replay_bytes_max, &reader);
    let Ok(written) = written else {
        cx.push_effect(Effect::Lose(cx.key));
        return false;
    };
    cx.counters.sent_bytes += written.bytes as u64;
    cx.counters.writes += u64::from(written.calls);
    if let Some((_, entry)) = &mut cx.session {
        entry.is_blocked = !written.is_drained;
        if written.is_drained {
            entry.limit_waiting(settings.outbox_bytes_max);
        }
    }
    if written.is_drained && is_closing {
        // The other end sees the end behind the last frame, and answers or not.
        io.shutdown_write();
    }
    written.is_drained
}
