//! Engine.IO over HTTP requests: one waits for packets, others bring them.

use tokio::sync::oneshot;

use super::{Engine, input, output, packet};
use crate::gateway::connection::Connection;
use crate::gateway::intake::COMMANDS_AT_ONCE;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::incomplete;
use crate::gateway::transport::notice::Notice;
use crate::gateway::work::Effect;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::{
    Packet, PayloadLimits, RequestError, Transport as Carriage, decode_payload, next_packet,
};

/// The answer to a request for packets: a payload.
pub type Answer = Result<String, RequestError>;

/// A request of a session.
#[derive(Debug)]
pub enum EngineRequest {
    /// It waits for packets.
    Poll(oneshot::Sender<Answer>),
    /// It brings packets.
    Push(String, oneshot::Sender<Result<(), RequestError>>),
    /// It brought more than it may.
    TooLarge,
    /// It waited for packets, and its client has gone.
    Gone,
}

impl EngineRequest {
    /// Answers with an error.
    pub(crate) fn refuse(self, error: RequestError) {
        // The client may have gone meanwhile.
        match self {
            Self::Poll(respond) => {
                let _ = respond.send(Err(error));
            }
            Self::Push(_, respond) => {
                let _ = respond.send(Err(error));
            }
            Self::TooLarge | Self::Gone => {}
        }
    }
}

/// A request whose packets are taken one after the other.
#[derive(Debug)]
pub(super) struct Pushed {
    body: String,
    /// Bytes of it that were taken.
    taken: usize,
    respond: oneshot::Sender<Result<(), RequestError>>,
}

impl Pushed {
    /// The next packet of the body, which was checked as a whole. Each is decoded
    /// once, however often the request has to wait.
    fn next(&mut self) -> Option<Packet<'_>> {
        next_packet(&self.body, &mut self.taken).ok().flatten()
    }
}

/// Takes a request.
pub(super) fn take(connection: &mut Connection, request: EngineRequest, cx: &mut Cx<'_>) {
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    // Timers come in ticks; a request is judged to the millisecond.
    if cx.now_ms >= engine.alive_until_ms {
        cx.close(CloseReason::HeartbeatMissed);
        cx.push_effect(Effect::Lose(cx.key));
        return request.refuse(RequestError::UnknownSession);
    }
    match request {
        request if engine.carriage != Carriage::Polling => {
            request.refuse(RequestError::BadRequest);
        }
        EngineRequest::Poll(respond) => park(connection, respond, cx),
        EngineRequest::Push(body, respond) => push(connection, body, respond, cx),
        EngineRequest::TooLarge => cx.close(CloseReason::TooLarge),
        EngineRequest::Gone => {
            let parked = engine.parked.as_ref();
            if parked.is_some_and(oneshot::Sender::is_closed) {
                cx.push_effect(Effect::Lose(cx.key));
            }
        }
    }
}

/// A request waits for packets.
fn park(connection: &mut Connection, respond: oneshot::Sender<Answer>, cx: &mut Cx<'_>) {
    let is_closing = connection.is_closing();
    let has_direct = connection.queue.has_direct();
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    if engine.parked.is_some() && !is_closing {
        // Which of two would be read first is not known.
        cx.close(CloseReason::ProtocolError);
        let _ = respond.send(Err(RequestError::BadRequest));
        return;
    }
    engine.parked = Some(respond);
    engine.polled_ms = cx.now_ms;
    if engine.is_probed && !has_direct {
        cx.push_direct(connection, packet::frame(&Packet::Noop));
    }
    output::flush(connection, cx);
}

/// A request brings packets.
fn push(
    connection: &mut Connection,
    body: String,
    respond: oneshot::Sender<Result<(), RequestError>>,
    cx: &mut Cx<'_>,
) {
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    if engine.pushed.is_some() {
        let _ = respond.send(Err(RequestError::BadRequest));
        return cx.close(CloseReason::ProtocolError);
    }
    cx.counters.received_bytes += body.len() as u64;
    cx.lists.was_read = true;
    let limits = PayloadLimits {
        bytes_max: cx.settings.message_bytes_max,
        packets_max: cx.settings.transport.socketio.packets_max,
    };
    if let Err(error) = decode_payload(body.as_bytes(), &limits) {
        let _ = respond.send(Err(RequestError::BadRequest));
        return cx.close(error.into());
    }
    let pushed = Pushed {
        body,
        taken: 0,
        respond,
    };
    if connection.is_paused() {
        if let Some(engine) = Engine::of(connection) {
            engine.pushed = Some(pushed);
        }
        return;
    }
    take_payload(connection, pushed, cx);
}

/// Takes the packets of a request, until one of them has to be waited for.
pub(super) fn take_payload(connection: &mut Connection, mut pushed: Pushed, cx: &mut Cx<'_>) {
    for number in 1.. {
        if connection.is_closing() {
            break;
        }
        let Some(packet) = pushed.next() else {
            break;
        };
        let is_close = matches!(packet, Packet::Close);
        let at = cx.effects.len();
        let flow = input::packet_came(connection, packet, cx);
        if is_close {
            // Answered before the session is gone.
            let answer = Effect::Notice(cx.key, Notice::Pushed(pushed.respond));
            return cx.effects.insert(at, answer);
        }
        if flow.is_break() || number >= COMMANDS_AT_ONCE {
            incomplete::count(connection, cx);
            if let Some(engine) = Engine::of(connection) {
                engine.pushed = Some(pushed);
            }
            return cx.push_effect(Effect::Continue(cx.key));
        }
    }
    incomplete::count(connection, cx);
    // Answered behind the effects of its packets, which may close the session.
    cx.push_effect(Effect::Notice(cx.key, Notice::Pushed(pushed.respond)));
}

/// A session ends because of what its client brought in a request. That request is
/// answered with the error, and one that waits for packets with the end. There is no
/// other: the next one is refused like one of an unknown session, at once.
pub(super) fn refused(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(engine) = Engine::of(connection) else {
        return;
    };
    if engine.carriage != Carriage::Polling {
        return;
    }
    if let Some(pushed) = engine.pushed.take() {
        let _ = pushed.respond.send(Err(RequestError::BadRequest));
    }
    // The answer to a request that waits releases the session, too.
    cx.push_effect(match engine.parked {
        Some(_) => Effect::Flush(cx.key),
        None => Effect::Lose(cx.key),
    });
}

/// The packets of a request were taken.
pub(super) fn pushed(is_closing: bool, respond: oneshot::Sender<Result<(), RequestError>>) {
    let _ = respond.send(match is_closing {
        true => Err(RequestError::BadRequest),
        false => Ok(()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_decoded_once_each() {
        let (respond, _) = oneshot::channel();
        let pairs = ["40", "41"].repeat(500);
        let mut pushed = Pushed {
            body: pairs.join("\x1e"),
            taken: 0,
            respond,
        };
        for (number, text) in pairs.iter().enumerate() {
            // Each call begins where the last one ended.
            assert_eq!(pushed.taken, number * 3);
            assert_eq!(pushed.next(), text.get(1..).map(Packet::Message));
        }
        assert_eq!(pushed.next(), None);
    }
}
