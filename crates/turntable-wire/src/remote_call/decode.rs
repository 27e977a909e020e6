//! From the body of a poll to commands.
//!
//! Decided here, where the protocol leaves it open: an entry is one of the
//! three forms and not two at once; an entry may be nested `depth_max` deep,
//! its own hash included (the array around it is not counted), which is what
//! v1 allows; `$av` has the commands and nothing else. An answer `{"id",
//! "error": E}` becomes a reply whose result is `{"error": E}`.

use serde_json::value::RawValue;

use super::CORE;
use crate::json_v1::field::{Fault, Fields, Kind, each, fields, kind, required, text};
use crate::json_v1::{DecodeError, DecodeLimits, check_depth, decode_parts, request_id};
use turntable_core::packet::{ClientMessage, ClientPacket, ErrorBody, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// What a decoder allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How deep lists and hashes may be nested in an entry, its own hash
    /// included.
    pub depth_max: usize,
    /// How many entries a body may have.
    pub batch_max: usize,
}

/// One entry of a body: the command, or what its sender is told.
pub type Entry = Result<ClientMessage, DecodeError>;

/// Reads the body of a poll, whose entries stay in their order. An empty array
/// has none: a heartbeat.
///
/// ```
/// use turntable_wire::remote_call::{Limits, decode};
/// let limits = Limits { depth_max: 32, batch_max: 100 };
/// let body = r#"[{"f": "$av:idme", "args": "1:12345", "id": 1},
///     {"f": "$av:dance"},
///     {"f": "forum:createPost", "args": {"title": "test post"}, "id": 2}]"#;
/// let [idme, dance, post] = &decode(body, &limits).unwrap()[..] else { panic!() };
/// assert_eq!(idme.as_ref().unwrap().packet.name(), "idme");
/// assert_eq!(dance.as_ref().unwrap_err().code.name(), "unknown_command");
/// assert_eq!(post.as_ref().unwrap().packet.name(), "call");
/// ```
///
/// # Errors
/// [`ErrorBody`] where there is nothing to take entries from: `bad_json`,
/// `bad_message` (neither an array nor a hash) or `too_many` entries. What is
/// wrong with one entry stands in its place: an error as of
/// [`json_v1::decode`](crate::json_v1::decode).
pub fn decode(body: &str, limits: &Limits) -> Result<Vec<Entry>, ErrorBody> {
    let body: &RawValue = serde_json::from_str(body).map_err(|error| bad_json(&error))?;
    match kind(body) {
        Kind::Hash => Ok(vec![read(body, limits)]),
        Kind::List => batch(body, limits).map_err(|fault| ErrorBody {
            code: fault.code,
            message: (*fault.message).into(),
            command: None,
            details: fault.details,
        }),
        _ => Err(ErrorBody::new(
            ErrorCode::BadMessage,
            format!("the body has to be an array of entries, or one entry; {FORMS}"),
        )),
    }
}

/// What a person is told an entry is.
const FORMS: &str = r#"an entry is a call {"f": "service:function", "args": any?, "id": any string or number?} or an answer {"id", "r": any} or {"id", "error": {"code", "message"}}"#;

fn bad_json(error: &serde_json::Error) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::BadJson,
        format!(
            "the body is not valid JSON at line {} column {}",
            error.line(),
            error.column()
        ),
    )
}

fn batch(list: &RawValue, limits: &Limits) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    each(list, "the body", |_, element| {
        if entries.len() >= limits.batch_max {
            let mut fault = Fault::new(
                ErrorCode::TooMany,
                format!("at most {} entries in one request", limits.batch_max),
            );
            fault.details.push(("max".into(), limits.batch_max as u64));
            return Err(fault);
        }
        entries.push(read(element, limits));
        Ok(())
    })?;
    Ok(entries)
}

/// Reads one entry; the error carries the `id` where that could be read.
fn read(entry: &RawValue, limits: &Limits) -> Entry {
    let limits = DecodeLimits {
        depth_max: limits.depth_max,
    };
    let mut known = None;
    interpret(entry, &limits, &mut known).unwrap_or_else(|fault| Err(refused(fault, known)))
}

