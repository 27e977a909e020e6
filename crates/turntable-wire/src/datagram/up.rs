//! Decodes datagrams from clients.
//!
//! A body is one datagram or a list. Each entry is decoded separately, so that
//! one bad entry does not affect the others. Only a body that is not a list of
//! entries is refused as a whole. Nothing recurses: parts remain JSON text until
//! their own decoder reads them.

use serde_json::value::RawValue;

use crate::json_v1::command::{history_count, position};
use crate::json_v1::field::{Fault, Kind, boolean, each, fields, kind, opaque, required, text};
use crate::json_v1::flaw;
use crate::json_v1::{self, DecodeLimits};
use turntable_core::id::{ChannelId, SessionId, UserId};
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientMessage, ErrorBody, Position, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// Limits of the decoder.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// The maximum number of datagrams in a list, and of paths in one
    /// `/interest`.
    pub batch_max: usize,
    /// Limits of each command; they apply to published data, too.
    pub message: DecodeLimits,
}

/// The content of one request.
#[derive(Debug)]
pub struct Batch {
    /// Whether the client sent a list. It is then answered with a list.
    pub is_array: bool,
    /// The datagrams in order; exactly one if no list was sent.
    pub entries: Vec<Result<Sent, SentError>>,
}

/// A datagram that a client sent.
#[derive(Debug)]
pub struct Sent {
    /// The tunnel that the client names; not yet verified.
    pub tunnel: SessionId,
    /// Its destination.
    pub to: SentTo,
}

/// The destination of a datagram.
#[derive(Debug)]
pub enum SentTo {
    /// `/server`: a command.
    Server(Box<ClientMessage>),
    /// `/channel/P`: a publication.
    Channel {
        /// The channel.
        channel: ChannelId,
        /// The published data.
        data: Payload,
    },
    /// `/tunnel/T`: to one tunnel only.
    Tunnel {
        /// The receiving tunnel.
        tunnel: SessionId,
        /// The data.
        data: Payload,
    },
    /// `/interest`: paths that the tunnel subscribes to and unsubscribes from.
    Interest {
        /// Paths to subscribe to.
        add: Vec<Interest>,
        /// Paths to unsubscribe from.
        remove: Vec<Interest>,
    },
}

/// A path that a tunnel is interested in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// The path.
    pub path: InterestPath,
    /// Whether paths below it are included.
    pub subpaths: bool,
    /// Where an earlier subscription ended.
    pub since: Option<Position>,
    /// The number of past messages that are wanted.
    pub history: Option<u32>,
}

/// A path that can be of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterestPath {
    /// `/channel/P`
    Channel(ChannelId),
    /// `/user/U`: only one's own, which is always delivered.
    User(UserId),
    /// `/tunnel/T`: only one's own, which is always delivered.
    Tunnel(SessionId),
}

/// Why a datagram is refused, and what could be read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SentError {
    /// The error for its sender.
    pub body: ErrorBody,
    /// The tunnel, if it could be read.
    pub tunnel: Option<SessionId>,
    /// The `id` of a command, if it could be read.
    pub id: Option<RequestId>,
}

/// Reads the body of a request: one datagram or a list of them.
///
/// ```
/// use turntable_wire::datagram::{BatchLimits, SentTo, decode};
/// use turntable_wire::json_v1::DecodeLimits;
/// let limits = BatchLimits { batch_max: 8, message: DecodeLimits { depth_max: 32 } };
/// let body = r#"[{"tunnel": "AAAAAAAAAAAAAAAAAAAAAA", "path": "/channel/chat", "data": "hi"}, 7]"#;
/// let batch = decode(body, &limits).unwrap();
/// assert!(batch.is_array);
/// assert!(matches!(batch.entries[0].as_ref().unwrap().to, SentTo::Channel { .. }));
/// assert_eq!(batch.entries[1].as_ref().unwrap_err().body.code.name(), "bad_message");
/// ```
///
/// # Errors
/// `bad_json` for text that is not JSON; `bad_message` for a value that is
/// neither an object nor a list; `too_many` for a list longer than `batch_max`.
pub fn decode(body: &str, limits: &BatchLimits) -> Result<Batch, ErrorBody> {
    let value: &RawValue = serde_json::from_str(body).map_err(|error| {
        ErrorBody::new(
            ErrorCode::BadJson,
            format!(
                "the body is not valid JSON at line {} column {}",
                error.line(),
                error.column()
            ),
        )
    })?;
    match kind(value) {
        Kind::Object => Ok(Batch {
            is_array: false,
            entries: vec![entry(value, limits)],
        }),
        Kind::List => {
            let mut entries = Vec::new();
            each(value, "the body", |_, element| {
                bounded(entries.len(), limits, "datagrams in one list")?;
                entries.push(entry(element, limits));
                Ok(())
            })
            .map_err(body_of)?;
            Ok(Batch {
                is_array: true,
                entries,
            })
        }
        _ => Err(ErrorBody::new(
            ErrorCode::BadMessage,
            format!("the body must be a datagram or a list of datagrams; {TAKES}"),
        )),
    }
}

