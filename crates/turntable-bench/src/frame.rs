//! The subset of RFC 6455 that the benchmark's client needs.
//!
//! Outgoing frames are encoded and masked once and sent many times, with a stamp
//! written in place; of incoming frames only the header is read. The server's codec
//! is not used here: it validates, and the client must cost less than the server it
//! measures.

/// The masking key of all frames. A random key per frame protects proxies from
/// hostile pages; a benchmark has neither.
const MASK: [u8; 4] = [0x5b, 0xc3, 0x96, 0x2d];

/// Opcodes (RFC 6455, 5.2).
pub(super) mod opcode {
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;
}

/// An outgoing message, masked if it is a frame, whose payload can be changed in
/// place.
#[derive(Clone)]
pub(super) struct ClientFrame {
    bytes: Vec<u8>,
    payload_start: usize,
    mask: [u8; 4],
}

impl ClientFrame {
    /// Encodes a text message.
    pub(super) fn text(payload: &str) -> Self {
        Self::new(opcode::TEXT, payload.as_bytes())
    }

    /// Encodes a frame of any opcode.
    pub(super) fn new(opcode: u8, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        push_header(&mut bytes, opcode, payload.len(), 0x80);
        bytes.extend(MASK);
        let payload_start = bytes.len();
        bytes.extend(payload);
        let mut frame = Self {
            bytes,
            payload_start,
            mask: MASK,
        };
        frame.patch(0, payload);
        frame
    }

    /// Bytes that are sent unchanged.
    pub(super) fn plain(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            payload_start: 0,
            mask: [0; 4],
        }
    }

    /// The position of a text in the payload.
    pub(super) fn offset_of(&self, text: &str) -> Option<usize> {
        let masked = self.bytes.iter().skip(self.payload_start);
        let plain: Vec<u8> = masked
            .zip(self.mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        super::carrier::find(&plain, text.as_bytes())
    }

    /// The encoded frame.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Overwrites the payload from `offset` on.
    pub(super) fn patch(&mut self, offset: usize, plain: &[u8]) {
        let place = self.bytes.iter_mut().skip(self.payload_start + offset);
        let mask = self.mask.iter().cycle().skip(offset % 4);
        for ((byte, plain), mask) in place.zip(plain).zip(mask) {
            *byte = plain ^ mask;
        }
    }
}

/// Encodes a server's frame.
pub(super) fn server_frame(opcode: u8, payload: &[u8], into: &mut Vec<u8>) {
    push_header(into, opcode, payload.len(), 0);
    into.extend(payload);
}

fn push_header(into: &mut Vec<u8>, opcode: u8, length: usize, mask_bit: u8) {
    into.push(0x80 | opcode);
    if let Ok(short @ 0..126) = u8::try_from(length) {
        into.push(mask_bit | short);
    } else if let Ok(medium) = u16::try_from(length) {
        into.push(mask_bit | 126);
        into.extend(medium.to_be_bytes());
    } else {
        into.push(mask_bit | 127);
        into.extend((length as u64).to_be_bytes());
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether the message ends with this frame.
    pub(super) is_final: bool,
    /// See [`opcode`].
    pub(super) opcode: u8,
    /// The masking key, if there is one.
    pub(super) mask: Option<[u8; 4]>,
    /// Length of the header, in bytes.
    pub(super) header_bytes: usize,
    /// Length of the payload, in bytes.
    pub(super) payload_bytes: usize,
}

impl Header {
    /// Decodes a header; `None` while it is incomplete.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        let (&second, rest) = rest.split_first()?;
        let (payload_bytes, length_bytes) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let (mask, mask_bytes) = if second & 0x80 == 0 {
            (None, 0)
        } else {
            (Some(*rest.get(length_bytes..)?.first_chunk()?), 4)
        };
        Some(Self {
            is_final: first & 0x80 != 0,
            opcode: first & 0x0f,
            mask,
            header_bytes: 2 + length_bytes + mask_bytes,
            payload_bytes: usize::try_from(payload_bytes).unwrap_or(usize::MAX),
        })
    }

    /// The frame's payload, still masked; `None` while it is incomplete.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.header_bytes..self.end())
    }

    /// Length of the complete frame, in bytes.
    pub(super) fn end(&self) -> usize {
        self.header_bytes.saturating_add(self.payload_bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unmasked(bytes: &[u8]) -> Vec<u8> {
        let header = Header::read(bytes).unwrap();
        let mask = header.mask.unwrap();
        let payload = header.payload(bytes).unwrap();
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect()
    }

    proptest! {
        #[test]
        fn patched_frame_equals_a_frame_of_the_patched_text(
            text in "[a-z]{40,300}", patch in "[A-Z]{0,20}", offset in 0usize..20,
        ) {
            let text_bytes = text.clone().into_bytes();
            let mut frame = ClientFrame::text(&text);
            prop_assert_eq!(unmasked(frame.bytes()), text.as_bytes());
            frame.patch(offset, patch.as_bytes());
            let mut expected = text;
            expected.replace_range(offset..offset + patch.len(), &patch);
            prop_assert_eq!(unmasked(frame.bytes()), expected.as_bytes());
            prop_assert_eq!(frame.offset_of(&expected[offset..]), Some(offset));
            let mut plain = ClientFrame::plain(text_bytes);
            plain.patch(offset, patch.as_bytes());
            prop_assert_eq!(plain.bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn lengths_use_the_shortest_form() {
        for (length, header_bytes) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut bytes = Vec::new();
            server_frame(opcode::TEXT, &vec![b'x'; length], &mut bytes);
            let header = Header::read(&bytes).unwrap();
            assert_eq!(
                (header.header_bytes, header.payload_bytes),
                (header_bytes, length)
            );
            assert_eq!(header.end(), bytes.len());
            for cut in 0..header_bytes {
                assert_eq!(Header::read(bytes.get(..cut).unwrap()), None);
            }
        }
    }
}
