//! Encodes payloads as frames.
//!
//! A server encodes each frame once and shares it among its receivers:
//! [`FrameBuilder`] reserves space for the header before the payload, so that a
//! codec serialises directly into the frame. A client (benches, tests) writes
//! masked frames with [`FrameHeader`] or [`masked_frame`].

use bytes::{Buf, Bytes};

use super::{CONTROL_PAYLOAD_BYTES_MAX, Opcode, mask};

/// The longest header of a frame without a mask, in bytes.
const ROOM: usize = 10;

/// The header of one frame, for callers that need fragments or masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last frame of the message.
    pub is_final: bool,
    /// The opcode.
    pub opcode: Opcode,
    /// The masking key; present in a client's frames only.
    pub key: Option<[u8; 4]>,
    /// The length of the payload, in bytes.
    pub len: u64,
}

impl FrameHeader {
    /// Appends the header to `out`, with the shortest form of its length.
    pub fn write(&self, out: &mut Vec<u8>) {
        let masked = if self.key.is_some() { 0x80 } else { 0 };
        out.push(if self.is_final { 0x80 } else { 0 } | self.opcode as u8);
        match self.len {
            0..=125 => out.push(masked | self.len as u8),
            126..=0xffff => {
                out.push(masked | 126);
                out.extend_from_slice(&(self.len as u16).to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&self.len.to_be_bytes());
            }
        }
        if let Some(key) = self.key {
            out.extend_from_slice(&key);
        }
    }
}

/// Appends the header of a server's complete message of `len` bytes to `out`.
pub fn header(opcode: Opcode, len: usize, out: &mut Vec<u8>) {
    FrameHeader {
        is_final: true,
        opcode,
        key: None,
        len: len as u64,
    }
    .write(out);
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + header_len(payload.len()));
    header(opcode, payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}

const fn header_len(len: usize) -> usize {
    match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

/// A server's text frame around `payload`, which must be UTF-8.
#[must_use]
pub fn text_frame(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Text, payload)
}

/// A server's binary frame around `payload`.
#[must_use]
pub fn binary_frame(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Binary, payload)
}

/// A server's ping; `payload` is truncated to 125 bytes.
#[must_use]
pub fn ping_frame(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Ping, control_payload(payload))
}

/// A server's pong; `payload` is truncated to 125 bytes.
#[must_use]
pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Pong, control_payload(payload))
}

/// A server's close frame. `reason` is truncated to complete characters within
/// 123 bytes. `None` as code makes a frame without a payload, the answer to a close
/// frame without a code.
#[must_use]
pub fn close_frame(code: Option<u16>, reason: &str) -> Vec<u8> {
    let Some(code) = code else {
        return frame(Opcode::Close, &[]);
    };
    let end = reason.floor_char_boundary(CONTROL_PAYLOAD_BYTES_MAX - 2);
    let mut payload = Vec::with_capacity(CONTROL_PAYLOAD_BYTES_MAX);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    frame(Opcode::Close, &payload)
}

fn control_payload(payload: &[u8]) -> &[u8] {
    payload.get(..CONTROL_PAYLOAD_BYTES_MAX).unwrap_or(payload)
}

/// Appends a client's complete frame around `payload`, masked with `key`, to
/// `out`. A control frame's payload must be within 125 bytes.
pub fn masked_frame(opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    FrameHeader {
        is_final: true,
        opcode,
        key: Some(key),
        len: payload.len() as u64,
    }
    .write(out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(payload) = out.get_mut(start..) {
        mask::apply(key, payload);
    }
}

/// A server's frame whose payload is serialised in place.
///
/// ```
/// use turntable_wire::websocket::FrameBuilder;
/// let mut builder = FrameBuilder::begin(Vec::new());
/// builder.payload().extend_from_slice(b"hello");
/// assert_eq!(&builder.text()[..], b"\x81\x05hello");
/// ```
#[derive(Debug)]
pub struct FrameBuilder {
    buffer: Vec<u8>,
}

impl FrameBuilder {
    /// Clears `buffer` and reserves space for a header.
    #[must_use]
    pub fn begin(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.extend_from_slice(&[0; ROOM]);
        Self { buffer }
    }

    /// The buffer to append the payload to; its existing content must not change.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The length of the payload so far, in bytes.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.buffer.len().saturating_sub(ROOM)
    }

    /// The text frame; its payload must be UTF-8.
    #[must_use]
    pub fn text(self) -> Bytes {
        self.finish(Opcode::Text)
    }

    /// The binary frame.
    #[must_use]
    pub fn binary(self) -> Bytes {
        self.finish(Opcode::Binary)
    }

    /// The text frame, in the same buffer; its payload must be UTF-8.
    #[must_use]
    pub fn text_in_place(&mut self) -> &[u8] {
        let start = self.put_header(Opcode::Text);
        self.buffer.get(start..).unwrap_or_default()
    }

    /// The buffer, for reuse.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    fn finish(mut self, opcode: Opcode) -> Bytes {
        let start = self.put_header(opcode);
        let mut frame = Bytes::from(self.buffer);
        frame.advance(start.min(frame.len()));
        frame
    }

    /// Writes the header directly before the payload. Returns the offset of the
    /// frame.
    fn put_header(&mut self, opcode: Opcode) -> usize {
        let len = self.payload_len();
        let start = ROOM - header_len(len);
        // The same as `header`, which would need a buffer of its own.
        let (short, long) = ((len as u16).to_be_bytes(), (len as u64).to_be_bytes());
        let (mark, length): (usize, &[u8]) = match len {
            0..=125 => (len, &[]),
            126..=0xffff => (126, &short),
            _ => (127, &long),
        };
        let header = [0x80 | opcode as u8, mark as u8];
        for (to, from) in self
            .buffer
            .iter_mut()
            .skip(start)
            .zip(header.iter().chain(length))
        {
            *to = *from;
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_use_the_shortest_length_form() {
        let rows: [(usize, &[u8]); 6] = [
            (0, &[0x81, 0]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (1 << 24, &[0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0]),
        ];
        for (len, expected) in rows {
            let mut out = Vec::new();
            header(Opcode::Text, len, &mut out);
            assert_eq!(out, expected);
            assert_eq!(out.len(), header_len(len));
        }
    }

    #[test]
    fn built_frame_equals_a_copied_frame() {
        for len in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            let payload = vec![b'x'; len];
            let mut builder = FrameBuilder::begin(vec![1, 2, 3]);
            builder.payload().extend_from_slice(&payload);
            assert_eq!(builder.payload_len(), len);
            assert_eq!(builder.text(), text_frame(&payload));
            let mut builder = FrameBuilder::begin(Vec::new());
            builder.payload().extend_from_slice(&payload);
            assert_eq!(builder.binary(), binary_frame(&payload));
        }
    }

    #[test]
    fn control_frames_are_truncated_to_125_bytes() {
        assert_eq!(ping_frame(b"ab"), b"\x89\x02ab");
        assert_eq!(pong_frame(&[7; 300]).len(), 127);
        assert_eq!(close_frame(None, "unused"), b"\x88\x00");
        assert_eq!(close_frame(Some(1000), "bye"), b"\x88\x05\x03\xe8bye");
        // 123 is inside the 62nd two-byte character.
        let long = close_frame(Some(4003), &"ü".repeat(100));
        assert_eq!(long.len(), 2 + 2 + 122);
    }
}
