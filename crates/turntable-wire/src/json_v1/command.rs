//! The `data` of each command (section 2.1 of the protocol).
//!
//! One row per command: its name, a description of its data for error
//! messages, and the function that decodes it. A function reads the known fields
//! and ignores the rest; the error names the first invalid field.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::field::{
    Fault, Kind, boolean, channel, each, entries, fields, kind, number, opaque, opaque_hash,
    owned_text, required, text, user, whole,
};
use turntable_core::id::{ChannelId, SessionId, UserId};
use turntable_core::packet::{
    Action, ClientPacket, JoinChannel, JoinGame, OwnStatus, Position, Status,
};
use turntable_core::reason::ErrorCode;

type Read = fn(&RawValue) -> Result<ClientPacket, Fault>;

/// One command: its decoder and the description of its data.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) takes: &'static str,
    pub(super) read: Read,
}

const fn command(name: &'static str, takes: &'static str, read: Read) -> Command {
    Command { name, takes, read }
}

/// In the order of the protocol's table.
pub(super) static COMMANDS: [Command; 21] = [
    command(
        "idme",
        r#"a user id like "1:12345", or {"user": U?, "credentials": {...}?, "attributes": {...}?, "status": STATUS?}"#,
        idme,
    ),
    command("resume", r#"{"session": S, "received": N}"#, resume),
    command("subscribe", "a list of user ids", |data| {
        users(data, "data").map(ClientPacket::Subscribe)
    }),
    command("unsubscribe", "a list of user ids", |data| {
        users(data, "data").map(ClientPacket::Unsubscribe)
    }),
    command(
        "status",
        r#"a state, or {"state": STATE, "note": any?}; states are online, idle, busy and invisible"#,
        status,
    ),
    command(
        "joingame",
        r#"{"channel": C, "self": U, "invite": [U, ...]?, "team": T?, "game": G?}"#,
        join_game,
    ),
    command("leavegame", r#"{"channel": C}"#, |data| {
        channel_alone(data).map(ClientPacket::LeaveGame)
    }),
    command(
        "game",
        r#"{"channel": C, "actions": [{"timestamp": ms, "from": U, "data": any, "team": T?}, ...]}"#,
        game,
    ),
    command("declineinvite", r#"{"channel": C}"#, |data| {
        channel_alone(data).map(ClientPacket::DeclineInvite)
    }),
    command(
        "joinchannel",
        r#"{"channel": P, "subpaths": bool?, "since": {"epoch": E, "offset": N}?, "history": n?, "below": {P: {"epoch": E, "offset": N}}?}"#,
        join_channel,
    ),
    command("leavechannel", r#"{"channel": P}"#, |data| {
        channel_alone(data).map(ClientPacket::LeaveChannel)
    }),
    command("publish", r#"{"channel": P, "data": any}"#, publish),
    command(
        "call",
        r#"{"f": "service:function", "args": any?, "user": id?}"#,
        call,
    ),
    command("reply", "any data, with the id of the call", |data| {
        Ok(ClientPacket::Reply {
            result: opaque(data),
        })
    }),
    command(
        "set",
        "an object of attributes, where null removes one",
        set,
    ),
    command(
        "provide",
        r#"{"services": {NAME: [FUNCTION, ...]}}"#,
        provide,
    ),
    command("time", r#"{"t0": ms, "received": N?}"#, time),
    command("lookup", "a list of user ids", |data| {
        users(data, "data").map(ClientPacket::Lookup)
    }),
    command("authenticate", r#"{"credentials": {...}}"#, authenticate),
    command("bye", "{}", |data| {
        fields(data, "data", []).map(|[]| ClientPacket::Bye)
    }),
    command("block", r#"{"add": [U, ...]?, "remove": [U, ...]?}"#, block),
];

fn idme(data: &RawValue) -> Result<ClientPacket, Fault> {
    if kind(data) == Kind::Text {
        return Ok(ClientPacket::IdMe {
            user: Some(user(data, "data")?),
            credentials: None,
            attributes: Vec::new(),
            status: None,
        });
    }
    if kind(data) != Kind::Object {
        return Err(Fault::shape("data must be a user id or an object"));
    }
    let known = ["user", "credentials", "attributes", "status"];
    let [id, credentials, attributes, state] = fields(data, "data", known)?;
    let attribute = |value: &RawValue| match kind(value) {
        Kind::Null => Err(Fault::shape("an attribute cannot be null; leave it out")),
        _ => Ok(opaque(value)),
    };
    // The credentials say who it is. Without a user and credentials it is a claim of nobody,
    // which no checker accepts.
    Ok(ClientPacket::IdMe {
        user: id.map(|id| user(id, "user")).transpose()?,
        credentials: credentials
            .map(|value| opaque_hash(value, "credentials"))
            .transpose()?,
        attributes: match attributes {
            Some(value) => entries(value, "attributes", attribute)?,
            None => Vec::new(),
        },
        status: state.map(|value| own_status(value, "status")).transpose()?,
    })
}

fn resume(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [session, received, attempt] = fields(data, "data", ["session", "received", "attempt"])?;
    let session = text(required(session, "session")?, "session")?;
    let received = whole(required(received, "received")?, "received")?;
    let attempt = attempt
        .map(|value| {
            let attempt = whole(value, "attempt")?;
            u32::try_from(attempt)
                .map_err(|_| Fault::shape("attempt is a whole number below 4294967296"))
        })
        .transpose()?;
    // An invalid session id is answered like an expired one, so that the client
    // identifies again.
    let session = SessionId::parse(&session)
        .map_err(|error| Fault::new(ErrorCode::SessionExpired, error.to_string()))?;
    Ok(ClientPacket::Resume {
        session,
        received,
        attempt,
    })
}

/// A list of users without duplicates, in the order of first occurrence.
fn users(value: &RawValue, name: &str) -> Result<Vec<UserId>, Fault> {
    let mut list = Vec::new();
    each(value, name, |index, element| {
        list.push(user(element, "an element").map_err(|fault| fault.at(index))?);
        Ok(())
    })?;
    // Most lists have none, and then there is nothing to hash.
    let mut sorted: Vec<&UserId> = list.iter().collect();
    sorted.sort_unstable();
    if !sorted.is_sorted_by(|a, b| a < b) {
        let mut seen = HashSet::with_capacity(list.len());
        list.retain(|user| seen.insert(user.clone()));
    }
    Ok(list)
}

fn block(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [add, remove] = fields(data, "data", ["add", "remove"])?;
    let list = |value: Option<&RawValue>, name| match value {
        Some(value) => users(value, name),
        None => Ok(Vec::new()),
    };
    Ok(ClientPacket::Block {
        add: list(add, "add")?,
        remove: list(remove, "remove")?,
    })
}

fn status(data: &RawValue) -> Result<ClientPacket, Fault> {
    let OwnStatus { state, note } = own_status(data, "data")?;
    Ok(ClientPacket::Status { state, note })
}

fn own_status(value: &RawValue, name: &str) -> Result<OwnStatus, Fault> {
    let (state, note) = match kind(value) {
        Kind::Text => (value, None),
        Kind::Object => {
            let [state, note] = fields(value, name, ["state", "note"])?;
            (required(state, "state")?, note)
        }
        _ => return Err(Fault::shape(format!("{name} must be a state or an object"))),
    };
    let state = Status::of_name(&text(state, "state")?);
    let state = state.ok_or_else(|| Fault::shape("unknown state"))?;
    Ok(OwnStatus {
        state,
        note: note.map(opaque),
    })
}

fn join_game(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [path, member, invite, team, game] =
        fields(data, "data", ["channel", "self", "invite", "team", "game"])?;
    Ok(ClientPacket::JoinGame(JoinGame {
        channel: channel(required(path, "channel")?, "channel")?,
        member: user(required(member, "self")?, "self")?,
        invite: match invite {
            Some(list) => users(list, "invite")?,
            None => Vec::new(),
        },
        team: team.map(|value| owned_text(value, "team")).transpose()?,
        game: game.map(|value| owned_text(value, "game")).transpose()?,
    }))
}

fn channel_alone(data: &RawValue) -> Result<ChannelId, Fault> {
    let [path] = fields(data, "data", ["channel"])?;
    channel(required(path, "channel")?, "channel")
}

fn game(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [path, list] = fields(data, "data", ["channel", "actions"])?;
    let channel = channel(required(path, "channel")?, "channel")?;
    let mut actions = Vec::new();
    each(required(list, "actions")?, "actions", |index, element| {
        actions.push(action(element).map_err(|fault| invalid_action(fault).at(index))?);
        Ok(())
    })?;
    if actions.is_empty() {
        return Err(Fault::shape("actions must have at least one action"));
    }
    Ok(ClientPacket::Game { channel, actions })
}

fn action(value: &RawValue) -> Result<Action, Fault> {
    let [timestamp, from, data, team] =
        fields(value, "an action", ["timestamp", "from", "data", "team"])?;
    Ok(Action {
        timestamp_ms: number(required(timestamp, "timestamp")?, "timestamp")?,
        from: user(required(from, "from")?, "from")?,
        team: team.map(|value| owned_text(value, "team")).transpose()?,
        data: opaque(required(data, "data")?),
    })
}

fn invalid_action(fault: Fault) -> Fault {
    if fault.code == ErrorCode::InvalidId {
        return fault;
    }
    Fault::new(
        ErrorCode::InvalidAction,
        format!(
            r#"{}; an action is {{"timestamp": ms, "from": U, "data": any, "team": T?}}"#,
            fault.message
        ),
    )
}

fn join_channel(data: &RawValue) -> Result<ClientPacket, Fault> {
    let names = ["channel", "subpaths", "since", "history", "below"];
    let [path, subpaths, since, history, below] = fields(data, "data", names)?;
    Ok(ClientPacket::JoinChannel(JoinChannel {
        channel: channel(required(path, "channel")?, "channel")?,
        subpaths: match subpaths {
            Some(value) => boolean(value, "subpaths")?,
            None => false,
        },
        since: since.map(position).transpose()?,
        history: history.map(history_count).transpose()?,
        below: below.map(positions).transpose()?.unwrap_or_default(),
    }))
}

/// A position in a channel.
pub(crate) fn position(value: &RawValue) -> Result<Position, Fault> {
    let [epoch, offset] = fields(value, "since", ["epoch", "offset"])?;
    Ok(Position {
        epoch: owned_text(required(epoch, "since.epoch")?, "since.epoch")?,
        offset: whole(required(offset, "since.offset")?, "since.offset")?,
    })
}

/// The positions of paths below a channel.
fn positions(value: &RawValue) -> Result<Vec<(ChannelId, Position)>, Fault> {
    let all = entries(value, "below", position)?.into_iter();
    let path = |(path, position): (Box<str>, Position)| {
        let path = ChannelId::parse(&path)
            .map_err(|error| Fault::new(ErrorCode::InvalidId, format!("below: {error}")))?;
        Ok((path, position))
    };
    all.map(path).collect()
}

/// A number of past messages. A larger one has no effect: no history is that long.
pub(crate) fn history_count(value: &RawValue) -> Result<u32, Fault> {
    whole(value, "history").map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn publish(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [path, payload] = fields(data, "data", ["channel", "data"])?;
    Ok(ClientPacket::Publish {
        channel: channel(required(path, "channel")?, "channel")?,
        data: opaque(required(payload, "data.data")?),
    })
}

fn call(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [function, args, whose] = fields(data, "data", ["f", "args", "user"])?;
    Ok(ClientPacket::Call {
        f: owned_text(required(function, "f")?, "f")?,
        args: args.map(opaque),
        user: whose.map(|whose| user(whose, "user")).transpose()?,
    })
}

fn set(data: &RawValue) -> Result<ClientPacket, Fault> {
    let value = |value: &RawValue| Ok((kind(value) != Kind::Null).then(|| opaque(value)));
    entries(data, "data", value).map(ClientPacket::Set)
}

fn authenticate(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [id, credentials] = fields(data, "data", ["user", "credentials"])?;
    Ok(ClientPacket::Authenticate {
        user: id.map(|id| user(id, "user")).transpose()?,
        credentials: opaque_hash(required(credentials, "credentials")?, "credentials")?,
    })
}

fn provide(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [services] = fields(data, "data", ["services"])?;
    let functions = |value| {
        let mut names = Vec::new();
        each(value, "a service", |index, element| {
            names.push(owned_text(element, "a function").map_err(|fault| fault.at(index))?);
            Ok(())
        })?;
        Ok(names)
    };
    entries(required(services, "services")?, "services", functions).map(ClientPacket::Provide)
}

fn time(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [t0, received] = fields(data, "data", ["t0", "received"])?;
    let t0 = required(t0, "t0")?;
    Ok(ClientPacket::Time {
        t0_ms: number(t0, "t0")?,
        t0: opaque(t0),
        received: received.map(|value| whole(value, "received")).transpose()?,
    })
}
