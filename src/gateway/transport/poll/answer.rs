//! What a request of a poll is answered with.

use crate::gateway::connection::Connection;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::ended::End;
use crate::gateway::session::memory::RequestAnswer;
use crate::gateway::transport::Transport;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::poll::request::close_entry;
use turntable_core::packet::ServerPacket;
use turntable_wire::{json_v1, remote_call};

/// So many bytes a numbered answer has at the most, and the message that passes
/// them: it is retained for a repeat.
const NUMBERED_BYTES: usize = 32_768;

impl RequestAnswer {
    /// To a client whose session was ended: the error, where there is one, and the close.
    pub(crate) fn of_end(end: End) -> Self {
        let mut body = vec![b'['];
        if let Some(error) = end.error {
            let mut text = Vec::new();
            json_v1::encode(&ServerPacket::Error(Box::new(error)), None, &mut text);
            if let Ok(text) = std::str::from_utf8(&text)
                && remote_call::entry(text, &mut body)
            {
                body.push(b',');
            }
        }
        body.extend_from_slice(close_entry(end.reason).as_bytes());
        body.push(b']');
        Self {
            body: body.into_boxed_slice().into(),
            waiting: 0,
        }
    }
}

/// Whether the answer to the request has everything that waits, and a `goaway` behind it.
pub(super) fn has_room(connection: &Connection, cx: &Cx<'_>) -> bool {
    let Transport::Poll(poll) = &connection.transport else {
        return false;
    };
    let Some(request) = &poll.current else {
        return false;
    };
    let session = cx.session.as_ref();
    let session_bytes = session.map_or(0, |(_, entry)| entry.session.outbox.waiting_bytes());
    // An entry is no longer than its message.
    let waiting_bytes = connection.queue.bytes() + session_bytes;
    let has_room = request.batch.is_none() || waiting_bytes < NUMBERED_BYTES;
    has_room && !request.respond.is_closed()
}

/// Everything that waits, as a list of entries. Of the session's messages the first
/// is in any case in an answer to a numbered request, and none that would begin
/// behind its bound.
pub(super) fn compose(
    connection: &mut Connection,
    is_numbered: bool,
    cx: &mut Cx<'_>,
) -> RequestAnswer {
    let settings = &cx.settings.session;
    let direct = connection.queue.take_direct();
    let mut session = cx.session.as_mut().map(|(_, entry)| &mut entry.session);
    let user = session.as_ref().map(|session| session.user.clone());
    let reader = connection.reader(cx.encodings, user.as_ref(), cx.now_ms);
    let mut body = vec![b'['];
    let add = |frame: &Frame, body: &mut Vec<u8>| {
        if body.len() > 1 {
            body.push(b',');
        }
        body.extend_from_slice(frame.bytes(&reader));
    };
    for frame in &direct {
        add(frame, &mut body);
    }
    let mut waiting = 0;
    if let Some(session) = &mut session {
        let mut written = 0;
        for frame in session.outbox.waiting() {
            if !is_numbered || written == 0 || body.len() < NUMBERED_BYTES {
                add(frame, &mut body);
                written += 1;
            } else {
                waiting += 1;
            }
        }
        session.outbox.written(written, settings.replay_bytes_max);
    }
    body.push(b']');
    let outbox_bytes_max = settings.outbox_bytes_max;
    if waiting == 0
        && let Some(entry) = cx.entry()
    {
        entry.limit_waiting(outbox_bytes_max);
    }
    // What is retained should be no longer than it is.
    let body = body.into_boxed_slice().into();
    RequestAnswer { body, waiting }
}
