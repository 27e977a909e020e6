//! The examples of the specification and its test suite, hostile packets, and
//! random input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod binary;
mod down;
mod up;

use serde_json::value::RawValue;

use super::*;

const LIMITS: Limits = Limits {
    attachments_max: 4,
    message_bytes_max: 2000,
    namespace_bytes_max: 32,
};

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

/// A packet's type, attachments, namespace, id and data.
type Shape<'a> = (PacketKind, usize, &'a str, Option<u64>, Option<&'a str>);

fn shape<'a>(packet: &Packet<'a>) -> Shape<'a> {
    let data = packet.data.map(RawValue::get);
    (
        packet.kind,
        packet.attachments,
        packet.namespace,
        packet.id,
        data,
    )
}

/// The kind of a packet after its attachments.
fn assembled(text: &str, attachments: &[&[u8]]) -> Result<Option<String>, PacketError> {
    let mut assembler = Assembler::default();
    let mut data = assembler
        .packet(Packet::decode(text, &LIMITS)?)?
        .map(|packet| packet.data.unwrap().get().to_owned());
    for bytes in attachments {
        data = assembler
            .bytes(bytes, &LIMITS)?
            .map(|whole| whole.packet().data.unwrap().get().to_owned());
    }
    Ok(data)
}
