//! Encodes commands of a client as JSON text, for programs that are clients.

use super::{Object, Slot, action};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::{
    ClientPacket, JoinChannel, JoinGame, OwnStatus, Position, RequestId, Status,
};
use turntable_core::payload::Payload;

/// Appends a command with the `id` for its answer; [`decode`](crate::json_v1::decode) reads
/// the same command from it.
///
/// ```
/// use turntable_core::packet::{ClientPacket, RequestId};
/// use turntable_wire::json_v1;
/// let call = ClientPacket::Call { f: "forum:listPosts".into(), args: None, user: None };
/// let mut out = Vec::new();
/// json_v1::encode_client(&call, Some(&RequestId("7".into())), &mut out);
/// assert_eq!(out, br#"{"command":"call","data":{"f":"forum:listPosts"},"id":7}"#);
/// ```
pub fn encode_client(packet: &ClientPacket, id: Option<&RequestId>, out: &mut Vec<u8>) {
    let mut message = Object::begin(out);
    message.key("command").plain(packet.name());
    data(packet, message.key("data"));
    if let Some(RequestId(json)) = id {
        message.key("id").json(json);
    }
    message.end();
}

fn data(packet: &ClientPacket, slot: Slot<'_>) {
    match packet {
        ClientPacket::Subscribe(list)
        | ClientPacket::Unsubscribe(list)
        | ClientPacket::Lookup(list) => users(list, slot),
        ClientPacket::Reply { result } => slot.json(result.as_json()),
        ClientPacket::Set(changes) => {
            let mut object = slot.object();
            for (name, value) in changes {
                let value = value.as_ref().map_or("null", Payload::as_json);
                object.entry(name).json(value);
            }
            object.end();
        }
        _ => {
            let mut object = slot.object();
            fields(packet, &mut object);
            object.end();
        }
    }
}

/// The fields of a command whose data is an object with names of the protocol.
fn fields(packet: &ClientPacket, object: &mut Object<'_>) {
    match packet {
        ClientPacket::IdMe {
            user: id,
            credentials,
            attributes,
            status: own,
        } => {
            user(object, id.as_ref());
            json(object, "credentials", credentials.as_ref());
            if !attributes.is_empty() {
                let mut all = object.key("attributes").object();
                for (name, value) in attributes {
                    all.entry(name).json(value.as_json());
                }
                all.end();
            }
            if let Some(OwnStatus { state, note }) = own {
                let mut both = object.key("status").object();
                both.key("state").plain(status(*state));
                json(&mut both, "note", note.as_ref());
                both.end();
            }
        }
        ClientPacket::Resume {
            session,
            received,
            attempt,
        } => {
            object.key("session").plain(&session.secret());
            object.key("received").whole(*received);
            if let Some(attempt) = attempt {
                object.key("attempt").whole((*attempt).into());
            }
        }
        ClientPacket::Status { state, note } => {
            object.key("state").plain(status(*state));
            json(object, "note", note.as_ref());
        }
        ClientPacket::JoinGame(join) => join_game(join, object),
        ClientPacket::JoinChannel(join) => join_channel(join, object),
        ClientPacket::LeaveGame(path)
        | ClientPacket::DeclineInvite(path)
        | ClientPacket::LeaveChannel(path) => channel(object, path),
        ClientPacket::Game {
            channel: path,
            actions,
        } => {
            channel(object, path);
            object.key("actions").list(actions, action);
        }
        ClientPacket::Publish {
            channel: path,
            data,
        } => {
            channel(object, path);
            object.key("data").json(data.as_json());
        }
        ClientPacket::Call {
            f,
            args,
            user: whose,
        } => {
            object.key("f").string(f);
            json(object, "args", args.as_ref());
            user(object, whose.as_ref());
        }
        ClientPacket::Provide(services) => {
            let mut all = object.key("services").object();
            for (name, functions) in services {
                all.entry(name)
                    .list(functions, |function, slot| slot.string(function));
            }
            all.end();
        }
        ClientPacket::Time { t0, received, .. } => {
            object.key("t0").json(t0.as_json());
            if let Some(received) = received {
                object.key("received").whole(*received);
            }
        }
        ClientPacket::Authenticate {
            user: id,
            credentials,
        } => {
            user(object, id.as_ref());
            object.key("credentials").json(credentials.as_json());
        }
        ClientPacket::Block { add, remove } => {
            for (name, list) in [("add", add), ("remove", remove)] {
                if !list.is_empty() {
                    users(list, object.key(name));
                }
            }
        }
        // `bye` has no fields; the data of the others has another form.
        ClientPacket::Bye
        | ClientPacket::Subscribe(_)
        | ClientPacket::Unsubscribe(_)
        | ClientPacket::Lookup(_)
        | ClientPacket::Reply { .. }
        | ClientPacket::Set(_) => {}
    }
}

const fn status(state: Status) -> &'static str {
    match state {
        Status::Online => "online",
        Status::Idle => "idle",
        Status::Busy => "busy",
        Status::Invisible => "invisible",
    }
}

fn join_game(join: &JoinGame, object: &mut Object<'_>) {
    channel(object, &join.channel);
    object.key("self").string(join.member.as_str());
    if !join.invite.is_empty() {
        users(&join.invite, object.key("invite"));
    }
    if let Some(team) = &join.team {
        object.key("team").string(team);
    }
    if let Some(game) = &join.game {
        object.key("game").string(game);
    }
}

fn join_channel(join: &JoinChannel, object: &mut Object<'_>) {
    channel(object, &join.channel);
    if join.subpaths {
        object.key("subpaths").boolean(true);
    }
    if let Some(since) = &join.since {
        position(since, object.key("since"));
    }
    if let Some(history) = join.history {
        object.key("history").whole(history.into());
    }
    if !join.below.is_empty() {
        let mut below = object.key("below").object();
        for (path, since) in &join.below {
            position(since, below.entry(path.as_str()));
        }
        below.end();
    }
}

fn position(position: &Position, slot: Slot<'_>) {
    let mut object = slot.object();
    object.key("epoch").string(&position.epoch);
    object.key("offset").whole(position.offset);
    object.end();
}

fn channel(object: &mut Object<'_>, path: &ChannelId) {
    object.key("channel").string(path.as_str());
}

fn user(object: &mut Object<'_>, user: Option<&UserId>) {
    if let Some(user) = user {
        object.key("user").string(user.as_str());
    }
}

fn json(object: &mut Object<'_>, name: &'static str, value: Option<&Payload>) {
    if let Some(value) = value {
        object.key(name).json(value.as_json());
    }
}

fn users(list: &[UserId], slot: Slot<'_>) {
    slot.list(list, |user, slot| slot.string(user.as_str()));
}
