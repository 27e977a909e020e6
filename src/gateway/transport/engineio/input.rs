//! What comes over a session of Engine.IO: packets, from frames or payloads.

use super::heartbeat::expect_life;
use super::{Engine, Purpose, attachment, echo, namespace, packet, probe};
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::frames::{self, CONTINUE, Flow, WAIT};
use crate::gateway::transport::socket;
use crate::gateway::work::{Effect, is_identification, is_much};
use turntable_core::packet::RequestId;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::{Packet, Transport as Carriage};
use turntable_wire::json_v1::DecodeLimits;
use turntable_wire::socketio::{
    self, Event, Limits, Packet as SocketPacket, PacketError, PacketKind,
};
use turntable_wire::websocket::Message;

/// Closes the session; nothing behind counts.
pub(super) fn fail(reason: CloseReason, cx: &mut Cx<'_>) -> Flow {
    cx.close(reason);
    WAIT
}

/// Reads the WebSocket of a session, or one that it may move to.
pub(super) fn read(connection: &mut Connection, buffer: &mut [u8], cx: &mut Cx<'_>) {
    socket::read(connection, buffer, cx, |connection, input, cx| {
        frames::take(connection, input, cx, message_came)
    });
}

/// Takes what waited.
pub(super) fn take_waiting(connection: &mut Connection, cx: &mut Cx<'_>) {
    match Engine::of(connection).and_then(|engine| engine.pushed.take()) {
        Some(pushed) => super::request::take_payload(connection, pushed, cx),
        None => frames::take_waiting(connection, cx, message_came),
    }
}

fn message_came(connection: &mut Connection, message: Message<'_>, cx: &mut Cx<'_>) -> Flow {
    match message {
        Message::Text(text) => match Packet::decode(text) {
            Ok(packet) => packet_came(connection, packet, cx),
            Err(error) => fail(error.into(), cx),
        },
        Message::Binary(bytes) => packet_came(connection, Packet::from_binary(bytes), cx),
        _ => CONTINUE,
    }
}

/// Takes a packet, from a frame or a payload.
pub(super) fn packet_came(
    connection: &mut Connection,
    packet: Packet<'_>,
    cx: &mut Cx<'_>,
) -> Flow {
    let Some(engine) = Engine::of(connection) else {
        return probe::packet_came(connection, &packet, cx);
    };
    let purpose = engine.purpose;
    match packet {
        Packet::Message(text) if purpose == Purpose::Raw => {
            cx.push_direct(connection, packet::frame(&Packet::Message(text)));
            CONTINUE
        }
        Packet::Binary(bytes) if purpose == Purpose::Raw => {
            cx.push_direct(connection, Frame::echo(&bytes, false));
            CONTINUE
        }
        Packet::Message(text) => socket_text(connection, text, cx),
        Packet::Binary(bytes) => socket_bytes(connection, &bytes, cx),
        Packet::Pong(_) => {
            let is_answer = engine.is_pinged;
            let flow = frames::charge_control(connection, 1, cx);
            if is_answer && flow.is_continue() {
                expect_life(connection, cx);
            }
            flow
        }
        Packet::Close => client_closes(connection, cx),
        Packet::Noop => frames::charge_control(connection, 1, cx),
        // These are the server's to send, or come on a WebSocket that the
        // session may move to.
        Packet::Open(_) | Packet::Ping(_) | Packet::Upgrade => fail(CloseReason::ProtocolError, cx),
    }
}

/// The client closes the session.
fn client_closes(connection: &mut Connection, cx: &mut Cx<'_>) -> Flow {
    let Some(engine) = Engine::of(connection) else {
        return WAIT;
    };
    match engine.carriage {
        Carriage::WebSocket => {
            let last = Frame::close(CloseReason::Bye);
            cx.push_effect(Effect::Finish(cx.key, last, CloseReason::Bye));
        }
        Carriage::Polling => {
            if engine.parked.is_some() {
                cx.push_direct(connection, packet::frame(&Packet::Noop));
                super::output::flush(connection, cx);
            }
            cx.metrics.close(CloseReason::Bye);
            cx.push_effect(Effect::Lose(cx.key));
        }
    }
    WAIT
}

fn limits(cx: &Cx<'_>) -> Limits {
    Limits {
        attachments_max: cx.settings.transport.socketio.attachments_max,
        message_bytes_max: cx.settings.message_bytes_max,
        namespace_bytes_max: super::NAMESPACE_BYTES_MAX,
    }
}

