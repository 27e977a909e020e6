//! The object in CONNECT that identifies the client, socket.io's `auth`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json_v1::{DecodeLimits, decode_parts};
use turntable_core::id::SessionId;
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::reason::ErrorCode;

/// The identity that a client claims in CONNECT.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// None: `idme` follows as an event.
    None,
    /// `{"user", "credentials"?, "attributes"?}`: always `ClientPacket::IdMe`.
    IdMe(ClientPacket),
    /// `{"session", "received"}`. It takes precedence over a `user`.
    Resume {
        /// The session.
        session: SessionId,
        /// The number of its messages that the client has received.
        received: u64,
        /// Which attempt of the client to have the session it is.
        attempt: Option<u32>,
    },
    /// Connection state recovery: the fields that socket.io-client adds to `auth`.
    Recover {
        /// The `pid` in the answer to an earlier CONNECT.
        pid: SessionId,
        /// The offset of the last received event, if any.
        offset: Option<Box<str>>,
        /// The rest of `auth`, used if there is nothing to recover.
        otherwise: Box<Auth>,
    },
}

/// The maximum length of an offset; the server's own are far shorter.
const OFFSET_BYTES_MAX: usize = 64;

/// `null` counts as absent: scripts write it for missing values.
#[derive(Default, Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    pid: Option<&'a RawValue>,
    #[serde(borrow)]
    offset: Option<&'a RawValue>,
}

impl Auth {
    /// Decodes the data of a CONNECT packet.
    ///
    /// ```
    /// use turntable_wire::json_v1::DecodeLimits;
    /// use turntable_wire::socketio::{Auth, Limits, Packet};
    /// let limits = Limits { attachments_max: 4, message_bytes_max: 65_536, namespace_bytes_max: 64 };
    /// let packet = Packet::decode(r#"0{"user":"1:12345"}"#, &limits).unwrap();
    /// let auth = Auth::read(packet.data, &DecodeLimits { depth_max: 32 }).unwrap();
    /// assert!(matches!(auth, Auth::IdMe(_)));
    /// ```
    ///
    /// # Errors
    /// The `error` of `idme` or `resume` for the same data, and `bad_message` for an object
    /// that is not empty and has neither `user`, `credentials` nor `session` (nor `pid`).
    pub fn read(data: Option<&RawValue>, limits: &DecodeLimits) -> Result<Self, ErrorBody> {
        let Some(data) = data else {
            return Ok(Self::None);
        };
        let unknown = || {
            ErrorBody::new(
                ErrorCode::BadMessage,
                r#"auth must be {"user": U, "credentials": {...}?, "attributes": {...}?, "status": STATUS?} or {"session": S, "received": N}, each field once"#,
            )
        };
        let fields: Fields<'_> = serde_json::from_str(data.get()).map_err(|_| unknown())?;
        let pid = fields.pid.and_then(session);
        let otherwise = match fields {
            Fields {
                session: Some(_), ..
            } => resume(data, limits)?,
            Fields {
                user: None,
                pid: Some(_),
                ..
            } => Self::None,
            _ if is_empty(data) => Self::None,
            _ => match decode_parts("idme", Some(data), None, limits)?.packet {
                // Credentials in the place of the claim, most likely.
                ClientPacket::IdMe {
                    user: None,
                    credentials: None,
                    ..
                } => return Err(unknown()),
                packet => Self::IdMe(packet),
            },
        };
        // An invalid pid has nothing to recover.
        Ok(match pid {
            Some(pid) => Self::Recover {
                pid,
                offset: fields.offset.and_then(offset),
                otherwise: Box::new(otherwise),
            },
            None => otherwise,
        })
    }
}

fn resume(data: &RawValue, limits: &DecodeLimits) -> Result<Auth, ErrorBody> {
    match decode_parts("resume", Some(data), None, limits)?.packet {
        ClientPacket::Resume {
            session,
            received,
            attempt,
        } => Ok(Auth::Resume {
            session,
            received,
            attempt,
        }),
        _ => Ok(Auth::None),
    }
}

fn is_empty(object: &RawValue) -> bool {
    !object.get().contains('"')
}

fn session(value: &RawValue) -> Option<SessionId> {
    let text: &str = serde_json::from_str(value.get()).ok()?;
    SessionId::parse(text).ok()
}

fn offset(value: &RawValue) -> Option<Box<str>> {
    let text: &str = serde_json::from_str(value.get()).ok()?;
    (text.len() <= OFFSET_BYTES_MAX).then(|| text.into())
}
