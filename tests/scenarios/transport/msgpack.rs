//! WebSocket with MessagePack binary frames (version 2): `[command, data]` or
//! `[command, data, id]`, where command is a number of docs/protocol.md.

use std::net::SocketAddr;

use serde_json::Value;

use turntable_testkit::msgpack;

use super::ws::{Received, Socket, expect_greeting, resume_by_command};
use super::{Event, Feature, Invalid, Message, Position, Transport};

/// Version 2: a MessagePack array per message.
pub struct WsMsgpack(Socket);

impl Transport for WsMsgpack {
    const NAME: &'static str = "ws_v2";

    fn supports(_: Feature) -> bool {
        true
    }

    async fn open(address: SocketAddr) -> Self {
        let socket = Socket::open(address, "/ws", Some("turntable.v2.msgpack"));
        let mut transport = Self(socket.await);
        expect_greeting(&mut transport).await;
        transport
    }

    async fn resume(address: SocketAddr, position: &Position) -> Result<Self, Value> {
        resume_by_command(Self::open(address).await, position).await
    }

    async fn send(&mut self, command: &str, data: &Value, id: Option<&Value>) {
        let bytes = msgpack::command(command, data, id);
        self.0.send_binary(bytes).await;
    }

    async fn send_invalid(&mut self, invalid: Invalid) {
        let byte = match invalid {
            // A byte that MessagePack never uses.
            Invalid::Syntax => 0xc1,
            // An empty array.
            Invalid::Shape => 0x90,
        };
        self.0.send_binary(vec![byte]).await;
    }

    async fn next(&mut self) -> Event {
        match self.0.next().await {
            Received::Binary(bytes) => Event::Message(parse(&bytes)),
            Received::Text(text) => panic!("a text on v2: {text}"),
            Received::Closed(code) => Event::Closed(code),
        }
    }
}

fn parse(bytes: &[u8]) -> Message {
    let mut message = msgpack::message(bytes);
    let command = message["command"].as_str().unwrap().to_owned();
    let id = message.get("id").cloned();
    Message::new(&command, message["data"].take(), id)
}
