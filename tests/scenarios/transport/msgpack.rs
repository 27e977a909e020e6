//! WebSocket with MessagePack binary frames (version 2): `[command, data]` or
//! `[command, data, id]`, where command is a number of docs/protocol.md.

use std::net::SocketAddr;

use serde_json::{Map, Number, Value};

use turntable_testkit::command::CLIENT;

use super::ws::{Received, Socket, expect_greeting, resume_by_command};
use super::{Event, Feature, Invalid, Message, Position, Transport};

/// What the server sends, in the order of their numbers.
const SERVER: [&str; 16] = [
    "idyou",
    "welcome",
    "userchange",
    "invite",
    "invitereply",
    "joined",
    "memberchange",
    "game",
    "message",
    "call",
    "reply",
    "error",
    "attributes",
    "service",
    "time",
    "goaway",
];

/// The number of the first command of [`SERVER`].
const SERVER_FIRST: u64 = 64;
/// A number that no command has.
const NO_COMMAND: u64 = 63;

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
        let index = CLIENT.iter().position(|name| *name == command);
        let number = index.map_or(NO_COMMAND, |index| index as u64 + 1);
        let mut parts = vec![number.into(), pack(data)];
        parts.extend(id.map(pack));
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &rmpv::Value::Array(parts)).unwrap();
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
    let mut rest = bytes;
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} bytes after {value}", rest.len());
    let rmpv::Value::Array(parts) = value else {
        panic!("{value} instead of an array");
    };
    assert!((2..=3).contains(&parts.len()), "{parts:?}");
    let number = parts[0].as_u64().unwrap();
    let command = SERVER[(number - SERVER_FIRST) as usize];
    Message::new(command, unpack(&parts[1]), parts.get(2).map(unpack))
}

fn pack(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(is) => (*is).into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => number.as_f64().unwrap().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => rmpv::Value::Array(values.iter().map(pack).collect()),
        Value::Object(members) => rmpv::Value::Map(
            members
                .iter()
                .map(|(name, value)| (name.as_str().into(), pack(value)))
                .collect(),
        ),
    }
}

fn unpack(value: &rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(is) => (*is).into(),
        rmpv::Value::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, number) => number.unwrap().into(),
        },
        rmpv::Value::F32(number) => Number::from_f64((*number).into()).into(),
        rmpv::Value::F64(number) => Number::from_f64(*number).into(),
        rmpv::Value::String(text) => text.as_str().unwrap().into(),
        rmpv::Value::Array(values) => values.iter().map(unpack).collect(),
        rmpv::Value::Map(members) => {
            let members = members
                .iter()
                .map(|(name, value)| (name.as_str().unwrap().to_owned(), unpack(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        rmpv::Value::Binary(_) | rmpv::Value::Ext(..) => panic!("no scenario sends {value}"),
    }
}