/// What decoding a command's data allows.
pub(super) fn decode_limits(cx: &Cx<'_>) -> DecodeLimits {
    DecodeLimits {
        depth_max: cx.settings.session.depth_max,
    }
}

fn socket_text(connection: &mut Connection, text: &str, cx: &mut Cx<'_>) -> Flow {
    let Some(engine) = Engine::of(connection) else {
        return WAIT;
    };
    let packet =
        SocketPacket::decode(text, &limits(cx)).and_then(|packet| engine.assembler.packet(packet));
    match packet {
        Ok(Some(packet)) => socket_packet(connection, &packet, cx),
        Ok(None) => {
            engine.packet_at_ms = cx.now_ms;
            attachment::expect(connection, cx);
            CONTINUE
        }
        Err(error) => fail(error.into(), cx),
    }
}

fn socket_bytes(connection: &mut Connection, bytes: &[u8], cx: &mut Cx<'_>) -> Flow {
    let Some(engine) = Engine::of(connection) else {
        return WAIT;
    };
    match engine.assembler.bytes(bytes, &limits(cx)) {
        Ok(Some(whole)) => socket_packet(connection, &whole.packet(), cx),
        Ok(None) => CONTINUE,
        Err(error) => fail(error.into(), cx),
    }
}

fn socket_packet(connection: &mut Connection, packet: &SocketPacket<'_>, cx: &mut Cx<'_>) -> Flow {
    let mut names = (0..).zip(&cx.encodings.namespaces);
    let number: Option<u8> = names
        .find(|(_, name)| ***name == *packet.namespace)
        .map(|(number, _)| number);
    let Some(engine) = Engine::of(connection) else {
        return WAIT;
    };
    let is_echo = engine.purpose == Purpose::Echo;
    let carried = number.and_then(|number| engine.namespace(number));
    let has_left = engine.has_left;
    match (packet.kind, number) {
        (PacketKind::Connect, None) => {
            namespace::refuse_name(connection, packet.namespace, cx);
            CONTINUE
        }
        (_, Some(number)) if is_echo => echo::packet_came(connection, number, packet, cx),
        (PacketKind::Connect, Some(_)) if carried.is_some() => fail(CloseReason::ProtocolError, cx),
        (PacketKind::Connect, Some(number)) => {
            namespace::connect(connection, number, packet.data, cx);
            WAIT
        }
        (_, _) => match carried {
            Some(carried) => namespace_packet(connection, carried, packet, cx),
            // It may have been on its way while the server closed the namespace.
            None if has_left => frames::charge_control(connection, 1, cx),
            None => fail(CloseReason::ProtocolError, cx),
        },
    }
}

fn namespace_packet(
    connection: &mut Connection,
    carried: super::Carried,
    packet: &SocketPacket<'_>,
    cx: &mut Cx<'_>,
) -> Flow {
    let limits = decode_limits(cx);
    let command = match packet.kind {
        PacketKind::Event => match Event::read(packet) {
            Ok(event) => {
                let marked = |id: RequestId| RequestId(encoding::mark(carried.mark, &id.0));
                match socketio::command(&event, &limits) {
                    Ok(mut message) => {
                        message.id = message.id.map(marked);
                        Ok(message)
                    }
                    Err(mut error) => {
                        error.id = error.id.map(marked);
                        Err(error)
                    }
                }
            }
            Err(error) => return fail(error.into(), cx),
        },
        PacketKind::Ack => socketio::answer(packet, &limits),
        PacketKind::Disconnect => {
            if let Some(engine) = Engine::of(connection) {
                // At once: a CONNECT to the same namespace may be behind it.
                engine.forget(carried.connection);
            }
            cx.push_effect(Effect::Lose(carried.connection));
            return CONTINUE;
        }
        _ => {
            let error = PacketError::Data("this packet is the server's to send");
            return fail(error.into(), cx);
        }
    };
    let has_to_wait = is_identification(&command) || is_much(&command);
    // Attachments are among the data, as base64.
    let bytes = packet.namespace.len() + packet.data.map_or(0, |data| data.get().len());
    cx.push_effect(Effect::Command(carried.connection, command, bytes));
    match has_to_wait {
        true => WAIT,
        false => CONTINUE,
    }
}
