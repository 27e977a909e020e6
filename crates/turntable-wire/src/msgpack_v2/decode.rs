//! Decodes commands from v2 messages, with the decoder of `json_v1`.
//!
//! The bytes are split first, `data` and `id` are transcoded to JSON text, and
//! `json_v1::decode_parts` decodes those. So an error about the command or its
//! data carries the `id`.

use serde_json::value::RawValue;

use super::reader::{Reader, Token};
use super::{TranscodeLimits, V2Error, to_json};
use crate::json_v1::{self, DecodeError};
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientMessage, ClientPacket, RequestId, ServerPacket};
use turntable_core::reason::ErrorCode;

/// The form of a message, for errors.
const FORM: &str = "a message must be an array, [number of the command, data] or \
    [number of the command, data, id]";

/// Limits of the decoder.
#[derive(Debug, Clone, Copy)]
pub struct DecodeLimits {
    /// The maximum nesting of lists and objects, the message's own array
    /// included.
    pub depth_max: usize,
    /// The maximum size of a message, in bytes. As JSON it may be four times as
    /// long plus 64 bytes: binary grows by a third, an integer from one byte to four.
    pub message_bytes_max: usize,
}

impl DecodeLimits {
    /// The limits that remain for one part of the message.
    const fn part(&self) -> TranscodeLimits {
        TranscodeLimits {
            depth_max: self.depth_max.saturating_sub(1),
            json_bytes_max: self.message_bytes_max.saturating_mul(4).saturating_add(64),
        }
    }

    fn fault(&self, error: V2Error) -> DecodeError {
        let limit = matches!(error, V2Error::TooDeep).then_some(Limit::Depth);
        let (code, details) = match error {
            _ if error.is_not_msgpack() => (ErrorCode::BadJson, Vec::new()),
            V2Error::TooDeep => (
                ErrorCode::TooLarge,
                vec![("max".into(), self.depth_max as u64)],
            ),
            V2Error::TooLarge => {
                let max = self.part().json_bytes_max;
                (ErrorCode::TooLarge, vec![("max".into(), max as u64)])
            }
            _ => (ErrorCode::BadMessage, Vec::new()),
        };
        let message = match code {
            ErrorCode::BadJson => format!("the message is not valid MessagePack: {error}"),
            _ => error.to_string(),
        };
        DecodeError {
            code,
            message: message.into(),
            command: None,
            id: None,
            details,
            limit,
        }
    }
}

/// Reads one message of a client.
///
/// ```
/// use turntable_wire::msgpack_v2::{DecodeLimits, decode};
/// let limits = DecodeLimits { depth_max: 32, message_bytes_max: 1024 };
/// let message = decode(b"\x93\x01\xa71:12345\x07", &limits).unwrap();
/// assert_eq!((message.packet.name(), &*message.id.unwrap().0), ("idme", "7"));
/// let error = decode(b"\x93\x63\xc0\x07", &limits).unwrap_err();
/// assert_eq!(error.code.name(), "unknown_command");
/// ```
///
/// # Errors
/// As [`json_v1::decode`]; `bad_json` for bytes that are not MessagePack.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<ClientMessage, DecodeError> {
    let message = Parts::read(bytes, limits)?;
    let json_limits = json_v1::DecodeLimits {
        depth_max: limits.depth_max,
    };
    let id = message.id(limits);
    // If the id itself is invalid, the error has none.
    let known = id.as_ref().ok().cloned().flatten();
    let command = message.command(&ClientPacket::COMMANDS);
    let named = |error: DecodeError| DecodeError {
        command: command.as_ref().ok().copied(),
        id: known.clone(),
        ..error
    };
    let id = id.map_err(named)?;
    let name = command.clone().map_err(named)?;
    let mut json = Vec::with_capacity(bytes.len());
    let data = match message.data {
        Some(data) => {
            to_json(data, &limits.part(), &mut json).map_err(|error| named(limits.fault(error)))?;
            Some(raw(&json).ok_or_else(|| named(internal()))?)
        }
        None => None,
    };
    let id = id.map(|RequestId(id)| id);
    let id = match &id {
        Some(id) => Some(raw(id.as_bytes()).ok_or_else(|| named(internal()))?),
        None => None,
    };
    json_v1::decode_parts(name, data, id, &json_limits)
}

