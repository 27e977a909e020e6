//! Namespaces that send everything back, as the conformance suites of Engine.IO
//! and Socket.IO expect it of a server under test.

use serde_json::value::RawValue;

use super::written;
use crate::gateway::Gateway;
use turntable_core::reason::CloseReason;
use turntable_wire::socketio::{self, Encoded, Event, Packet, PacketKind};

impl Gateway {
    /// Takes a packet of a namespace that sends everything back.
    pub(super) fn echo_packet(&mut self, slot: u32, number: u8, packet: &Packet<'_>) {
        let Some(engine) = self.engine(slot) else {
            return;
        };
        let is_there = engine.echoes.contains(&number);
        match (packet.kind, is_there) {
            (PacketKind::Connect, false) => {
                engine.echoes.push(number);
                self.echo_connect(slot, packet);
            }
            (PacketKind::Disconnect, true) => engine.echoes.retain(|known| *known != number),
            (PacketKind::Event, true) => match Event::read(packet) {
                Ok(event) => self.echo_event(slot, packet.namespace, &event),
                Err(error) => self.close(slot, error.into()),
            },
            (PacketKind::Ack, true) => {
                let list = packet.data.map_or("[]", RawValue::get);
                let args = list
                    .strip_prefix('[')
                    .and_then(|rest| rest.strip_suffix(']'));
                let args = args.unwrap_or_default();
                self.echo_list(slot, packet.namespace, "emit-with-ack", args, None);
            }
            _ => self.close(slot, CloseReason::ProtocolError),
        }
    }

    fn echo_connect(&mut self, slot: u32, packet: &Packet<'_>) {
        let sid = turntable_core::id::SessionId::random().map(|id| id.secret());
        let answer = socketio::connect(packet.namespace, &sid.unwrap_or_default(), None);
        self.push_direct(slot, written::encoded(&answer));
        let auth = packet.data.map_or("{}", RawValue::get);
        self.echo_list(slot, packet.namespace, "auth", auth, None);
    }

    fn echo_event(&mut self, slot: u32, namespace: &str, event: &Event<'_>) {
        match (&*event.name, event.ack) {
            ("message", _) => self.echo_list(slot, namespace, "message-back", event.args, None),
            ("message-with-ack", Some(id)) => {
                if let Ok(list) = RawValue::from_string(format!("[{}]", event.args)) {
                    let packet = socketio::ack_list(&list, namespace, id);
                    self.echo_encoded(slot, &packet);
                }
            }
            ("emit-with-ack", _) => {
                let Some(engine) = self.engine(slot) else {
                    return;
                };
                let id = engine.echoed;
                engine.echoed += 1;
                self.echo_list(slot, namespace, "emit-with-ack", event.args, Some(id));
            }
            _ => {}
        }
    }

    fn echo_list(&mut self, slot: u32, namespace: &str, name: &str, args: &str, ack: Option<u64>) {
        let comma = if args.trim().is_empty() { "" } else { "," };
        if let Ok(list) = RawValue::from_string(format!("[\"{name}\"{comma}{args}]")) {
            let packet = socketio::event_list(&list, namespace, ack);
            self.echo_encoded(slot, &packet);
        }
    }

    fn echo_encoded(&mut self, slot: u32, packet: &Encoded) {
        self.push_direct(slot, written::encoded(packet));
    }
}
