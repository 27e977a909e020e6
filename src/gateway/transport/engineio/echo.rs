//! Namespaces that send everything back, as the conformance suites of Engine.IO
//! and Socket.IO expect it of a server under test.

use serde_json::value::RawValue;

use super::input::fail;
use super::{Engine, packet};
use crate::gateway::connection::Connection;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::frames::{CONTINUE, Flow, WAIT};
use turntable_core::id::SessionId;
use turntable_core::reason::CloseReason;
use turntable_wire::socketio::{self, Event, Packet, PacketKind};

/// Takes a packet of a namespace that sends everything back.
pub(super) fn packet_came(
    connection: &mut Connection,
    number: u8,
    packet: &Packet<'_>,
    cx: &mut Cx<'_>,
) -> Flow {
    let Some(engine) = Engine::of(connection) else {
        return WAIT;
    };
    let is_there = engine.echoes.contains(&number);
    match (packet.kind, is_there) {
        (PacketKind::Connect, false) => {
            engine.echoes.push(number);
            connect(connection, packet, cx);
        }
        (PacketKind::Disconnect, true) => engine.echoes.retain(|known| *known != number),
        (PacketKind::Event, true) => match Event::read(packet) {
            Ok(event) => event_came(connection, packet.namespace, &event, cx),
            Err(error) => return fail(error.into(), cx),
        },
        (PacketKind::Ack, true) => {
            let list = packet.data.map_or("[]", RawValue::get);
            let args = list
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            let args = args.unwrap_or_default();
            list_back(
                connection,
                packet.namespace,
                "emit-with-ack",
                args,
                None,
                cx,
            );
        }
        _ => return fail(CloseReason::ProtocolError, cx),
    }
    CONTINUE
}

fn connect(connection: &mut Connection, packet: &Packet<'_>, cx: &mut Cx<'_>) {
    let sid = SessionId::random().map(|id| id.secret());
    let answer = socketio::connect(packet.namespace, &sid.unwrap_or_default(), None);
    cx.push_direct(connection, packet::encoded(&answer));
    let auth = packet.data.map_or("{}", RawValue::get);
    list_back(connection, packet.namespace, "auth", auth, None, cx);
}

fn event_came(connection: &mut Connection, namespace: &str, event: &Event<'_>, cx: &mut Cx<'_>) {
    match (&*event.name, event.ack) {
        ("message", _) => {
            list_back(connection, namespace, "message-back", event.args, None, cx);
        }
        ("message-with-ack", Some(id)) => {
            if let Ok(list) = RawValue::from_string(format!("[{}]", event.args)) {
                let packet = socketio::ack_list(&list, namespace, id);
                cx.push_direct(connection, packet::encoded(&packet));
            }
        }
        ("emit-with-ack", _) => {
            let Some(engine) = Engine::of(connection) else {
                return;
            };
            let id = Some(engine.echoed);
            engine.echoed += 1;
            list_back(connection, namespace, "emit-with-ack", event.args, id, cx);
        }
        _ => {}
    }
}

fn list_back(
    connection: &mut Connection,
    namespace: &str,
    name: &str,
    args: &str,
    ack: Option<u64>,
    cx: &mut Cx<'_>,
) {
    let comma = if args.trim().is_empty() { "" } else { "," };
    if let Ok(list) = RawValue::from_string(format!("[\"{name}\"{comma}{args}]")) {
        let packet = socketio::event_list(&list, namespace, ack);
        cx.push_direct(connection, packet::encoded(&packet));
    }
}
