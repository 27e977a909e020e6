//! Forms of each command and each message, and both with random input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod chance;
mod commands;
pub(crate) mod messages;
mod refusals;

use super::*;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::*;
use turntable_core::payload::Payload;

const LIMITS: DecodeLimits = DecodeLimits { depth_max: 32 };

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn users(ids: &[&str]) -> Vec<UserId> {
    ids.iter().map(|id| user(id)).collect()
}

fn channel(id: &str) -> ChannelId {
    ChannelId::parse(id).unwrap()
}

fn payload(json: &str) -> Payload {
    Payload::from_json(json)
}

/// The message as text.
fn written(packet: &ServerPacket, id: Option<&str>) -> String {
    let mut out = b"left ".to_vec();
    encode(packet, id.map(|id| RequestId(id.into())).as_ref(), &mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("left ").unwrap().to_owned()
}

/// The command as text, with an id.
fn written_command(packet: &ClientPacket) -> String {
    let mut out = b"left ".to_vec();
    encode_client(packet, Some(&RequestId("7".into())), &mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("left ").unwrap().to_owned()
}
