//! Converts messages to datagrams.
//!
//! | message | path | payload |
//! |---|---|---|
//! | `message` | `/channel/P` | the published data |
//! | `game`, `memberchange` | `/game/C` | the message |
//! | `userchange`, `profiles` | `/presence` | the message |
//! | `invite`, `invitereply`, `attributes` | `/user/U` | the message |
//! | anything else | `/tunnel/T` | the message |
//!
//! A message without the fields that its path needs goes to the tunnel, complete.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use crate::json_v1::field::{Fields, text};
use crate::json_v1::split;
use turntable_core::id::MessageId;

/// The receiver of a datagram.
#[derive(Clone, Copy)]
pub struct Receiver<'a> {
    /// The tunnel's id, which is a secret of its client.
    pub tunnel: &'a str,
    /// The user, if the client has identified.
    pub user: Option<&'a str>,
}

/// Formats the user only, because a tunnel's id is a secret.
impl fmt::Debug for Receiver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The delivery path of a datagram. Ids contain no control characters and no
/// blanks, so a path is one word.
#[derive(Clone, PartialEq, Eq)]
pub enum Path<'a> {
    /// `/channel/P`
    Channel(Cow<'a, str>),
    /// `/game/C`
    Game(Cow<'a, str>),
    /// `/presence`
    Presence,
    /// `/user/U`
    User(&'a str),
    /// `/tunnel/T`
    Tunnel(&'a str),
}

impl Path<'_> {
    /// The prefix of the path, and the id.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Channel(id) => ("/channel/", id),
            Self::Game(id) => ("/game/", id),
            Self::Presence => ("/presence", ""),
            Self::User(id) => ("/user/", id),
            Self::Tunnel(id) => ("/tunnel/", id),
        }
    }

    /// Whether the path differs between receivers of the same message.
    #[must_use]
    pub const fn is_personal(&self) -> bool {
        matches!(self, Self::User(_) | Self::Tunnel(_))
    }

    /// Appends the path without quotes and escapes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (head, id) = self.parts();
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(id.as_bytes());
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, id) = self.parts();
        write!(f, "{head}{id}")
    }
}

/// Omits the tunnel's id, which is a secret.
impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(_) => f.write_str("/tunnel/..."),
            path => write!(f, "{path}"),
        }
    }
}

/// One outgoing datagram: the parts that a format inserts.
#[derive(Debug, Clone)]
pub struct Datagram<'a> {
    /// Its id.
    pub id: MessageId,
    /// Its delivery path.
    pub path: Path<'a>,
    data: &'a str,
    /// `from`, `offset`, `epoch` and `time` of a channel's message, as JSON.
    origin: Origin<'a>,
    /// The id of a channel's message, as JSON, where `id` is another one.
    message: Option<&'a RawValue>,
    /// Whether the data is the complete payload.
    is_bare: bool,
}

/// The metadata of a channel's message.
type Origin<'a> = [Option<&'a RawValue>; 4];

/// Its fields, as written in the message.
const ORIGIN: [&str; 4] = ["from", "offset", "epoch", "time"];

impl<'a> Datagram<'a> {
    /// The datagram of a message, given as its v1 JSON text. `id` is
    /// [`own_id`] if the message has one, else any other. A past message of a
    /// channel may have another `id`; then the datagram names both. `None` if
    /// the text is not a message.
    ///
    /// ```
    /// use turntable_core::id::MessageId;
    /// use turntable_wire::datagram::{Datagram, Receiver};
    /// let to = Receiver { tunnel: "T", user: Some("1:1") };
    /// let message = r#"{"command":"userchange","data":{"1:2":"online"}}"#;
    /// let datagram = Datagram::of(message, MessageId::nil(), &to).unwrap();
    /// let mut out = Vec::new();
    /// datagram.write(&mut out);
    /// assert_eq!(
    ///     String::from_utf8(out).unwrap(),
    ///     format!(r#"{{"id":"00000000000000000000000000","path":"/presence","data":{message}}}"#),
    /// );
    /// ```
    #[must_use]
    pub fn of(message: &'a str, id: MessageId, to: &Receiver<'a>) -> Option<Self> {
        let mut origin = Origin::default();
        let mut own = None;
        let (path, data) = match route(message)? {
            Route::Channel {
                channel,
                data,
                origin: of,
                id: of_message,
            } => {
                origin = of;
                own = of_message.filter(|own| !is_same(own, id));
                (Path::Channel(channel), data)
            }
            Route::Game(channel) => (Path::Game(channel), message),
            Route::Presence => (Path::Presence, message),
            Route::User => (to.user.map_or(Path::Tunnel(to.tunnel), Path::User), message),
            Route::Tunnel => (Path::Tunnel(to.tunnel), message),
        };
        Some(Self {
            id,
            path,
            data,
            origin,
            message: own,
            is_bare: false,
        })
    }