fn refused(fault: Fault, id: Option<RequestId>) -> DecodeError {
    DecodeError {
        message: match fault.code {
            ErrorCode::BadMessage => format!("{}; {FORMS}", fault.message).into(),
            _ => (*fault.message).into(),
        },
        code: fault.code,
        command: None,
        id,
        details: fault.details,
    }
}

fn interpret(
    entry: &RawValue,
    limits: &DecodeLimits,
    known: &mut Option<RequestId>,
) -> Result<Entry, Fault> {
    if kind(entry) != Kind::Hash {
        return Err(Fault::shape("an entry has to be a hash"));
    }
    let Fields {
        values: [f, args, id, result, error],
        repeated,
    } = Fields::read(entry.get(), ["f", "args", "id", "r", "error"])
        .map_err(|_| Fault::shape("an entry has a key that is not valid Unicode"))?;
    // Read before anything is refused: an error names what it can.
    if repeated != Some("id") {
        *known = request_id(id)?;
    }
    if let Some(name) = repeated {
        return Err(Fault::shape(format!("{name} stands twice")));
    }
    let packet = match (f, result, error) {
        (Some(f), None, None) => {
            let f = text(f, "f")?;
            if let Some(name) = f.strip_prefix(CORE) {
                return command(name, args, id, limits);
            }
            call(f.into(), args, limits)?
        }
        (None, Some(result), None) => reply(result, known.as_ref(), limits)?,
        (None, None, Some(error)) => failure(error, known.as_ref(), limits)?,
        (None, None, None) => return Err(Fault::shape("f is missing")),
        _ => return Err(Fault::shape("only one of f, r and error can stand")),
    };
    Ok(Ok(ClientMessage {
        id: known.take(),
        packet,
    }))
}

/// A command of the core. What is wrong with its arguments is told as on v1,
/// where they are called `data`.
fn command(
    name: &str,
    args: Option<&RawValue>,
    id: Option<&RawValue>,
    limits: &DecodeLimits,
) -> Result<Entry, Fault> {
    let mut names = ClientPacket::COMMANDS.iter().map(|(name, _)| *name);
    if names.any(|known| known == name) {
        return Ok(decode_parts(name, args, id, limits));
    }
    let names: Vec<String> = ClientPacket::COMMANDS
        .iter()
        .map(|(name, _)| format!("{CORE}{name}"))
        .collect();
    Err(Fault::new(
        ErrorCode::UnknownCommand,
        format!("there is no such function; there are {}", names.join(", ")),
    ))
}

fn call(
    f: Box<str>,
    args: Option<&RawValue>,
    limits: &DecodeLimits,
) -> Result<ClientPacket, Fault> {
    args.map_or(Ok(()), |args| check_depth(args, limits))?;
    Ok(ClientPacket::Call {
        f,
        args: args.map(|args| Payload::from_json(args.get())),
    })
}

/// The answer to a call of the server.
fn reply(
    result: &RawValue,
    id: Option<&RequestId>,
    limits: &DecodeLimits,
) -> Result<ClientPacket, Fault> {
    answers(id)?;
    check_depth(result, limits)?;
    Ok(ClientPacket::Reply {
        result: Payload::from_json(result.get()),
    })
}

/// The answer to a call of the server that failed at the client.
fn failure(
    error: &RawValue,
    id: Option<&RequestId>,
    limits: &DecodeLimits,
) -> Result<ClientPacket, Fault> {
    answers(id)?;
    check_depth(error, limits)?;
    let [code, message] = fields(error, "error", ["code", "message"])?;
    for (value, name) in [(code, "error.code"), (message, "error.message")] {
        text(required(value, name)?, name)?;
    }
    Ok(ClientPacket::Reply {
        result: Payload::from_json(&format!(r#"{{"error":{}}}"#, error.get())),
    })
}

/// Without an id there is no call that an answer could belong to.
fn answers(id: Option<&RequestId>) -> Result<(), Fault> {
    id.map_or_else(|| Err(Fault::shape("id is missing")), |_| Ok(()))
}
