//! Decodes frame headers (RFC 6455 section 5.2): the rules for a single frame, and
//! storage for an incomplete header.

use super::{CONTROL_PAYLOAD_BYTES_MAX, FrameError, Opcode};

/// The role of the decoding end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Decodes a client's frames, which must be masked.
    Server,
    /// Decodes a server's frames, which must not be masked.
    Client,
}

/// A frame's header; `key` and `remaining` advance with its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    pub(super) key: [u8; 4],
    pub(super) remaining: u64,
}

const HEADER_BYTES_MAX: usize = 14;

/// The bytes of an incomplete header.
#[derive(Debug, Default)]
pub(super) struct HeaderBytes {
    bytes: [u8; HEADER_BYTES_MAX],
    len: u8,
}

impl HeaderBytes {
    pub(super) fn len(&self) -> usize {
        self.len.into()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes bytes up to the longest possible header.
    pub(super) fn fill(&mut self, from: &[u8]) {
        let free = self.bytes.iter_mut().skip(self.len.into());
        let mut count = 0;
        for (to, from) in free.zip(from) {
            *to = *from;
            count += 1;
        }
        self.len += count;
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

impl Frame {
    /// Decodes a header and returns its length; `None` if it is incomplete. An error
    /// in the available bytes is returned at once.
    ///
    /// | bytes | field |
    /// |---|---|
    /// | 1 | FIN, three reserved bits, opcode (4 bits) |
    /// | 1 | MASK, length (7 bits; 126: 2 bytes follow, 127: 8 bytes follow) |
    /// | 0, 2 or 8 | length, big-endian |
    /// | 0 or 4 | masking key |
    pub(super) fn read(bytes: &[u8], role: Role) -> Result<Option<(Self, usize)>, FrameError> {
        let [first, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(FrameError::Protocol("a reserved bit is set"));
        }
        let opcode =
            Opcode::from_bits(first & 0x0f).ok_or(FrameError::Protocol("a reserved opcode"))?;
        let is_final = first & 0x80 != 0;
        if opcode.is_control() && !is_final {
            return Err(FrameError::Protocol("a fragmented control frame"));
        }
        let [second, rest @ ..] = rest else {
            return Ok(None);
        };
        match (role, second & 0x80 != 0) {
            (Role::Server, false) => {
                return Err(FrameError::Protocol("a client frame without a mask"));
            }
            (Role::Client, true) => {
                return Err(FrameError::Protocol("a server frame with a mask"));
            }
            _ => {}
        }
        let short = second & 0x7f;
        if opcode.is_control() && usize::from(short) > CONTROL_PAYLOAD_BYTES_MAX {
            return Err(FrameError::Protocol(
                "a control frame longer than 125 bytes",
            ));
        }
        let (remaining, rest) = match short {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u16::from_be_bytes(*length).into(), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (short.into(), rest),
        };
        if remaining >> 63 != 0 {
            return Err(FrameError::Protocol(
                "a length with its most significant bit set",
            ));
        }
        let (key, rest) = match role {
            Role::Client => ([0; 4], rest),
            Role::Server => match rest.split_first_chunk::<4>() {
                Some((key, rest)) => (*key, rest),
                None => return Ok(None),
            },
        };
        let frame = Self {
            is_final,
            opcode,
            key,
            remaining,
        };
        Ok(Some((frame, bytes.len() - rest.len())))
    }
}
