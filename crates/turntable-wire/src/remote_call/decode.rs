//! Decodes commands from the body of a poll.
//!
//! Decided here, because the protocol leaves it open: an entry has exactly one
//! of the three forms; an entry may be nested `depth_max` deep, its own object
//! included (the array around it is not counted), as in v1; `$av` contains the
//! commands, and `$av:direct`, which is a call. An answer `{"id", "error": E}` becomes a reply with the result
//! `{"error": E}`.

use serde_json::value::RawValue;

use super::CORE;
use crate::json_v1::field::{Fault, Fields, Kind, each, fields, kind, required, text, user};
use crate::json_v1::{DecodeError, DecodeLimits, check_part, decode_parts, request_id};
use turntable_core::model::service::direct::DIRECT;
use turntable_core::packet::{ClientMessage, ClientPacket, ErrorBody, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// Limits of the decoder.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum nesting of lists and objects in an entry, its own object
    /// included.
    pub depth_max: usize,
    /// The maximum number of entries in a body.
    pub batch_max: usize,
}

/// One entry of a body: the command, or the error for its sender.
pub type Entry = Result<ClientMessage, DecodeError>;

/// Decodes the body of a poll into its entries, in order. An empty array is a
/// heartbeat and has none.
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
/// [`ErrorBody`] if the body has no entries: `bad_json`, `bad_message` (neither an
/// array nor an object) or `too_many` entries. The error of a single entry is
/// returned in its place, as from
/// [`json_v1::decode`](crate::json_v1::decode).
pub fn decode(body: &str, limits: &Limits) -> Result<Vec<Entry>, ErrorBody> {
    let body: &RawValue = serde_json::from_str(body).map_err(|error| bad_json(&error))?;
    match kind(body) {
        Kind::Object => Ok(vec![read(body, limits)]),
        Kind::List => batch(body, limits).map_err(|fault| ErrorBody {
            code: fault.code,
            message: (*fault.message).into(),
            command: None,
            details: fault.details,
            reason: None,
            limit: fault.limit,
            refusal: None,
        }),
        _ => Err(ErrorBody::new(
            ErrorCode::BadMessage,
            format!("the body must be an array of entries, or one entry; {FORMS}"),
        )),
    }
}

/// The description of an entry, for errors.
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

/// Decodes one entry; the error carries the `id` if that could be read.
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
        limit: fault.limit,
    }
}

fn interpret(
    entry: &RawValue,
    limits: &DecodeLimits,
    known: &mut Option<RequestId>,
) -> Result<Entry, Fault> {
    if kind(entry) != Kind::Object {
        return Err(Fault::shape("an entry must be an object"));
    }
    let Fields {
        values: [f, args, whose, id, result, error],
        repeated,
    } = Fields::read(entry.get(), ["f", "args", "user", "id", "r", "error"])
        .map_err(|_| Fault::shape("an entry has a key that is not valid Unicode"))?;
    // Read before an error is returned, so that it can name the id.
    if repeated != Some("id") {
        *known = request_id(id)?;
    }
    if let Some(name) = repeated {
        return Err(Fault::shape(format!("duplicate field {name}")));
    }
    let packet = match (f, result, error) {
        (Some(f), None, None) => {
            let f = text(f, "f")?;
            if let Some(name) = f.strip_prefix(CORE)
                && *f != *DIRECT
            {
                return command(name, args, id, limits);
            }
            call(f.into(), args, whose, limits)?
        }
        (None, Some(result), None) => reply(result, known.as_ref(), limits)?,
        (None, None, Some(error)) => failure(error, known.as_ref(), limits)?,
        (None, None, None) => return Err(Fault::shape("f is missing")),
        _ => return Err(Fault::shape("only one of f, r and error is allowed")),
    };
    Ok(Ok(ClientMessage {
        id: known.take(),
        packet,
    }))
}

/// A command. Errors about its arguments are those of v1, where they are
/// called `data`.
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
        .chain([DIRECT.to_owned()])
        .collect();
    Err(Fault::new(
        ErrorCode::UnknownCommand,
        format!("unknown function; the functions are {}", names.join(", ")),
    ))
}

fn call(
    f: Box<str>,
    args: Option<&RawValue>,
    whose: Option<&RawValue>,
    limits: &DecodeLimits,
) -> Result<ClientPacket, Fault> {
    args.map_or(Ok(()), |args| check_part(args, limits))?;
    Ok(ClientPacket::Call {
        f,
        args: args.map(|args| Payload::from_json(args.get())),
        user: whose.map(|whose| user(whose, "user")).transpose()?,
    })
}

/// The answer to a call of the server.
fn reply(
    result: &RawValue,
    id: Option<&RequestId>,
    limits: &DecodeLimits,
) -> Result<ClientPacket, Fault> {
    answers(id)?;
    check_part(result, limits)?;
    Ok(ClientPacket::Reply {
        result: Payload::from_json(result.get()),
    })
}

/// The error answer to a call of the server.
fn failure(
    error: &RawValue,
    id: Option<&RequestId>,
    limits: &DecodeLimits,
) -> Result<ClientPacket, Fault> {
    answers(id)?;
    check_part(error, limits)?;
    let [code, message] = fields(error, "error", ["code", "message"])?;
    for (value, name) in [(code, "error.code"), (message, "error.message")] {
        text(required(value, name)?, name)?;
    }
    Ok(ClientPacket::Reply {
        result: Payload::from_json(&format!(r#"{{"error":{}}}"#, error.get())),
    })
}

/// An answer without an id belongs to no call.
fn answers(id: Option<&RequestId>) -> Result<(), Fault> {
    id.map_or_else(|| Err(Fault::shape("id is missing")), |_| Ok(()))
}
