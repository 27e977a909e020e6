//! From JSON text to commands (section 2.1 of the protocol).
//!
//! Decided here, where the protocol leaves it open: a field that stands twice
//! is refused; `null` is a value only inside opaque data, and in `set`, where
//! it removes; users named twice in a list count once; a whole message may be
//! nested `depth_max` deep, its own hash included.

use std::collections::HashSet;

use serde_json::error::Category;
use serde_json::value::RawValue;

use super::field::{
    Fault, Fields, Kind, boolean, channel, each, entries, fields, kind, number, opaque,
    opaque_hash, owned_text, required, text, user, whole,
};
use crate::id::{SessionId, UserId};
use crate::reason::ErrorCode;
use crate::wire::packet::{
    Action, ClientMessage, ClientPacket, ErrorBody, JoinChannel, JoinGame, Position, RequestId,
    Status,
};

/// What a decoder allows.
#[derive(Debug, Clone, Copy)]
pub struct DecodeLimits {
    /// How deep lists and hashes may be nested, the message's own hash
    /// included.
    pub depth_max: usize,
}

/// Why a text is not a command.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The code of the `error` that the client gets.
    pub code: ErrorCode,
    /// A sentence: what was wrong and what is accepted.
    pub message: Box<str>,
    /// The command, where it could be read.
    pub command: Option<&'static str>,
    /// The `id`, where it could be read.
    pub id: Option<RequestId>,
    /// `index` of the element at fault, `max` of the limit.
    pub details: Vec<(&'static str, u64)>,
}

impl From<DecodeError> for ErrorBody {
    fn from(error: DecodeError) -> Self {
        Self {
            code: error.code,
            message: error.message,
            command: error.command,
            details: error.details,
        }
    }
}

/// Reads one message.
///
/// ```
/// use turntable::wire::json_v1::{DecodeLimits, decode};
/// let limits = DecodeLimits { depth_max: 32 };
/// let message = decode(r#"{"command": "idme", "data": "1:12345"}"#, &limits).unwrap();
/// assert_eq!(message.packet.name(), "idme");
/// let error = decode(r#"{"command": "dance", "id": 7}"#, &limits).unwrap_err();
/// assert_eq!(error.code.name(), "unknown_command");
/// assert_eq!(&*error.id.unwrap().0, "7");
/// ```
///
/// # Errors
/// [`DecodeError`] with a code of section 2.3: `bad_json`, `bad_message`,
/// `unknown_command`, `invalid_id`, `invalid_action`, `too_large` (nesting) or
/// `session_expired` (a `resume` of what cannot be a session).
pub fn decode(text: &str, limits: &DecodeLimits) -> Result<ClientMessage, DecodeError> {
    let mut known = Known::default();
    match read(text, limits, &mut known) {
        Ok(packet) => Ok(ClientMessage {
            id: known.id,
            packet,
        }),
        Err(fault) => Err(DecodeError {
            message: known.sentence(&fault),
            code: fault.code,
            command: known.command.map(|command| command.name),
            id: known.id,
            details: fault.details,
        }),
    }
}

/// What is known of a message even when the rest of it is at fault.
#[derive(Debug, Default)]
struct Known {
    id: Option<RequestId>,
    command: Option<&'static Command>,
}

impl Known {
    /// The fault, and what would have been right.
    fn sentence(&self, fault: &Fault) -> Box<str> {
        match (fault.code, self.command) {
            (ErrorCode::BadMessage, Some(Command { name, takes, .. })) => {
                format!("{}; {name} takes {takes}", fault.message).into()
            }
            _ => (*fault.message).into(),
        }
    }
}

fn read(text: &str, limits: &DecodeLimits, known: &mut Known) -> Result<ClientPacket, Fault> {
    let message = Fields::read(text, ["command", "data", "id"])
        .map_err(|error| not_a_message(text, &error))?;
    let [command, data, id] = message.values;
    // Both are read before either is refused: an error names what it can.
    let id = match message.repeated {
        Some("id") => Ok(()),
        _ => request_id(id).map(|id| known.id = id),
    };
    let command = command_of(command).inspect(|command| known.command = Some(command));
    if let Some(name) = message.repeated {
        return Err(Fault::shape(format!("{name} stands twice")));
    }
    id?;
    let command = command?;
    if !is_within_depth(text, limits.depth_max) {
        let mut fault = Fault::new(
            ErrorCode::TooLarge,
            "the message is nested deeper than allowed; details.max says how deep it may be",
        );
        fault.details.push(("max", limits.depth_max as u64));
        return Err(fault);
    }
    match data {
        Some(data) => (command.read)(data, known),
        None if command.name == "bye" => Ok(ClientPacket::Bye),
        None => Err(Fault::shape("data is missing")),
    }
}

