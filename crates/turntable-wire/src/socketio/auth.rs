//! Who connects: the hash that CONNECT carries, socket.io's `auth`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json_v1::{DecodeLimits, decode_parts};
use turntable_core::id::SessionId;
use turntable_core::packet::{ClientPacket, ErrorBody};
use turntable_core::reason::ErrorCode;

/// What a client says of itself with CONNECT.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// Nothing: `idme` comes as an event.
    None,
    /// `{"user", "credentials"?, "attributes"?}`: always `ClientPacket::IdMe`.
    IdMe(ClientPacket),
    /// `{"session", "received"}`. It goes before a `user` beside it.
    Resume {
        /// The session.
        session: SessionId,
        /// How many of its messages have come.
        received: u64,
    },
    /// socket.io-client's own recovery: what it adds to its `auth`.
    Recover {
        /// The `pid` that an earlier CONNECT was answered with.
        pid: SessionId,
        /// The offset of the last event that came, if one came.
        offset: Option<Box<str>>,
        /// What else `auth` says, for when there is nothing to recover.
        otherwise: Box<Auth>,
    },
}

/// The longest offset; we write far shorter ones.
const OFFSET_BYTES_MAX: usize = 64;

/// `null` is as good as nothing: scripts write it for what they do not have.
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
    /// Reads what a CONNECT packet carries.
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
    /// The `error` that `idme` or `resume` with the same data gets; a hash that
    /// has neither `user` nor `session` (nor `pid`) and is not empty is read as
    /// an `idme` that lacks its user.
    pub fn read(data: Option<&RawValue>, limits: &DecodeLimits) -> Result<Self, ErrorBody> {
        let Some(data) = data else {
            return Ok(Self::None);
        };
        let fields: Fields<'_> = serde_json::from_str(data.get()).map_err(|_| {
            ErrorBody::new(
                ErrorCode::BadMessage,
                r#"auth has to be {"user": U, "credentials": {...}?, "attributes": {...}?} or {"session": S, "received": N}, each field once"#,
            )
        })?;
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
            _ => Self::IdMe(decode_parts("idme", Some(data), None, limits)?.packet),
        };
        // A pid that cannot be one of ours has nothing to recover.
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
        ClientPacket::Resume { session, received } => Ok(Auth::Resume { session, received }),
        _ => Ok(Auth::None),
    }
}

fn is_empty(hash: &RawValue) -> bool {
    !hash.get().contains('"')
}

fn session(value: &RawValue) -> Option<SessionId> {
    let text: &str = serde_json::from_str(value.get()).ok()?;
    SessionId::parse(text).ok()
}

fn offset(value: &RawValue) -> Option<Box<str>> {
    let text: &str = serde_json::from_str(value.get()).ok()?;
    (text.len() <= OFFSET_BYTES_MAX).then(|| text.into())
}
