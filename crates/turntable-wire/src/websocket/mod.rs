//! RFC 6455 frames, for both ends of a connection.
//!
//! [`Decoder`] takes the bytes of one connection in slices of any size and
//! returns complete messages; it allocates nothing between frames. The encoder
//! reserves space for the frame header before the payload, so that one buffer is
//! the frame for all receivers. Extensions are not offered: a reserved bit is an
//! error.

mod decoder;
mod encoder;
mod frame;
mod mask;
#[cfg(test)]
mod tests;
mod utf8;

pub use decoder::{DecodeLimits, Decoder, Message};
pub use encoder::{
    FrameBuilder, FrameHeader, binary_frame, close_frame, header, masked_frame, ping_frame,
    pong_frame, text_frame,
};
pub use frame::Role;

use turntable_core::reason::CloseReason;

/// Opcodes (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A continuation of a fragmented message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// A close frame.
    Close = 0x8,
    /// A ping.
    Ping = 0x9,
    /// A pong.
    Pong = 0xa,
}

impl Opcode {
    /// The opcode with this number; `None` for the reserved ones.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// Whether it is a close, ping or pong.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The longest payload of a control frame, in bytes (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// Why decoding a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A violation of RFC 6455.
    #[error("{0}")]
    Protocol(&'static str),
    /// A text message or a close reason is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// A message is longer than allowed.
    #[error("a message is too large")]
    TooLarge,
}

impl From<FrameError> for CloseReason {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Protocol(_) => Self::ProtocolError,
            FrameError::NotUtf8 => Self::NotUtf8,
            FrameError::TooLarge => Self::TooLarge,
        }
    }
}

/// Whether a peer may send `code` in a close frame (RFC 6455 section 7.4): not
/// 1004, 1005, 1006 or an undefined code.
#[must_use]
pub const fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1011 | 3000..=4999)
}
