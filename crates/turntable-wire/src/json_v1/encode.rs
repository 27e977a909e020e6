//! From messages of the server to JSON text (section 2.2 of the protocol).
//!
//! Everything is appended to one buffer in one pass; opaque data goes out as
//! the bytes that came in. Changes of presence are also written as fragments,
//! which are joined with commas between `USERCHANGE_HEAD` and
//! `USERCHANGE_TAIL`, so that each is encoded once for all who watch.

use turntable_core::id::UserId;
use turntable_core::packet::{
    Action, ErrorBody, LookupEntry, Presence, ReplyData, RequestId, RoomJoined, ServerPacket,
    Welcome,
};

/// What stands before the fragments of a `userchange`.
pub const USERCHANGE_HEAD: &[u8] = br#"{"command":"userchange","data":{"#;

/// What stands behind the fragments of a `userchange`.
pub const USERCHANGE_TAIL: &[u8] = b"}}";

/// Appends the message to `out`, with the `id` that it answers to.
///
/// ```
/// use turntable_wire::{json_v1, packet::ServerPacket};
/// let mut out = Vec::new();
/// json_v1::encode(&ServerPacket::IdYou, None, &mut out);
/// assert_eq!(out, br#"{"command":"idyou","data":{}}"#);
/// ```
pub fn encode(packet: &ServerPacket, id: Option<&RequestId>, out: &mut Vec<u8>) {
    let mut message = Hash::begin(out);
    message.key("command").plain(packet.name().0);
    data(packet, message.key("data"));
    if let Some(RequestId(json)) = id {
        message.key("id").json(json);
    }
    message.end();
}

/// Appends one user's presence as it stands in a `userchange`:
/// `"1:2345":"online"`.
pub fn presence_fragment(user: &UserId, presence: Presence, out: &mut Vec<u8>) {
    Slot(out).string(user.as_str());
    out.push(b':');
    Slot(out).plain(presence.name());
}

/// The part of a fragment that stays the same: `"1:2345":`, to which the state
/// in quotes is appended.
#[must_use]
pub fn presence_key(user: &UserId) -> Box<[u8]> {
    let mut out = Vec::with_capacity(user.as_str().len() + 3);
    Slot(&mut out).string(user.as_str());
    out.push(b':');
    out.into_boxed_slice()
}

fn data(packet: &ServerPacket, slot: Slot<'_>) {
    match packet {
        ServerPacket::IdYou => Hash::begin(slot.0).end(),
        ServerPacket::Welcome(data) => welcome(data, slot),
        ServerPacket::UserChange(changes) => {
            let mut hash = slot.hash();
            for (user, presence) in changes {
                hash.entry(user.as_str()).plain(presence.name());
            }
            hash.end();
        }
        ServerPacket::Invite { channel, from } => {
            let mut hash = slot.hash();
            hash.key("channel").string(channel.as_str());
            hash.key("from").string(from.as_str());
            hash.end();
        }
        ServerPacket::InviteReply {
            channel,
            user,
            accepted,
        } => {
            let mut hash = slot.hash();
            hash.key("channel").string(channel.as_str());
            hash.key("user").string(user.as_str());
            hash.key("accepted").boolean(*accepted);
            hash.end();
        }
        ServerPacket::RoomJoined(data) => room_joined(data, slot),
        ServerPacket::ChannelJoined {
            channel,
            epoch,
            offset,
            recovered,
        } => {
            let mut hash = slot.hash();
            hash.key("channel").string(channel.as_str());
            hash.key("epoch").string(epoch);
            hash.key("offset").whole(*offset);
            hash.key("recovered").boolean(*recovered);
            hash.end();
        }
        ServerPacket::MemberChange { channel, members } => {
            let mut hash = slot.hash();
            hash.key("channel").string(channel.as_str());
            let mut changes = hash.key("members").hash();
            for (user, change) in members {
                changes.entry(user.as_str()).plain(change.name());
            }
            changes.end();
            hash.end();
        }
        ServerPacket::Game { channel, actions } => {
            let mut hash = slot.hash();
            hash.key("channel").string(channel.as_str());
            hash.key("actions").list(actions, action);
            hash.end();
        }
        ServerPacket::Message(message) => {
            let mut hash = slot.hash();
            hash.key("channel").string(message.channel.as_str());
            hash.key("id").plain(&message.id.to_string());
            hash.key("offset").whole(message.offset);
            hash.key("from").string(message.from.as_str());
            hash.key("time").whole(message.time_ms);
            hash.key("data").json(message.data.as_json());
            hash.end();
        }
        ServerPacket::Call { f, args } => {
            let mut hash = slot.hash();
            hash.key("f").string(f);
            if let Some(args) = args {
                hash.key("args").json(args.as_json());
            }
            hash.end();
        }
        ServerPacket::Reply(data) => reply(data, slot),
        ServerPacket::Error(body) => error(body, slot),
        ServerPacket::Attributes(changes) => {
            let mut hash = slot.hash();
            for (name, value) in changes {
                let value = value.as_ref().map_or("null", |value| value.as_json());
                hash.entry(name).json(value);
            }
            hash.end();
        }
        ServerPacket::Time { t0, t1_ms, t2_ms } => {
            let mut hash = slot.hash();
            hash.key("t0").json(t0.as_json());
            hash.key("t1").whole(*t1_ms);
            hash.key("t2").whole(*t2_ms);
            hash.end();
        }
        ServerPacket::GoAway {
            reason,
            reconnect_ms,
            url,
        } => {
            let mut hash = slot.hash();
            hash.key("reason").string(reason);
            hash.key("reconnect_ms").whole(*reconnect_ms);
            if let Some(url) = url {
                hash.key("url").string(url);
            }
            hash.end();
        }
    }
}