/// Tells text that is no JSON from JSON that is no message.
fn not_a_message(text: &str, error: &serde_json::Error) -> Fault {
    let is_json = error.classify() == Category::Data
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json {
        Fault::shape(
            r#"a message has to be a hash, {"command": NAME, "data": VALUE, "id": any string or number?}"#,
        )
    } else {
        Fault::new(
            ErrorCode::BadJson,
            format!(
                "the message is not valid JSON at line {} column {}",
                error.line(),
                error.column()
            ),
        )
    }
}

const REQUEST_ID_BYTES_MAX: usize = 64;

/// The `id`, at most 64 bytes of a string's content or of a number's digits.
fn request_id(value: Option<&RawValue>) -> Result<Option<RequestId>, Fault> {
    const WRONG: &str = "id has to be a string or a number of at most 64 bytes";
    let Some(value) = value else {
        return Ok(None);
    };
    let len = match kind(value) {
        Kind::Text => text(value, "id").map_err(|_| Fault::shape(WRONG))?.len(),
        Kind::Number => value.get().len(),
        _ => return Err(Fault::shape(WRONG)),
    };
    if len > REQUEST_ID_BYTES_MAX {
        return Err(Fault::shape(WRONG));
    }
    Ok(Some(RequestId(value.get().into())))
}

fn command_of(value: Option<&RawValue>) -> Result<&'static Command, Fault> {
    let name = text(required(value, "command")?, "command")?;
    COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
            Fault::new(
                ErrorCode::UnknownCommand,
                format!("there is no such command; there are {}", names.join(", ")),
            )
        })
}

/// Whether the JSON text is nested at most `depth_max` deep.
fn is_within_depth(text: &str, depth_max: usize) -> bool {
    // Each level takes a bracket at either end.
    if text.len() / 2 <= depth_max {
        return true;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

type Read = fn(&RawValue, &Known) -> Result<ClientPacket, Fault>;

/// One command: how its `data` is read, and what a person is told it takes.
#[derive(Debug)]
struct Command {
    name: &'static str,
    takes: &'static str,
    read: Read,
}

const fn command(name: &'static str, takes: &'static str, read: Read) -> Command {
    Command { name, takes, read }
}

/// In the order of the protocol's table.
static COMMANDS: [Command; 20] = [
    command(
        "idme",
        r#"a user id like "1:12345", or {"user": U, "credentials": {...}?, "attributes": {...}?}"#,
        |data, _| idme(data),
    ),
    command("resume", r#"{"session": S, "received": N}"#, |data, _| {
        resume(data)
    }),
    command("subscribe", "a list of user ids", |data, _| {
        users(data, "data").map(ClientPacket::Subscribe)
    }),
    command("unsubscribe", "a list of user ids", |data, _| {
        users(data, "data").map(ClientPacket::Unsubscribe)
    }),
    command(
        "status",
        r#"a state, or {"state": STATE, "note": any?}; states are online, idle, busy and invisible"#,
        |data, _| status(data),
    ),
    command(
        "joingame",
        r#"{"channel": C, "self": U, "invite": [U, ...]?, "team": T?, "game": G?}"#,
        |data, _| join_game(data),
    ),
    command("leavegame", r#"{"channel": C}"#, |data, _| {
        channel_alone(data).map(ClientPacket::LeaveGame)
    }),
    command(
        "game",
        r#"{"channel": C, "actions": [{"timestamp": ms, "from": U, "data": any, "team": T?}, ...]}"#,
        |data, _| game(data),
    ),
    command("declineinvite", r#"{"channel": C}"#, |data, _| {
        channel_alone(data).map(ClientPacket::DeclineInvite)
    }),
    command(
        "joinchannel",
        r#"{"channel": P, "subpaths": bool?, "since": {"epoch": E, "offset": N}?, "history": n?}"#,
        |data, _| join_channel(data),
    ),
    command("leavechannel", r#"{"channel": P}"#, |data, _| {
        channel_alone(data).map(ClientPacket::LeaveChannel)
    }),
    command("publish", r#"{"channel": P, "data": any}"#, |data, _| {
        publish(data)
    }),
    command(
        "call",
        r#"{"f": "service:function", "args": any?}"#,
        |data, _| call(data),
    ),
    command("reply", "any data, with the id of the call", reply),
    command(
        "set",
        "a hash of attributes, where null removes one",
        |data, _| {
            entries(data, "data", |value| {
                Ok((kind(value) != Kind::Null).then(|| opaque(value)))
            })
            .map(ClientPacket::Set)
        },
    ),
    command(
        "provide",
        r#"{"services": {NAME: [FUNCTION, ...]}}"#,
        |data, _| provide(data),
    ),
    command("time", r#"{"t0": ms, "received": N?}"#, |data, _| {
        time(data)
    }),
    command("lookup", "a list of user ids", |data, _| {
        users(data, "data").map(ClientPacket::Lookup)
    }),
    command("authenticate", r#"{"credentials": {...}}"#, |data, _| {
        let [credentials] = fields(data, "data", ["credentials"])?;
        Ok(ClientPacket::Authenticate {
            credentials: opaque_hash(required(credentials, "credentials")?, "credentials")?,
        })
    }),
    command("bye", "{}", |data, _| {
        fields(data, "data", []).map(|[]| ClientPacket::Bye)
    }),
];

