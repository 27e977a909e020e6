//! Encodes messages of the server as JSON text (section 2.2 of the protocol).
//!
//! Everything is appended to one buffer in one pass; opaque data is copied
//! unchanged. Presence changes are also written as fragments, joined with commas
//! between `USERCHANGE_HEAD` and `USERCHANGE_TAIL`, so that each is encoded once
//! for all subscribers.

mod channel;
mod command;
mod writer;

pub use command::encode_client;

use turntable_core::id::UserId;
use turntable_core::model::service::ServiceState;
use turntable_core::packet::{
    Action, ErrorBody, LookupEntry, MemberChange, Presence, ReplyData, RequestId, RoomJoined,
    ServerPacket, Welcome,
};
use turntable_core::payload::Payload;
use writer::{Object, Slot};

/// The text before the fragments of a `userchange`.
pub const USERCHANGE_HEAD: &[u8] = br#"{"command":"userchange","data":{"#;

/// The text after the fragments of a `userchange`.
pub const USERCHANGE_TAIL: &[u8] = b"}}";

/// Appends the message to `out`, with the `id` of the command that it answers.
///
/// ```
/// use turntable_core::packet::ServerPacket;
/// use turntable_wire::json_v1;
/// let mut out = Vec::new();
/// json_v1::encode(&ServerPacket::IdYou, None, &mut out);
/// assert_eq!(out, br#"{"command":"idyou","data":{}}"#);
/// ```
pub fn encode(packet: &ServerPacket, id: Option<&RequestId>, out: &mut Vec<u8>) {
    let mut message = Object::begin(out);
    message.key("command").plain(packet.name().0);
    data(packet, message.key("data"));
    if let Some(RequestId(json)) = id {
        message.key("id").json(json);
    }
    message.end();
}

/// Appends one user's presence as a fragment of a `userchange`:
/// `"1:2345":"online"`.
pub fn presence_fragment(user: &UserId, presence: Presence, out: &mut Vec<u8>) {
    Slot(out).string(user.as_str());
    out.push(b':');
    Slot(out).plain(presence.name());
}

/// The text before the fragments of a `profiles`.
pub const PROFILES_HEAD: &[u8] = br#"{"command":"profiles","data":{"#;

/// The text after the fragments of a `profiles`.
pub const PROFILES_TAIL: &[u8] = b"}}";

/// Appends one public attribute as a fragment of a `profiles`, `"name":"Mel"`; `null`
/// where it was removed. Fragments of one user are joined with commas between braces,
/// behind its [`presence_key`].
pub fn profile_fragment(name: &str, value: Option<&Payload>, out: &mut Vec<u8>) {
    Slot(out).string(name);
    out.push(b':');
    Slot(out).json(value.map_or("null", Payload::as_json));
}

/// The constant part of a fragment, `"1:2345":`; the quoted state is appended
/// to it.
#[must_use]
pub fn presence_key(user: &UserId) -> Box<[u8]> {
    let mut out = Vec::with_capacity(user.as_str().len() + 3);
    Slot(&mut out).string(user.as_str());
    out.push(b':');
    out.into_boxed_slice()
}