/// Decodes one message of the server, as a client does, and appends it as v1
/// text. On an error `out` is unchanged.
///
/// ```
/// use turntable_wire::msgpack_v2::{DecodeLimits, decode_server};
/// let limits = DecodeLimits { depth_max: 32, message_bytes_max: 1024 };
/// let mut out = Vec::new();
/// decode_server(&[0x92, 64, 0x80], &limits, &mut out).unwrap();
/// assert_eq!(out, br#"{"command":"idyou","data":{}}"#);
/// ```
///
/// # Errors
/// As [`decode`], but the data is not validated.
pub fn decode_server(
    bytes: &[u8],
    limits: &DecodeLimits,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let message = Parts::read(bytes, limits)?;
    let id = message.id(limits)?;
    let name = message.command(&ServerPacket::MESSAGES)?;
    let start = out.len();
    out.extend_from_slice(format!(r#"{{"command":"{name}","data":"#).as_bytes());
    let data = message.data.unwrap_or(&[0xc0]);
    if let Err(error) = to_json(data, &limits.part(), out) {
        out.truncate(start);
        return Err(limits.fault(error));
    }
    if let Some(RequestId(id)) = id {
        out.extend_from_slice(br#","id":"#);
        out.extend_from_slice(id.as_bytes());
    }
    out.push(b'}');
    Ok(())
}

/// A message of valid MessagePack, split into its parts.
struct Parts<'a> {
    number: Token<'a>,
    data: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        if bytes.len() > limits.message_bytes_max {
            let max = limits.message_bytes_max;
            return Err(DecodeError {
                details: vec![("max".into(), max as u64)],
                ..shape(
                    ErrorCode::TooLarge,
                    "the message is too large; details.max is the limit in bytes",
                )
            });
        }
        let mut all = Reader::new(bytes);
        let value = all.value().map_err(|error| limits.fault(error))?;
        if !all.rest().is_empty() {
            return Err(limits.fault(V2Error::Trailing));
        }
        let wrong = |_| shape(ErrorCode::BadMessage, FORM);
        let mut elements = Reader::new(value);
        let count = match elements.token().map_err(wrong)? {
            // `bye` is the only command that needs no data.
            Token::List(count @ 1..=3) => count,
            _ => return Err(shape(ErrorCode::BadMessage, FORM)),
        };
        let number = elements.value().map_err(wrong)?;
        let mut next = |index| (count > index).then(|| elements.value()).transpose();
        Ok(Self {
            number: Reader::new(number).token().map_err(wrong)?,
            data: next(1).map_err(wrong)?,
            id: next(2).map_err(wrong)?,
        })
    }

    /// The name of the command.
    fn command(&self, numbers: &[(&'static str, u8)]) -> Result<&'static str, DecodeError> {
        let number = match self.number {
            Token::Unsigned(number) => Some(number),
            // Negative numbers are not commands.
            Token::Signed(number) => Some(u64::try_from(number).unwrap_or(0)),
            _ => None,
        };
        let Some(number) = number else {
            return Err(shape(
                ErrorCode::BadMessage,
                "the first element of a message must be the number of the command, an integer",
            ));
        };
        let known = numbers
            .iter()
            .find(|(_, known)| u64::from(*known) == number)
            .map(|(name, _)| *name);
        known.ok_or_else(|| {
            let numbers: Vec<String> = numbers
                .iter()
                .map(|(name, number)| format!("{number} {name}"))
                .collect();
            let sentence = format!("unknown command; the commands are {}", numbers.join(", "));
            shape(ErrorCode::UnknownCommand, sentence)
        })
    }

    /// The `id` as in v1.
    fn id(&self, limits: &DecodeLimits) -> Result<Option<RequestId>, DecodeError> {
        let Some(id) = self.id else {
            return Ok(None);
        };
        let mut json = Vec::new();
        to_json(id, &limits.part(), &mut json).map_err(|error| limits.fault(error))?;
        let id = raw(&json).ok_or_else(internal)?;
        // `json_v1` checks the id; `bye` has no other field that could be invalid.
        let json_limits = json_v1::DecodeLimits {
            depth_max: limits.depth_max,
        };
        json_v1::decode_parts("bye", None, Some(id), &json_limits).map(|message| message.id)
    }
}

fn shape(code: ErrorCode, message: impl Into<Box<str>>) -> DecodeError {
    DecodeError {
        code,
        message: message.into(),
        command: None,
        id: None,
        details: Vec::new(),
        limit: None,
    }
}

/// The output of a transcoder, as serde_json's type.
fn raw(json: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(json).ok()
}

fn internal() -> DecodeError {
    shape(
        ErrorCode::Internal,
        "internal error: the message could not be transcoded",
    )
}
