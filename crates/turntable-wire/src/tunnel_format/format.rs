//! A format: its settings, their validation, and its four templates.

use serde::{Deserialize, Serialize};

use super::encoding::{Encoding, write_literal};
use super::template::{Piece, Template};
use crate::datagram::Datagram;

/// One `[tunnel.formats.NAME]` entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FormatSettings {
    /// The text at the beginning of a response.
    pub header: String,
    /// The text of each datagram.
    pub envelope: String,
    /// The text that is sent after a quiet period.
    pub keepalive: String,
    /// The text of an orderly end.
    pub footer: String,
    /// The `Content-Type` of the response.
    pub content_type: String,
    /// The encoding of the inserted `%d`, `%D` and `%p`.
    pub encoding: Encoding,
    /// Whether a response ends after one batch of datagrams.
    pub once: bool,
}

/// Why settings are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct FormatError {
    /// The invalid key, or `name`.
    pub key: &'static str,
    /// A sentence: the fault and the accepted form.
    pub message: Box<str>,
}

impl FormatError {
    fn new(key: &'static str, message: impl Into<Box<str>>) -> Self {
        Self {
            key,
            message: message.into(),
        }
    }
}

/// The parameters of the tunnel that a template may insert, and the time.
#[derive(Clone, Copy, Default)]
pub struct Opening<'a> {
    /// The tunnel's id, which is a secret of its client.
    pub tunnel: &'a str,
    /// The server's time, in Unix milliseconds.
    pub now_ms: u64,
    /// The callback, validated by [`is_callback`].
    pub callback: Option<&'a str>,
    /// The close code, if the tunnel ends.
    pub code: u16,
}

/// A validated format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    name: Box<str>,
    header: Template,
    envelope: Template,
    keepalive: Template,
    footer: Template,
    content_type: Box<str>,
    encoding: Encoding,
    once: bool,
    needs_callback: bool,
}

const NAME_BYTES_MAX: usize = 32;
const CONTENT_TYPE_BYTES_MAX: usize = 256;