fn data(packet: &ServerPacket, slot: Slot<'_>) {
    match packet {
        ServerPacket::IdYou => Object::begin(slot.0).end(),
        ServerPacket::Welcome(data) => welcome(data, slot),
        ServerPacket::UserChange(changes) => {
            let mut object = slot.object();
            for (user, presence) in changes {
                object.entry(user.as_str()).plain(presence.name());
            }
            object.end();
        }
        ServerPacket::Invite { channel, from } => {
            let mut object = slot.object();
            object.key("channel").string(channel.as_str());
            object.key("from").string(from.as_str());
            object.end();
        }
        ServerPacket::InviteReply {
            channel,
            user,
            accepted,
        } => {
            let mut object = slot.object();
            object.key("channel").string(channel.as_str());
            object.key("user").string(user.as_str());
            object.key("accepted").boolean(*accepted);
            object.end();
        }
        ServerPacket::RoomJoined(data) => room_joined(data, slot),
        ServerPacket::ChannelJoined {
            channel,
            epoch,
            offset,
            recovered,
            members,
        } => {
            let mut object = slot.object();
            object.key("channel").string(channel.as_str());
            object.key("epoch").string(epoch);
            object.key("offset").whole(*offset);
            object.key("recovered").boolean(*recovered);
            if let Some(members) = members {
                channel::members(members, object.key("members"));
            }
            object.end();
        }
        ServerPacket::MemberChange {
            channel,
            members,
            reason,
        } => {
            let mut object = slot.object();
            object.key("channel").string(channel.as_str());
            member_changes(members, object.key("members"));
            if let Some(reason) = reason {
                object.key("reason").string(reason);
            }
            object.end();
        }
        ServerPacket::ChannelMembers {
            channel,
            epoch,
            members,
        } => {
            let mut object = slot.object();
            object.key("channel").string(channel.as_str());
            object.key("epoch").string(epoch);
            channel::member_update(members, object.key("members"));
            object.end();
        }
        ServerPacket::Game { channel, actions } => {
            let mut object = slot.object();
            object.key("channel").string(channel.as_str());
            object.key("actions").list(actions, action);
            object.end();
        }
        ServerPacket::Message(message) => channel::message(message, slot),
        ServerPacket::Call { f, args, user, key } => {
            let mut object = slot.object();
            object.key("f").string(f);
            if let Some(args) = args {
                object.key("args").json(args.as_json());
            }
            if let Some(user) = user {
                object.key("user").string(user.as_str());
            }
            if let Some(key) = key {
                object.key("key").string(key);
            }
            object.end();
        }
        ServerPacket::Service(all) => services(all, slot),
        ServerPacket::Reply(data) => reply(data, slot),
        ServerPacket::Error(body) => error(body, slot),
        ServerPacket::Attributes(changes) => {
            let mut object = slot.object();
            for (name, value) in changes {
                let value = value.as_ref().map_or("null", |value| value.as_json());
                object.entry(name).json(value);
            }
            object.end();
        }
        ServerPacket::Profiles(profiles) => {
            let mut object = slot.object();
            for (user, changes) in profiles {
                let mut profile = object.entry(user.as_str()).object();
                for (name, value) in changes {
                    let value = value.as_ref().map_or("null", |value| value.as_json());
                    profile.entry(name).json(value);
                }
                profile.end();
            }
            object.end();
        }
        ServerPacket::Time { t0, t1_ms, t2_ms } => {
            let mut object = slot.object();
            object.key("t0").json(t0.as_json());
            object.key("t1").whole(*t1_ms);
            object.key("t2").whole(*t2_ms);
            object.end();
        }
        ServerPacket::GoAway {
            reason,
            reconnect_ms,
            url,
        } => {
            let mut object = slot.object();
            object.key("reason").string(reason);
            object.key("reconnect_ms").whole(*reconnect_ms);
            if let Some(url) = url {
                object.key("url").string(url);
            }
            object.end();
        }
    }
}

fn welcome(data: &Welcome, slot: Slot<'_>) {
    let mut object = slot.object();
    match &data.user {
        Some(user) => object.key("user").string(user.as_str()),
        None => object.key("user").json("null"),
    }
    object.key("session").plain(&data.session.secret());
    object.key("resumed").boolean(data.resumed);
    object.key("accepted").whole(data.accepted);
    object.key("time").whole(data.time_ms);
    object.key("heartbeat_ms").whole(data.heartbeat_ms);
    let mut attributes = object.key("attributes").object();
    for (name, value) in &data.attributes {
        attributes.entry(name).json(value.as_json());
    }
    attributes.end();
    services(&data.services, object.key("services"));
    let mut limits = object.key("limits").object();
    for (name, value) in &data.limits {
        limits.key(name).whole(*value);
    }
    let mut rates = limits.key("rates").object();
    for (name, bucket) in &data.rates {
        let mut rate = rates.key(name).object();
        rate.key("per_second").whole(bucket.per_second.into());
        rate.key("burst").whole(bucket.burst.into());
        rate.end();
    }
    rates.end();
    limits.end();
    object.key("server").string(&data.server);
    if !data.warnings.is_empty() {
        object
            .key("warnings")
            .list(&data.warnings, |warning, slot| slot.string(warning));
    }
    if let Some(ms) = data.reconnect_ms {
        object.key("reconnect_ms").whole(ms);
    }
    if let Some(seconds) = data.expires_in {
        object.key("expires_in").whole(seconds);
    }
    if let Some(token) = &data.token {
        object.key("token").string(token);
    }
    object.end();
}

