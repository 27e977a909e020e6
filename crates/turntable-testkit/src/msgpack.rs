//! Messages of version 2: MessagePack arrays `[command, data]` or
//! `[command, data, id]`, where command is a number of docs/protocol.md.

use serde_json::{Map, Number, Value, json};

use crate::command::CLIENT;

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

/// Messages with other numbers.
const SERVER_LATER: [(u64, &str); 1] = [(84, "profiles")];

/// The number of the first command of [`SERVER`].
const SERVER_FIRST: u64 = 64;
/// A number that no command has.
const NO_COMMAND: u64 = 63;

/// A command as bytes.
pub fn command(name: &str, data: &Value, id: Option<&Value>) -> Vec<u8> {
    let index = CLIENT.iter().position(|known| *known == name);
    let number = index.map_or(NO_COMMAND, |index| index as u64 + 1);
    let mut parts = vec![number.into(), pack(data)];
    parts.extend(id.map(pack));
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &rmpv::Value::Array(parts)).unwrap();
    bytes
}

/// A message of the server, in the form of version 1.
pub fn message(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} bytes after {value}", rest.len());
    let rmpv::Value::Array(parts) = value else {
        panic!("{value} instead of an array");
    };
    assert!((2..=3).contains(&parts.len()), "{parts:?}");
    let number = parts[0].as_u64().unwrap();
    let later = SERVER_LATER.iter().find(|(known, _)| *known == number);
    let command = later.map_or_else(
        || SERVER[(number - SERVER_FIRST) as usize],
        |(_, command)| command,
    );
    let mut message = json!({"command": command, "data": unpack(&parts[1])});
    if let Some(id) = parts.get(2) {
        message["id"] = unpack(id);
    }
    message
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
        rmpv::Value::Binary(_) | rmpv::Value::Ext(..) => panic!("no test expects {value}"),
    }
}
