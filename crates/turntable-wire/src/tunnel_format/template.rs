//! The strftime-like templates of a format.
//!
//! | | inserts |
//! |---|---|
//! | `%i` | the datagram's id |
//! | `%p` | its delivery path |
//! | `%d` | the datagram as JSON |
//! | `%D` | its payload as JSON |
//! | `%l` | the number of bytes of the inserted `%d` |
//! | `%t` | the tunnel's id |
//! | `%T` | the server's time in Unix milliseconds |
//! | `%c` | the client's callback |
//! | `%C` | the close code (section 2.4 of the protocol), in a footer |
//! | `%%` | a percent sign |

/// A parsed template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    pieces: Box<[Piece]>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal text.
    Text(Box<str>),
    /// `%i`
    Id,
    /// `%p`
    Path,
    /// `%d`
    Datagram,
    /// `%D`
    Payload,
    /// `%l`
    Length,
    /// `%t`
    Tunnel,
    /// `%T`
    Time,
    /// `%c`
    Callback,
    /// `%C`
    Code,
}

impl Piece {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'i' => Self::Id,
            'p' => Self::Path,
            'd' => Self::Datagram,
            'D' => Self::Payload,
            'l' => Self::Length,
            't' => Self::Tunnel,
            'T' => Self::Time,
            'c' => Self::Callback,
            'C' => Self::Code,
            _ => return None,
        })
    }

    /// Whether it requires a datagram.
    pub(super) const fn is_of_datagram(&self) -> bool {
        matches!(
            self,
            Self::Id | Self::Path | Self::Datagram | Self::Payload | Self::Length
        )
    }
}

/// Why a text is not a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// An unknown letter.
    #[error(
        "%{letter} at character {position} is unknown; accepted are %i %p %d %D %l %t %T %c %C and %%"
    )]
    Unknown {
        /// The character after the percent sign.
        letter: char,
        /// The position of the percent sign, in characters from 1.
        position: usize,
    },
    /// A percent sign at the end.
    #[error("the % at character {position} is the last one; a percent sign is written %%")]
    Lone {
        /// Its position, in characters from 1.
        position: usize,
    },
    /// More bytes than allowed.
    #[error("a template may have at most {} bytes", Template::BYTES_MAX)]
    TooLong,
    /// More insertions than allowed.
    #[error("a template may insert at most {} values", Template::INSERTIONS_MAX)]
    TooMany,
}

impl Template {
    /// The longest text, in bytes.
    pub const BYTES_MAX: usize = 16_384;

    /// The maximum number of insertions, so that published data is not multiplied
    /// without limit.
    pub const INSERTIONS_MAX: usize = 32;

    /// Parses a text.
    ///
    /// ```
    /// use turntable_wire::tunnel_format::Template;
    /// assert!(Template::parse("id: %i\ndata: %d\n\n").is_ok());
    /// assert_eq!(
    ///     Template::parse("100% sure").unwrap_err().to_string(),
    ///     "%  at character 4 is unknown; accepted are %i %p %d %D %l %t %T %c %C and %%",
    /// );
    /// ```
    ///
    /// # Errors
    /// [`TemplateError`], with the position.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > Self::BYTES_MAX {
            return Err(TemplateError::TooLong);
        }
        let (mut pieces, mut plain, mut insertions) = (Vec::new(), String::new(), 0);
        let mut characters = (1..).zip(text.chars());
        while let Some((position, character)) = characters.next() {
            if character != '%' {
                plain.push(character);
                continue;
            }
            let Some((_, letter)) = characters.next() else {
                return Err(TemplateError::Lone { position });
            };
            if letter == '%' {
                plain.push('%');
                continue;
            }
            let piece = Piece::of(letter).ok_or(TemplateError::Unknown { letter, position })?;
            insertions += 1;
            if insertions > Self::INSERTIONS_MAX {
                return Err(TemplateError::TooMany);
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
            }
            pieces.push(piece);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Ok(Self {
            pieces: pieces.into(),
        })
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn inserts(&self, wanted: impl Fn(&Piece) -> bool) -> bool {
        self.pieces.iter().any(wanted)
    }
}