impl Format {
    /// Validates settings and parses their templates.
    ///
    /// ```
    /// use turntable_wire::tunnel_format::{Format, FormatSettings};
    /// let mut settings = FormatSettings {
    ///     envelope: "<%d>".into(),
    ///     content_type: "text/plain".into(),
    ///     ..FormatSettings::default()
    /// };
    /// assert!(Format::from_settings("angles", &settings).is_ok());
    /// settings.envelope = "nothing".into();
    /// assert_eq!(Format::from_settings("angles", &settings).unwrap_err().key, "envelope");
    /// ```
    ///
    /// # Errors
    /// [`FormatError`], the first error.
    pub fn from_settings(name: &str, settings: &FormatSettings) -> Result<Self, FormatError> {
        if !is_name(name) {
            return Err(FormatError::new(
                "name",
                "a format's name is 1 to 32 characters of A-Z, a-z, 0-9, _ and -",
            ));
        }
        if !is_content_type(&settings.content_type) {
            return Err(FormatError::new(
                "content_type",
                "a content type is TYPE/SUBTYPE, with optional parameters after a ;, at most 256 printable ASCII characters",
            ));
        }
        let template = |key: &'static str, text: &str| {
            let template =
                Template::parse(text).map_err(|error| FormatError::new(key, error.to_string()))?;
            if key != "envelope" && template.inserts(Piece::is_of_datagram) {
                return Err(FormatError::new(
                    key,
                    "%i, %p, %d, %D and %l belong to a datagram and are allowed in the envelope only",
                ));
            }
            if key != "footer" && template.inserts(|piece| *piece == Piece::Code) {
                return Err(FormatError::new(
                    key,
                    "%C is the close code and is allowed in the footer only",
                ));
            }
            Ok(template)
        };
        let header = template("header", &settings.header)?;
        let envelope = template("envelope", &settings.envelope)?;
        let keepalive = template("keepalive", &settings.keepalive)?;
        let footer = template("footer", &settings.footer)?;
        if !envelope.inserts(|piece| matches!(piece, Piece::Datagram | Piece::Payload)) {
            return Err(FormatError::new(
                "envelope",
                "the envelope must insert the datagram, %d, or its payload, %D",
            ));
        }
        let needs_callback = [&header, &envelope, &keepalive, &footer]
            .iter()
            .any(|template| template.inserts(|piece| *piece == Piece::Callback));
        Ok(Self {
            name: name.into(),
            header,
            envelope,
            keepalive,
            footer,
            content_type: (*settings.content_type).into(),
            encoding: settings.encoding,
            once: settings.once,
            needs_callback,
        })
    }

    /// The name that `format=` selects.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Content-Type`, a valid header value.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The encoding of inserted values.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether a response ends after one batch of datagrams.
    #[must_use]
    pub const fn is_once(&self) -> bool {
        self.once
    }

    /// Whether the client must name a callback.
    #[must_use]
    pub const fn needs_callback(&self) -> bool {
        self.needs_callback
    }

    /// Whether the envelope contains data of its receiver (`%t`, `%T`, `%c`), so
    /// that its text cannot be shared.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.envelope
            .inserts(|piece| matches!(piece, Piece::Tunnel | Piece::Time | Piece::Callback))
    }

    /// Appends the header.
    pub fn header(&self, opening: &Opening<'_>, out: &mut Vec<u8>) {
        self.render(&self.header, None, opening, out);
    }

    /// Appends a datagram. `opening` is ignored, and may be the default, if the
    /// format is not [personal](Self::is_personal).
    ///
    /// ```
    /// use turntable_core::id::MessageId;
    /// use turntable_wire::datagram::{Datagram, Receiver};
    /// use turntable_wire::tunnel_format::{Opening, built_in};
    /// let to = Receiver { tunnel: "T", user: None };
    /// let message = r#"{"command":"userchange","data":{"1:2":"online"}}"#;
    /// let datagram = Datagram::of(message, MessageId::nil(), &to).unwrap();
    /// let formats = built_in();
    /// let sse = formats.iter().find(|format| format.name() == "sse").unwrap();
    /// let mut out = Vec::new();
    /// sse.envelope(&datagram, &Opening::default(), &mut out);
    /// assert!(out.starts_with(b"id: 00000000000000000000000000\ndata: {\"id\":"));
    /// assert!(out.ends_with(b"}\n\n"));
    /// ```
    pub fn envelope(&self, datagram: &Datagram<'_>, opening: &Opening<'_>, out: &mut Vec<u8>) {
        self.render(&self.envelope, Some(datagram), opening, out);
    }

    /// Appends the keepalive.
    pub fn keepalive(&self, opening: &Opening<'_>, out: &mut Vec<u8>) {
        self.render(&self.keepalive, None, opening, out);
    }

    /// Appends the reason of a tunnel's end, `{"close":CODE}` in an envelope: for a
    /// format that ends with each batch, whose footer does not contain it.
    pub fn closing(&self, opening: &Opening<'_>, out: &mut Vec<u8>) {
        let data = format!(r#"{{"close":{}}}"#, opening.code);
        self.envelope(&Datagram::bare(&data), opening, out);
    }

    /// Appends the footer.
    pub fn footer(&self, opening: &Opening<'_>, out: &mut Vec<u8>) {
        self.render(&self.footer, None, opening, out);
    }

    fn render(
        &self,
        template: &Template,
        datagram: Option<&Datagram<'_>>,
        opening: &Opening<'_>,
        out: &mut Vec<u8>,
    ) {
        // The encoded `%d`; stored if its length is inserted before it.
        let mut whole: Option<Vec<u8>> = None;
        for piece in template.pieces() {
            match (piece, datagram) {
                (Piece::Text(text), _) => out.extend_from_slice(text.as_bytes()),
                (Piece::Tunnel, _) => out.extend_from_slice(opening.tunnel.as_bytes()),
                (Piece::Time, _) => decimal(opening.now_ms, out),
                (Piece::Code, _) => decimal(opening.code.into(), out),
                (Piece::Callback, _) => {
                    out.extend_from_slice(opening.callback.unwrap_or_default().as_bytes());
                }
                (Piece::Id, Some(datagram)) => datagram.write_id(out),
                (Piece::Path, Some(datagram)) => self.insert(|out| datagram.path.write(out), out),
                (Piece::Payload, Some(datagram)) => {
                    self.insert(|out| datagram.write_data(out), out);
                }
                (Piece::Datagram, Some(datagram)) => match &whole {
                    Some(whole) => out.extend_from_slice(whole),
                    None => self.insert(|out| datagram.write(out), out),
                },
                (Piece::Length, Some(datagram)) => {
                    let whole = whole.get_or_insert_with(|| {
                        let mut whole = Vec::new();
                        self.insert(|out| datagram.write(out), &mut whole);
                        whole
                    });
                    decimal(whole.len() as u64, out);
                }
                // The validation of the settings excludes it.
                (
                    Piece::Id | Piece::Path | Piece::Datagram | Piece::Payload | Piece::Length,
                    None,
                ) => {}
            }
        }
    }

    /// Appends the output of `write`, encoded.
    fn insert(&self, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        if self.encoding == Encoding::None && !self.needs_callback {
            write(out);
            return;
        }
        let mut plain = Vec::new();
        write(&mut plain);
        // `write` appends text only.
        let plain = String::from_utf8_lossy(&plain);
        match self.encoding {
            // A format with a callback is a script.
            Encoding::None => write_literal(&plain, out),
            encoding => encoding.write(&plain, out),
        }
    }
}

fn decimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// RFC 9110, section 8.3.1, as far as needed for a safe header value.
fn is_content_type(text: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let media_type = text
        .split_once(';')
        .map_or(text, |(media_type, _)| media_type);
    text.len() <= CONTENT_TYPE_BYTES_MAX
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && media_type
            .trim_end_matches(' ')
            .split_once('/')
            .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

const CALLBACK_BYTES_MAX: usize = 64;

/// Whether a client may use this callback: ASCII names of JavaScript, joined by
/// dots, at most 64 bytes.
///
/// ```
/// use turntable_wire::tunnel_format::is_callback;
/// assert!(is_callback("app.tunnel.$got_1"));
/// assert!(!is_callback("alert(1)"));
/// ```
#[must_use]
pub fn is_callback(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
        part.bytes().next().is_some_and(is_letter)
            && part
                .bytes()
                .all(|byte| is_letter(byte) || byte.is_ascii_digit())
    };
    name.len() <= CALLBACK_BYTES_MAX && name.split('.').all(is_part)
}