const TAKES: &str = r#"a datagram is {"tunnel": T, "path": PATH, "data": any}, with the path /server, /channel/P, /tunnel/T or /interest"#;

const INTEREST_TAKES: &str = r#"/interest takes {"add": [{"path": "/channel/P", "subpaths": bool?}, ...]?, "remove": [PATH or {"path": PATH}, ...]?}"#;

fn entry(value: &RawValue, limits: &BatchLimits) -> Result<Sent, SentError> {
    let mut known = None;
    datagram(value, limits, &mut known).map_err(|refusal| {
        let (body, id) = match refusal {
            Refusal::Datagram(fault) => (error_body(fault, TAKES), None),
            Refusal::Interest(fault) => (error_body(fault, INTEREST_TAKES), None),
            Refusal::Command(error) => {
                let id = error.id.clone();
                (ErrorBody::from(*error), id)
            }
        };
        SentError {
            body,
            tunnel: known,
            id,
        }
    })
}

/// The error; its parts have their own messages.
enum Refusal {
    Datagram(Fault),
    Interest(Fault),
    Command(Box<json_v1::DecodeError>),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Datagram(fault)
    }
}

fn datagram(
    value: &RawValue,
    limits: &BatchLimits,
    known: &mut Option<SessionId>,
) -> Result<Sent, Refusal> {
    let [tunnel, path, data] = fields(value, "a datagram", ["tunnel", "path", "data"])?;
    let tunnel = tunnel_id(&text(required(tunnel, "tunnel")?, "tunnel")?)?;
    *known = Some(tunnel);
    let path = text(required(path, "path")?, "path")?;
    let data = || required(data, "data");
    let to = match place(&path) {
        Some(("/server", None)) => json_v1::decode(data()?.get(), &limits.message)
            .map(|message| SentTo::Server(Box::new(message)))
            .map_err(|error| Refusal::Command(Box::new(error)))?,
        Some(("/interest", None)) => interest(data()?, limits).map_err(Refusal::Interest)?,
        Some(("/channel", Some(channel))) => SentTo::Channel {
            channel: channel_id(channel)?,
            data: published(data()?, limits)?,
        },
        Some(("/tunnel", Some(other))) => SentTo::Tunnel {
            tunnel: tunnel_id(other)?,
            data: published(data()?, limits)?,
        },
        _ => return Err(Fault::shape("nothing can be sent to this path").into()),
    };
    Ok(Sent { tunnel, to })
}

/// Splits a path into its first segment and the rest.
fn place(path: &str) -> Option<(&str, Option<&str>)> {
    let end = path.strip_prefix('/')?.find('/').map(|end| end + 1);
    Some(match end.and_then(|end| path.split_at_checked(end)) {
        Some((head, rest)) => (head, rest.strip_prefix('/')),
        None => (path, None),
    })
}

fn tunnel_id(text: &str) -> Result<SessionId, Fault> {
    SessionId::parse(text).map_err(|_| {
        Fault::new(
            ErrorCode::NotFound,
            "there is no such tunnel; its id is the 22 characters that were sent when it was opened",
        )
    })
}

fn channel_id(text: &str) -> Result<ChannelId, Fault> {
    // A channel may begin with a slash elsewhere; here the path contains it.
    if text.starts_with('/') {
        return Err(Fault::shape("the path has an empty segment"));
    }
    ChannelId::parse(text)
        .map_err(|error| Fault::new(ErrorCode::InvalidId, format!("path: {error}")))
}

