//! What comes over an Engine.IO line: packets, from frames or from payloads.

use super::{EngineLine, Purpose, written};
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::door::DoorKind;
use crate::gateway::frame::Frame;
use turntable_core::packet::RequestId;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::{Packet, Transport};
use turntable_wire::socketio::{
    self, Event, Limits, Packet as SocketPacket, PacketError, PacketKind,
};
use turntable_wire::websocket::Message;

impl Gateway {
    /// Takes a frame of a WebSocket.
    pub(in crate::gateway) fn engine_frame(&mut self, slot: u32, message: Message<'_>) {
        match message {
            Message::Text(text) => match Packet::decode(text) {
                Ok(packet) => self.engine_packet(slot, packet),
                Err(error) => self.close(slot, error.into()),
            },
            Message::Binary(bytes) => self.engine_packet(slot, Packet::from_binary(bytes)),
            Message::Ping(payload) => self.push_direct(slot, Frame::pong(payload)),
            Message::Pong(_) => {}
            Message::Close { code, .. } => self.close_back(slot, code),
        }
    }

    /// Takes a packet, over whatever it came.
    pub(super) fn engine_packet(&mut self, slot: u32, packet: Packet<'_>) {
        let door = self
            .connections
            .at(slot)
            .and_then(|line| line.door.as_ref());
        if let Some(DoorKind::Probe(engine)) = door.map(|door| &door.kind) {
            let engine = *engine;
            return self.probe_packet(slot, engine, packet);
        }
        let Some(purpose) = self.engine(slot).map(|engine| engine.purpose) else {
            return;
        };
        match packet {
            Packet::Message(text) if purpose == Purpose::Raw => {
                self.push_direct(slot, written::frame(&Packet::Message(text)));
            }
            Packet::Binary(bytes) if purpose == Purpose::Raw => {
                self.push_direct(slot, Frame::echo(&bytes, false));
            }
            Packet::Message(text) => self.socket_text(slot, text),
            Packet::Binary(bytes) => self.socket_bytes(slot, &bytes),
            Packet::Pong(_) => self.engine_pong(slot),
            Packet::Close => self.engine_closes(slot),
            Packet::Noop => {}
            // These are the server's to send, or a probe's.
            Packet::Open(_) | Packet::Ping(_) | Packet::Upgrade => {
                self.close(slot, CloseReason::ProtocolError);
            }
        }
    }

    fn engine_pong(&mut self, slot: u32) {
        let is_asked = self.engine(slot).is_some_and(|engine| engine.is_pinged);
        if is_asked {
            self.expect_life(slot, clock::now_ms());
        }
    }

    /// The client closes the session.
    fn engine_closes(&mut self, slot: u32) {
        let Some(engine) = self.engine(slot) else {
            return;
        };
        match engine.transport {
            Transport::WebSocket => {
                self.finish(slot, Frame::close(CloseReason::Bye), CloseReason::Bye);
            }
            Transport::Polling => {
                if engine.parked.is_some() {
                    self.push_direct(slot, written::frame(&Packet::Noop));
                    self.flush_engine(slot);
                }
                self.context.metrics.close(CloseReason::Bye);
                self.lose(slot);
            }
        }
    }

    fn socket_limits(&self) -> Limits {
        Limits {
            attachments_max: self.settings().socketio.attachments_max,
            message_bytes_max: self.settings().message_bytes_max,
            namespace_bytes_max: super::NAMESPACE_BYTES_MAX,
        }
    }

    fn socket_text(&mut self, slot: u32, text: &str) {
        let limits = self.socket_limits();
        let Some(engine) = self.engine(slot) else {
            return;
        };
        let packet =
            SocketPacket::decode(text, &limits).and_then(|packet| engine.assembler.packet(packet));
        match packet {
            Ok(Some(packet)) => self.socket_packet(slot, &packet),
            Ok(None) => {}
            Err(error) => self.close(slot, error.into()),
        }
    }

    fn socket_bytes(&mut self, slot: u32, bytes: &[u8]) {
        let limits = self.socket_limits();
        let Some(engine) = self.engine(slot) else {
            return;
        };
        match engine.assembler.bytes(bytes, &limits) {
            Ok(Some(whole)) => self.socket_packet(slot, &whole.packet()),
            Ok(None) => {}
            Err(error) => self.close(slot, error.into()),
        }
    }

    fn socket_packet(&mut self, slot: u32, packet: &SocketPacket<'_>) {
        let names = (0..).zip(&self.context.dialects.namespaces);
        let mut names = names.filter(|(_, name)| ***name == *packet.namespace);
        let number: Option<u8> = names.next().map(|(number, _)| number);
        let is_echo = self
            .engine(slot)
            .is_some_and(|engine| engine.purpose == Purpose::Echo);
        match (packet.kind, number) {
            (PacketKind::Connect, None) => self.refuse_name(slot, packet.namespace),
            (_, Some(number)) if is_echo => self.echo_packet(slot, number, packet),
            (PacketKind::Connect, Some(number)) => {
                let is_there = |engine: &EngineLine| engine.namespace(number).is_some();
                if self.engine(slot).is_some_and(|engine| is_there(engine)) {
                    return self.close(slot, CloseReason::ProtocolError);
                }
                self.connect(slot, number, packet.data);
            }
            (_, number) => {
                let key = number.and_then(|number| self.engine(slot)?.namespace(number));
                match key {
                    Some(key) => self.namespace_packet(slot, key.slot, packet),
                    // It may have been on its way while the server left.
                    None if self.engine(slot).is_some_and(|engine| engine.has_left) => {}
                    None => self.close(slot, CloseReason::ProtocolError),
                }
            }
        }
    }

    fn namespace_packet(&mut self, slot: u32, child: u32, packet: &SocketPacket<'_>) {
        let limits = self.decode_limits();
        let command = match packet.kind {
            PacketKind::Event => match Event::read(packet) {
                Ok(event) => {
                    let mark = self.namespace(child).map_or(0, |line| line.mark());
                    let marked = |id: RequestId| RequestId(written::mark(mark, &id.0));
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
                Err(error) => return self.close(slot, error.into()),
            },
            PacketKind::Ack => socketio::answer(packet, &limits),
            PacketKind::Disconnect => return self.leave_namespace(child),
            _ => {
                let error = PacketError::Data("this packet is the server's to send");
                return self.close(slot, error.into());
            }
        };
        if let Some(line) = self.connections.at_mut(child) {
            line.was_heard = true;
        }
        self.take(child, command);
        self.pause_for(slot, child);
    }
}
