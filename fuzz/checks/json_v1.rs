//! For any text, the v1 decoder does not panic, refuses exactly the texts that are not
//! JSON as such, and decoded values can be encoded.

use serde_json::value::RawValue;
use turntable_core::id::MessageId;
use turntable_core::packet::{
    ChannelMessage, ClientMessage, ClientPacket, ErrorBody, MemberList, Presence, ReplyData,
    RequestId, ServerPacket,
};
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1::{DecodeLimits, decode, encode};

const LIMITS: DecodeLimits = DecodeLimits { depth_max: 16 };

/// An answer that contains the values of the packet.
fn answer(packet: ClientPacket) -> ServerPacket {
    match packet {
        ClientPacket::IdMe { attributes, .. } => ServerPacket::Attributes(
            attributes
                .into_iter()
                .map(|(name, value)| (name, Some(value)))
                .collect(),
        ),
        ClientPacket::Set(attributes) => ServerPacket::Attributes(attributes),
        ClientPacket::Subscribe(users)
        | ClientPacket::Unsubscribe(users)
        | ClientPacket::Lookup(users)
        | ClientPacket::Block { add: users, .. } => ServerPacket::UserChange(
            users
                .into_iter()
                .map(|user| (user, Presence::Online))
                .collect(),
        ),
        ClientPacket::Status {
            note: Some(value), ..
        }
        | ClientPacket::Reply { result: value }
        | ClientPacket::Authenticate {
            credentials: value, ..
        } => ServerPacket::Reply(ReplyData::Value(value)),
        ClientPacket::JoinGame(join) => ServerPacket::Invite {
            channel: join.channel,
            from: join.member,
        },
        ClientPacket::Game { channel, actions } => ServerPacket::Game { channel, actions },
        ClientPacket::JoinChannel(join) => {
            let since = join.since;
            ServerPacket::ChannelJoined {
                channel: join.channel,
                epoch: since
                    .as_ref()
                    .map_or("".into(), |since| since.epoch.clone()),
                offset: since.map_or(0, |since| since.offset),
                recovered: join.subpaths,
                members: join
                    .history
                    .map(|members| MemberList::Count(members.into())),
            }
        }
        ClientPacket::LeaveGame(channel)
        | ClientPacket::DeclineInvite(channel)
        | ClientPacket::LeaveChannel(channel) => ServerPacket::MemberChange {
            channel,
            members: Vec::new(),
            reason: None,
        },
        ClientPacket::Publish { channel, data } => {
            ServerPacket::Message(Box::new(ChannelMessage {
                channel,
                id: MessageId::nil(),
                offset: u64::MAX,
                epoch: None,
                from: turntable_core::id::UserId::parse("1:\"").ok(),
                time_ms: 0,
                data,
            }))
        }
        ClientPacket::Call { f, args, user } => ServerPacket::Call {
            f,
            args,
            user,
            key: None,
        },
        ClientPacket::Time { t0, .. } => ServerPacket::Time {
            t0,
            t1_ms: 0,
            t2_ms: 0,
        },
        ClientPacket::Resume { .. }
        | ClientPacket::Status { note: None, .. }
        | ClientPacket::Provide(_)
        | ClientPacket::Bye => ServerPacket::Reply(ReplyData::Done),
    }
}

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Skipped, not built: serde_json's tree cannot represent every JSON text, such as
    // 1e999.
    let is_json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
    let (packet, id) = match decode(text, &LIMITS) {
        Ok(ClientMessage { id, packet }) => {
            assert!(is_json(text), "not JSON, but decoded as {packet:?}");
            (answer(packet), id)
        }
        Err(error) => {
            assert!(!error.message.is_empty());
            if error.code != ErrorCode::BadJson {
                assert!(is_json(text), "not JSON, but refused as {error:?}");
            }
            let id = error.id.clone();
            (ServerPacket::Error(Box::new(ErrorBody::from(error))), id)
        }
    };
    let mut out = Vec::new();
    encode(&packet, id.as_ref(), &mut out);
    let written = String::from_utf8(out).expect("UTF-8");
    assert!(is_json(&written), "{written}");
    if let Some(RequestId(id)) = id {
        assert!(text.contains(&*id) && written.ends_with(&format!(",\"id\":{id}}}")));
    }
}
