//! From the outboxes of namespaces to the queue of the session that carries them,
//! and from there to a WebSocket or to the request that waits.

use super::{Engine, packet};
use crate::gateway::connection::Connection;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::notice::Notice;
use crate::gateway::transport::socket;
use crate::gateway::work::Effect;

/// How many packets one answer to a poll has. python-engineio closes the
/// connection at the seventeenth; the rest goes with the next answer.
const POLLED_PACKETS_MAX: usize = 16;

/// Writes what a session has.
pub(super) fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
    if connection.io.is_some() {
        socket::write(connection, cx);
    } else {
        answer_poll(connection, cx);
    }
    wake_namespaces(connection, cx);
}

/// Gives the request that waits what there is.
fn answer_poll(connection: &mut Connection, cx: &mut Cx<'_>) {
    if !connection.queue.has_direct() {
        return;
    }
    let is_closing = connection.is_closing();
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    let Some(respond) = engine.parked.take() else {
        return;
    };
    engine.polled_ms = cx.now_ms;
    let reader = connection.reader(cx.encodings, None, cx.now_ms);
    let mut payload = String::new();
    let mut frames = connection.queue.take_direct();
    let mut room = match is_closing {
        // There is no next answer.
        true => usize::MAX,
        false => POLLED_PACKETS_MAX,
    };
    while room > 0
        && let Some(frame) = frames.pop_front()
    {
        let left = packet::append_frames(frame.bytes(&reader), &mut room, &mut payload);
        if !left.is_empty() {
            connection.queue.push(Frame::raw(left));
        }
    }
    for frame in frames {
        connection.queue.push(frame);
    }
    cx.counters.sent_bytes += payload.len() as u64;
    cx.counters.writes += 1;
    let is_taken = respond.send(Ok(payload)).is_ok();
    if is_closing || !is_taken {
        cx.push_effect(Effect::Lose(cx.key));
    }
}

/// Lets namespaces go on that waited for room in the queue.
fn wake_namespaces(connection: &mut Connection, cx: &mut Cx<'_>) {
    if connection.queue.bytes() >= cx.settings.transport.socketio.queue_bytes_max {
        return;
    }
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    if std::mem::take(&mut engine.has_blocked) {
        for carried in &engine.namespaces {
            cx.push_effect(Effect::Notice(carried.connection, Notice::Room));
        }
    }
}