fn welcome(data: &Welcome, slot: Slot<'_>) {
    let mut hash = slot.hash();
    match &data.user {
        Some(user) => hash.key("user").string(user.as_str()),
        None => hash.key("user").json("null"),
    }
    hash.key("session").plain(&data.session.secret());
    hash.key("resumed").boolean(data.resumed);
    hash.key("accepted").whole(data.accepted);
    hash.key("time").whole(data.time_ms);
    hash.key("heartbeat_ms").whole(data.heartbeat_ms);
    let mut attributes = hash.key("attributes").hash();
    for (name, value) in &data.attributes {
        attributes.entry(name).json(value.as_json());
    }
    attributes.end();
    hash.key("services").hash().end();
    let mut limits = hash.key("limits").hash();
    for (name, value) in &data.limits {
        limits.key(name).whole(*value);
    }
    limits.end();
    hash.key("server").string(&data.server);
    hash.end();
}

fn room_joined(data: &RoomJoined, slot: Slot<'_>) {
    let mut hash = slot.hash();
    hash.key("channel").string(data.channel.as_str());
    hash.key("self").string(data.member.as_str());
    if let Some(team) = &data.team {
        hash.key("team").string(team);
    }
    let mut members = hash.key("members").hash();
    for member in &data.members {
        let mut entry = members.entry(member.user.as_str()).hash();
        if let Some(team) = &member.team {
            entry.key("team").string(team);
        }
        entry.key("state").plain(member.state.name());
        entry.end();
    }
    members.end();
    if let Some(state) = &data.state {
        hash.key("state").json(state.as_json());
    }
    hash.key("time").whole(data.time_ms);
    hash.end();
}

fn action(action: &Action, slot: Slot<'_>) {
    let mut hash = slot.hash();
    hash.key("timestamp").number(action.timestamp_ms);
    hash.key("from").string(action.from.as_str());
    hash.key("data").json(action.data.as_json());
    if let Some(team) = &action.team {
        hash.key("team").string(team);
    }
    hash.end();
}

fn reply(data: &ReplyData, slot: Slot<'_>) {
    match data {
        ReplyData::Done => slot.hash().end(),
        ReplyData::Published { id, offset, epoch } => {
            let mut hash = slot.hash();
            hash.key("id").plain(&id.to_string());
            hash.key("offset").whole(*offset);
            hash.key("epoch").string(epoch);
            hash.end();
        }
        ReplyData::Lookup(entries) => {
            let mut hash = slot.hash();
            for (user, entry) in entries {
                lookup_entry(entry, hash.entry(user.as_str()));
            }
            hash.end();
        }
        ReplyData::Value(value) => slot.json(value.as_json()),
    }
}

fn lookup_entry(entry: &LookupEntry, slot: Slot<'_>) {
    let mut hash = slot.hash();
    hash.key("state").plain(entry.state.name());
    if let Some(last_seen_ms) = entry.last_seen_ms {
        hash.key("last_seen").whole(last_seen_ms);
    }
    hash.key("devices").whole(entry.devices.into());
    if let Some(note) = &entry.note {
        hash.key("note").json(note.as_json());
    }
    hash.end();
}

fn error(body: &ErrorBody, slot: Slot<'_>) {
    let mut hash = slot.hash();
    hash.key("code").plain(body.code.name());
    hash.key("message").string(&body.message);
    if let Some(command) = &body.command {
        hash.key("command").string(command);
    }
    if !body.details.is_empty() {
        let mut details = hash.key("details").hash();
        for (name, value) in &body.details {
            details.entry(name).whole(*value);
        }
        details.end();
    }
    hash.end();
}

/// The place of one value.
struct Slot<'o>(&'o mut Vec<u8>);

impl<'o> Slot<'o> {
    /// A string of any characters.
    fn string(self, text: &str) {
        let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        if text.bytes().all(is_plain) {
            self.plain(text);
        } else {
            self.serialize(text);
        }
    }

    /// A string that needs no escapes.
    fn plain(self, text: &str) {
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    fn whole(self, value: u64) {
        self.serialize(&value);
    }

    /// A number; without a fraction where it has none, as clients write it.
    fn number(self, value: f64) {
        /// Up to here every whole `f64` is a whole number of JavaScript, too.
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
            self.serialize(&(value as i64));
        } else {
            self.serialize(&value);
        }
    }

    fn boolean(self, value: bool) {
        self.json(if value { "true" } else { "false" });
    }

    /// What is JSON already.
    fn json(self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    fn hash(self) -> Hash<'o> {
        Hash::begin(self.0)
    }

    fn list<T>(self, elements: &[T], write: impl Fn(&T, Slot<'_>)) {
        self.0.push(b'[');
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            write(element, Slot(self.0));
        }
        self.0.push(b']');
    }

    /// A string or a number, through serde_json.
    fn serialize<T: serde::Serialize + ?Sized>(self, value: &T) {
        // Writing such a value to a vector cannot fail.
        let _: serde_json::Result<()> = serde_json::to_writer(self.0, value);
    }
}

/// A hash that is being written.
struct Hash<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Hash<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// The place behind a key of the protocol, which needs no escapes.
    fn key(&mut self, name: &'static str) -> Slot<'_> {
        self.separate();
        Slot(self.out).plain(name);
        self.out.push(b':');
        Slot(self.out)
    }

    /// The place behind a key of any characters.
    fn entry(&mut self, name: &str) -> Slot<'_> {
        self.separate();
        Slot(self.out).string(name);
        self.out.push(b':');
        Slot(self.out)
    }

    fn separate(&mut self) {
        if self.is_empty {
            self.is_empty = false;
        } else {
            self.out.push(b',');
        }
    }

    fn end(self) {
        self.out.push(b'}');
    }
}