/// Opaque data, with the limits that a `publish` of it would have.
fn published(data: &RawValue, limits: &BatchLimits) -> Result<Payload, Fault> {
    /// The object of the command and the object of its data.
    const LEVELS: usize = 2;
    let depth_max = limits.message.depth_max.saturating_sub(LEVELS);
    let Err(flaw) = flaw::check(data.get(), depth_max) else {
        return Ok(opaque(data));
    };
    if let Some(sentence) = flaw.sentence() {
        return Err(Fault::shape(sentence));
    }
    let mut fault = Fault::new(
        ErrorCode::TooLarge,
        "data is nested too deeply; details.max is the limit",
    );
    fault.details.push(("max".into(), depth_max as u64));
    fault.limit = Some(Limit::Depth);
    Err(fault)
}

fn interest(data: &RawValue, limits: &BatchLimits) -> Result<SentTo, Fault> {
    let [add, remove] = fields(data, "data", ["add", "remove"])?;
    if add.is_none() && remove.is_none() {
        return Err(Fault::shape("add and remove are missing"));
    }
    let mut count = 0;
    let mut list = |value: Option<&RawValue>, name: &str| {
        let mut list = Vec::new();
        let Some(value) = value else {
            return Ok(list);
        };
        each(value, name, |index, element| {
            bounded(count, limits, "paths in one datagram")?;
            count += 1;
            list.push(one_interest(element, name).map_err(|fault| fault.at(index))?);
            Ok(())
        })?;
        Ok(list)
    };
    Ok(SentTo::Interest {
        add: list(add, "add")?,
        remove: list(remove, "remove")?,
    })
}

/// A path, or an object with one.
fn one_interest(value: &RawValue, name: &str) -> Result<Interest, Fault> {
    let (mut since, mut history) = (None, None);
    let (path, subpaths) = match kind(value) {
        Kind::Text => (value, false),
        Kind::Object => {
            let [path, subpaths, position_of, count] =
                fields(value, name, ["path", "subpaths", "since", "history"])?;
            since = position_of.map(position).transpose()?;
            history = count.map(history_count).transpose()?;
            let subpaths = subpaths.map(|value| boolean(value, "subpaths"));
            (
                required(path, "path")?,
                subpaths.transpose()?.unwrap_or(false),
            )
        }
        _ => {
            return Err(Fault::shape(format!(
                "each element of {name} must be a path or an object with a path"
            )));
        }
    };
    let path = match place(&text(path, "path")?) {
        Some(("/channel", Some(channel))) => InterestPath::Channel(channel_id(channel)?),
        Some(("/tunnel", Some(tunnel))) => InterestPath::Tunnel(tunnel_id(tunnel)?),
        Some(("/user", Some(user))) => InterestPath::User(
            UserId::parse(user)
                .map_err(|error| Fault::new(ErrorCode::InvalidId, format!("path: {error}")))?,
        ),
        _ => {
            return Err(Fault::shape(format!(
                "a path of {name} is not one of /channel/P"
            )));
        }
    };
    Ok(Interest {
        path,
        subpaths,
        since,
        history,
    })
}

/// Refuses more than `batch_max`.
fn bounded(count: usize, limits: &BatchLimits, what: &str) -> Result<(), Fault> {
    if count < limits.batch_max {
        return Ok(());
    }
    let mut fault = Fault::new(
        ErrorCode::TooMany,
        format!("too many {what}; details.max is the limit"),
    );
    fault.details.push(("max".into(), limits.batch_max as u64));
    Err(fault)
}

/// The error, with the accepted form.
fn error_body(fault: Fault, takes: &str) -> ErrorBody {
    let is_shape = fault.code == ErrorCode::BadMessage;
    let mut body = body_of(fault);
    if is_shape {
        body.message = format!("{}; {takes}", body.message).into();
    }
    body
}

fn body_of(fault: Fault) -> ErrorBody {
    ErrorBody {
        code: fault.code,
        message: (*fault.message).into(),
        command: None,
        details: fault.details,
        reason: None,
        limit: fault.limit,
        refusal: None,
    }
}