fn idme(data: &RawValue) -> Result<ClientPacket, Fault> {
    if kind(data) == Kind::Text {
        return Ok(ClientPacket::IdMe {
            user: user(data, "data")?,
            credentials: None,
            attributes: Vec::new(),
        });
    }
    if kind(data) != Kind::Hash {
        return Err(Fault::shape("data has to be a user id or a hash"));
    }
    let [id, credentials, attributes] =
        fields(data, "data", ["user", "credentials", "attributes"])?;
    let attribute = |value: &RawValue| match kind(value) {
        Kind::Null => Err(Fault::shape("an attribute cannot be null; leave it out")),
        _ => Ok(opaque(value)),
    };
    Ok(ClientPacket::IdMe {
        user: user(required(id, "user")?, "user")?,
        credentials: credentials
            .map(|value| opaque_hash(value, "credentials"))
            .transpose()?,
        attributes: match attributes {
            Some(value) => entries(value, "attributes", attribute)?,
            None => Vec::new(),
        },
    })
}

fn resume(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [session, received] = fields(data, "data", ["session", "received"])?;
    let session = text(required(session, "session")?, "session")?;
    let received = whole(required(received, "received")?, "received")?;
    // Whoever comes with what never was a session has to identify anew, like
    // one whose session is gone.
    let session = SessionId::parse(&session)
        .map_err(|error| Fault::new(ErrorCode::SessionExpired, error.to_string()))?;
    Ok(ClientPacket::Resume { session, received })
}

/// A list of users, each once, in the order in which they first come.
fn users(value: &RawValue, name: &str) -> Result<Vec<UserId>, Fault> {
    let (mut list, mut seen) = (Vec::new(), HashSet::new());
    each(value, name, |index, element| {
        let element = user(element, "a user id").map_err(|fault| fault.at(index))?;
        if seen.insert(element.clone()) {
            list.push(element);
        }
        Ok(())
    })?;
    Ok(list)
}

fn status(data: &RawValue) -> Result<ClientPacket, Fault> {
    let (state, note) = match kind(data) {
        Kind::Text => (data, None),
        Kind::Hash => {
            let [state, note] = fields(data, "data", ["state", "note"])?;
            (required(state, "state")?, note)
        }
        _ => return Err(Fault::shape("data has to be a state or a hash")),
    };
    let state = match &*text(state, "state")? {
        "online" => Status::Online,
        "idle" => Status::Idle,
        "busy" => Status::Busy,
        "invisible" => Status::Invisible,
        _ => return Err(Fault::shape("there is no such state")),
    };
    Ok(ClientPacket::Status {
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

fn channel_alone(data: &RawValue) -> Result<crate::id::ChannelId, Fault> {
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
        return Err(Fault::shape("actions has to have at least one action"));
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
    let [path, subpaths, since, history] =
        fields(data, "data", ["channel", "subpaths", "since", "history"])?;
    let position = |value| {
        let [epoch, offset] = fields(value, "since", ["epoch", "offset"])?;
        Ok(Position {
            epoch: owned_text(required(epoch, "since.epoch")?, "since.epoch")?,
            offset: whole(required(offset, "since.offset")?, "since.offset")?,
        })
    };
    // More than any history holds is as good as all of it.
    let count =
        |value| whole(value, "history").map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Ok(ClientPacket::JoinChannel(JoinChannel {
        channel: channel(required(path, "channel")?, "channel")?,
        subpaths: match subpaths {
            Some(value) => boolean(value, "subpaths")?,
            None => false,
        },
        since: since.map(position).transpose()?,
        history: history.map(count).transpose()?,
    }))
}

fn publish(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [path, payload] = fields(data, "data", ["channel", "data"])?;
    Ok(ClientPacket::Publish {
        channel: channel(required(path, "channel")?, "channel")?,
        data: opaque(required(payload, "data.data")?),
    })
}

fn call(data: &RawValue) -> Result<ClientPacket, Fault> {
    let [function, args] = fields(data, "data", ["f", "args"])?;
    Ok(ClientPacket::Call {
        f: owned_text(required(function, "f")?, "f")?,
        args: args.map(opaque),
    })
}

fn reply(data: &RawValue, known: &Known) -> Result<ClientPacket, Fault> {
    if known.id.is_none() {
        return Err(Fault::shape("id is missing"));
    }
    Ok(ClientPacket::Reply {
        result: opaque(data),
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