fn services(all: &[(Box<str>, ServiceState)], slot: Slot<'_>) {
    let mut object = slot.object();
    for (name, state) in all {
        let mut entry = object.entry(name).object();
        let word = if state.is_enabled {
            "enabled"
        } else {
            "disabled"
        };
        entry.key("state").plain(word);
        entry
            .key("functions")
            .list(&state.functions, |name, slot| slot.string(name));
        if let Some(direct) = &state.direct {
            entry.key("url").string(&direct.url);
            entry.key("protocol").string(&direct.protocol);
        }
        entry.end();
    }
    object.end();
}

fn room_joined(data: &RoomJoined, slot: Slot<'_>) {
    let mut object = slot.object();
    object.key("channel").string(data.channel.as_str());
    object.key("self").string(data.member.as_str());
    if let Some(team) = &data.team {
        object.key("team").string(team);
    }
    let mut members = object.key("members").object();
    for member in &data.members {
        let mut entry = members.entry(member.user.as_str()).object();
        if let Some(team) = &member.team {
            entry.key("team").string(team);
        }
        entry.key("state").plain(member.state.name());
        entry.end();
    }
    members.end();
    if let Some(state) = &data.state {
        object.key("state").json(state.as_json());
    }
    object.key("time").whole(data.time_ms);
    object.end();
}

fn member_changes(members: &[(UserId, MemberChange)], slot: Slot<'_>) {
    let mut changes = slot.object();
    for (user, change) in members {
        changes.entry(user.as_str()).plain(change.name());
    }
    changes.end();
}

fn action(action: &Action, slot: Slot<'_>) {
    let mut object = slot.object();
    object.key("timestamp").number(action.timestamp_ms);
    object.key("from").string(action.from.as_str());
    object.key("data").json(action.data.as_json());
    if let Some(team) = &action.team {
        object.key("team").string(team);
    }
    object.end();
}

fn reply(data: &ReplyData, slot: Slot<'_>) {
    match data {
        ReplyData::Done => slot.object().end(),
        ReplyData::Published { id, offset, epoch } => {
            let mut object = slot.object();
            object.key("id").plain(&id.to_string());
            object.key("offset").whole(*offset);
            object.key("epoch").string(epoch);
            object.end();
        }
        ReplyData::Lookup(entries) => {
            let mut object = slot.object();
            for (user, entry) in entries {
                lookup_entry(entry, object.entry(user.as_str()));
            }
            object.end();
        }
        ReplyData::Blocked(users) => {
            let mut object = slot.object();
            let list = object.key("blocked");
            list.list(users, |user, slot| slot.string(user.as_str()));
            object.end();
        }
        ReplyData::Value(value) => slot.json(value.as_json()),
    }
}

fn lookup_entry(entry: &LookupEntry, slot: Slot<'_>) {
    let mut object = slot.object();
    object.key("state").plain(entry.state.name());
    if let Some(last_seen_ms) = entry.last_seen_ms {
        object.key("last_seen").whole(last_seen_ms);
    }
    object.key("devices").whole(entry.devices.into());
    if let Some(note) = &entry.note {
        object.key("note").json(note.as_json());
    }
    if !entry.profile.is_empty() {
        let mut profile = object.key("profile").object();
        for (name, value) in &entry.profile {
            profile.entry(name).json(value.as_json());
        }
        profile.end();
    }
    object.end();
}

fn error(body: &ErrorBody, slot: Slot<'_>) {
    let mut object = slot.object();
    object.key("code").plain(body.code.name());
    object.key("message").string(&body.message);
    if let Some(command) = &body.command {
        object.key("command").string(command);
    }
    if body.has_details() {
        let mut details = object.key("details").object();
        if let Some(reason) = body.reason {
            details.key("reason").plain(reason.name());
        }
        if let Some(refusal) = &body.refusal {
            details.key("key").string(&refusal.key);
            details.key("reason").string(&refusal.reason);
        }
        for (name, value) in &body.details {
            details.entry(name).whole(*value);
        }
        details.end();
    }
    object.end();
}