    /// JSON in place of the last datagram, which gives the reason why a
    /// tunnel ends.
    #[must_use]
    pub fn bare(data: &'a str) -> Self {
        Self {
            id: MessageId::nil(),
            path: Path::Presence,
            data,
            origin: Origin::default(),
            message: None,
            is_bare: true,
        }
    }

    /// Appends the datagram as JSON, on one line.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_bare {
            return self.write_data(out);
        }
        out.extend_from_slice(b"{\"id\":\"");
        self.write_id(out);
        out.extend_from_slice(b"\",\"path\":");
        let (head, id) = self.path.parts();
        out.push(b'"');
        out.extend_from_slice(head.as_bytes());
        // The prefix replaces the opening quote of the id. Writing a string to a
        // vector cannot fail.
        let quote = out.len();
        let _: serde_json::Result<()> = serde_json::to_writer(&mut *out, id);
        out.remove(quote);
        out.extend_from_slice(b",\"data\":");
        self.write_data(out);
        let origin = ORIGIN.iter().copied().zip(self.origin);
        for (name, value) in origin.chain([("message", self.message)]) {
            if let Some(value) = value {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                out.extend_from_slice(value.get().as_bytes());
            }
        }
        out.push(b'}');
    }

    /// Appends the payload's JSON, on one line.
    pub fn write_data(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self.data.as_bytes());
        // JSON strings contain line ends as escapes only. The remaining ones are
        // whitespace between values, which may be replaced.
        for byte in out.iter_mut().skip(start) {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }

    /// Appends the id's 26 characters.
    pub fn write_id(&self, out: &mut Vec<u8>) {
        let mut buffer = [0; ulid::ULID_LEN];
        out.extend_from_slice(self.id.array_to_str(&mut buffer).as_bytes());
    }
}

/// Whether an id in JSON is this one.
fn is_same(json: &RawValue, id: MessageId) -> bool {
    let mut buffer = [0; ulid::ULID_LEN];
    let quoted = json.get().strip_prefix('"');
    let text = quoted.and_then(|text| text.strip_suffix('"'));
    text == Some(id.array_to_str(&mut buffer))
}

/// The id of a channel's message, which is also the id of its datagram when the
/// message is published. `None` for any other message.
///
/// ```
/// use turntable_wire::datagram::own_id;
/// let message = r#"{"command":"message","data":{"channel":"c","id":"01JD0000000000000000000000"}}"#;
/// assert_eq!(own_id(message).unwrap().to_string(), "01JD0000000000000000000000");
/// assert!(own_id(r#"{"command":"idyou","data":{}}"#).is_none());
/// ```
#[must_use]
pub fn own_id(message: &str) -> Option<MessageId> {
    let parts = split(message)?;
    if parts.command != "message" {
        return None;
    }
    let [id] = Fields::read(parts.data.get(), ["id"]).ok()?.values;
    MessageId::from_string(&text(id?, "id").ok()?).ok()
}

/// Whether the datagram of this message differs between receivers, so that they
/// cannot share it. True if the text is not a message.
#[must_use]
pub fn is_personal(message: &str) -> bool {
    matches!(route(message), None | Some(Route::User | Route::Tunnel))
}

/// The destination of a message, as far as the message determines it.
enum Route<'a> {
    Channel {
        channel: Cow<'a, str>,
        data: &'a str,
        origin: Origin<'a>,
        id: Option<&'a RawValue>,
    },
    Game(Cow<'a, str>),
    Presence,
    User,
    Tunnel,
}

fn route(message: &str) -> Option<Route<'_>> {
    let parts = split(message)?;
    let route = match parts.command {
        "message" => {
            let names = ["channel", "data", "id", "from", "offset", "epoch", "time"];
            let fields = Fields::read(parts.data.get(), names).ok();
            fields.and_then(|fields| {
                let [channel, data, id, from, offset, epoch, time] = fields.values;
                Some(Route::Channel {
                    channel: text(channel?, "channel").ok()?,
                    data: data?.get(),
                    origin: [from, offset, epoch, time],
                    id,
                })
            })
        }
        "game" | "memberchange" => {
            let fields = Fields::read(parts.data.get(), ["channel", "epoch"]).ok();
            fields.and_then(|fields| {
                let [channel, epoch] = fields.values;
                let channel = text(channel?, "channel").ok()?;
                // Who is on a channel is presence; only channels have an epoch.
                Some(match epoch {
                    Some(_) => Route::Presence,
                    None => Route::Game(channel),
                })
            })
        }
        "userchange" | "profiles" => Some(Route::Presence),
        "invite" | "invitereply" | "attributes" => Some(Route::User),
        _ => None,
    };
    Some(route.unwrap_or(Route::Tunnel))
}
