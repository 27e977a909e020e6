//! Decodes commands from JSON text (section 2.1 of the protocol).
//!
//! Decided here, because the protocol leaves it open: a duplicate field is
//! refused; `null` is a value only inside opaque data, and in `set`, where it
//! removes an attribute; a user that occurs twice in a list counts once; a whole
//! message may be nested `depth_max` deep, its own object included; no number may be
//! beyond the range of a double.

use serde_json::error::Category;
use serde_json::value::RawValue;

use super::command::{COMMANDS, Command};
use super::field::{Fault, Fields, Kind, kind, required, text};
use super::flaw::{self, Flaw};
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientMessage, ClientPacket, Details, ErrorBody, RequestId};
use turntable_core::reason::ErrorCode;

/// Limits of the decoder.
#[derive(Debug, Clone, Copy)]
pub struct DecodeLimits {
    /// The maximum nesting of lists and objects, the message's own object
    /// included.
    pub depth_max: usize,
}

/// Why a text is not a command.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The code of the `error` for the client.
    pub code: ErrorCode,
    /// A sentence: the fault and the accepted form.
    pub message: Box<str>,
    /// The command, if it could be read.
    pub command: Option<&'static str>,
    /// The `id`, if it could be read.
    pub id: Option<RequestId>,
    /// `index` of the invalid element, `max` of the limit.
    pub details: Details,
    /// The limit that refuses, for the metrics.
    pub limit: Option<Limit>,
}

impl From<DecodeError> for ErrorBody {
    fn from(error: DecodeError) -> Self {
        Self {
            code: error.code,
            message: error.message,
            command: error.command.map(Into::into),
            details: error.details,
            reason: None,
            limit: error.limit,
            refusal: None,
        }
    }
}

/// Reads one message.
///
/// ```
/// use turntable_wire::json_v1::{DecodeLimits, decode};
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
/// `session_expired` (a `resume` with an invalid session id).
pub fn decode(text: &str, limits: &DecodeLimits) -> Result<ClientMessage, DecodeError> {
    let mut known = Known::default();
    let read = read(text, limits, &mut known);
    known.message(read)
}

/// Decodes a command from its parts, for encodings that write its name,
/// `data` and `id` in another form. `name` must be a command of the protocol.
///
/// ```
/// use serde_json::value::RawValue;
/// use turntable_wire::json_v1::{DecodeLimits, decode_parts};
/// let limits = DecodeLimits { depth_max: 32 };
/// let data: &RawValue = serde_json::from_str(r#""1:12345""#).unwrap();
/// let message = decode_parts("idme", Some(data), None, &limits).unwrap();
/// assert_eq!(message.packet.name(), "idme");
/// ```
///
/// # Errors
/// As [`decode`].
pub fn decode_parts(
    name: &str,
    data: Option<&RawValue>,
    id: Option<&RawValue>,
    limits: &DecodeLimits,
) -> Result<ClientMessage, DecodeError> {
    let mut known = Known::default();
    let read = request_id(id)
        .map(|id| known.id = id)
        .and_then(|()| named(name))
        .and_then(|command| {
            known.command = Some(command);
            let depth_max = limits.depth_max.saturating_sub(1);
            let flaw = data.map_or(Ok(()), |data| flaw::check(data.get(), depth_max));
            checked(flaw, limits, || {
                interpret(command, data, known.id.is_some())
            })
        });
    known.message(read)
}

/// The parts of a message that [`encode`](super::encode) wrote.
#[derive(Debug, Clone, Copy)]
pub struct MessageParts<'a> {
    /// The command's name.
    pub command: &'a str,
    /// Its `data`.
    pub data: &'a RawValue,
    /// Its `id`, if it has one.
    pub id: Option<&'a RawValue>,
}

/// Splits a message into its parts, for encodings that write them in another
/// form. `None` if it is not a message.
///
/// ```
/// use turntable_wire::json_v1::split;
/// let parts = split(r#"{"command":"idyou","data":{}}"#).unwrap();
/// assert_eq!((parts.command, parts.data.get()), ("idyou", "{}"));
/// ```
#[must_use]
pub fn split(text: &str) -> Option<MessageParts<'_>> {
    let [command, data, id] = Fields::read(text, ["command", "data", "id"]).ok()?.values;
    let command = command?.get();
    Some(MessageParts {
        command: command.strip_prefix('"')?.strip_suffix('"')?,
        data: data?,
        id,
    })
}

/// The parts that are known even if the rest of a message is invalid.
#[derive(Debug, Default)]
struct Known {
    id: Option<RequestId>,
    command: Option<&'static Command>,
}

impl Known {
    /// The message, or the error with all known parts.
    fn message(self, read: Result<ClientPacket, Fault>) -> Result<ClientMessage, DecodeError> {
        match read {
            Ok(packet) => Ok(ClientMessage {
                id: self.id,
                packet,
            }),
            Err(fault) => Err(DecodeError {
                message: self.sentence(&fault),
                code: fault.code,
                command: self.command.map(|command| command.name),
                id: self.id,
                details: fault.details,
                limit: fault.limit,
            }),
        }
    }

    /// The error, with the accepted form.
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
    // Both are read before an error is returned, so that it can name both.
    let id = match message.repeated {
        Some("id") => Ok(()),
        _ => request_id(id).map(|id| known.id = id),
    };
    let command = command_of(command).inspect(|command| known.command = Some(command));
    if let Some(name) = message.repeated {
        return Err(Fault::shape(format!("duplicate field {name}")));
    }
    id?;
    let command = command?;
    let flaw = flaw::check(text, limits.depth_max);
    checked(flaw, limits, || {
        interpret(command, data, known.id.is_some())
    })
}

/// What `interpret` makes of a text that has this flaw, or none. What is wrong with the
/// command comes before a number or a string that is wrong in any.
fn checked(
    flaw: Result<(), Flaw>,
    limits: &DecodeLimits,
    interpret: impl FnOnce() -> Result<ClientPacket, Fault>,
) -> Result<ClientPacket, Fault> {
    if let Err(Flaw::TooDeep) = flaw {
        return Err(faulty(Flaw::TooDeep, limits));
    }
    let packet = interpret()?;
    flaw.map(|()| packet).map_err(|flaw| faulty(flaw, limits))
}

/// Refuses a part of a message that is nested too deeply, or has a number beyond the
/// range of a double or a lone surrogate. The object around the part is a level, too.
pub(crate) fn check_part(part: &RawValue, limits: &DecodeLimits) -> Result<(), Fault> {
    let depth_max = limits.depth_max.saturating_sub(1);
    flaw::check(part.get(), depth_max).map_err(|flaw| faulty(flaw, limits))
}

/// Refuses data that is part of no command, as of an operator or a backend, where a
/// command with it would be refused. The object around it is a level, too.
///
/// ```
/// use turntable_wire::json_v1::{DecodeLimits, check_data};
/// let limits = DecodeLimits { depth_max: 3 };
/// assert!(check_data("[[1.50]]", &limits).is_ok());
/// for flawed in ["[[[]]]", "1e999", r#""\ud800""#] {
///     assert!(check_data(flawed, &limits).is_err());
/// }
/// ```
///
/// # Errors
/// As [`decode`]: `bad_message`, or `too_large` where it is nested too deeply.
pub fn check_data(json: &str, limits: &DecodeLimits) -> Result<(), DecodeError> {
    let depth_max = limits.depth_max.saturating_sub(1);
    match flaw::check(json, depth_max) {
        Ok(()) => Ok(()),
        Err(flaw) => {
            let refused = Known::default().message(Err(faulty(flaw, limits)));
            refused.map(|_| ())
        }
    }
}

fn faulty(flaw: Flaw, limits: &DecodeLimits) -> Fault {
    if let Some(sentence) = flaw.sentence() {
        return Fault::shape(sentence);
    }
    let mut fault = Fault::new(
        ErrorCode::TooLarge,
        "the message is nested too deeply; details.max is the limit",
    );
    fault.details.push(("max".into(), limits.depth_max as u64));
    fault.limit = Some(Limit::Depth);
    fault
}

fn interpret(
    command: &Command,
    data: Option<&RawValue>,
    has_id: bool,
) -> Result<ClientPacket, Fault> {
    match data {
        // A reply without an id belongs to no call.
        Some(_) if command.name == "reply" && !has_id => Err(Fault::shape("id is missing")),
        Some(data) => (command.read)(data),
        None if command.name == "bye" => Ok(ClientPacket::Bye),
        None => Err(Fault::shape("data is missing")),
    }
}

/// Distinguishes text that is not JSON from JSON that is not a message.
fn not_a_message(text: &str, error: &serde_json::Error) -> Fault {
    let is_json = error.classify() == Category::Data
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json {
        Fault::shape(
            r#"a message must be an object, {"command": NAME, "data": VALUE, "id": any string or number?}"#,
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

/// The `id`: at most 64 bytes of a string's content or of a number's digits.
pub(crate) fn request_id(value: Option<&RawValue>) -> Result<Option<RequestId>, Fault> {
    const WRONG: &str = "id must be a string or a number of at most 64 bytes";
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
    named(&text(required(value, "command")?, "command")?)
}

fn named(name: &str) -> Result<&'static Command, Fault> {
    COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
            Fault::new(
                ErrorCode::UnknownCommand,
                format!("unknown command; the commands are {}", names.join(", ")),
            )
        })
}
