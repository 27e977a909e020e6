//! A message of the server as bytes that all its receivers share.
//!
//! An owner encodes a message once, as a complete WebSocket text frame of
//! version 1. The other encodings are made from that text by the first receiver
//! that needs one, and stored beside it for all gateways of the process. Nothing
//! is encoded, copied or locked for a further receiver.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::MessageId;

/// An encoding other than v1, as the gateways of one process number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingNumber(pub u16);

/// A message that is shared by all its receivers; a clone is a reference count.
#[derive(Clone)]
pub struct SharedFrame(Arc<Body>);

struct Body {
    /// A complete text frame (RFC 6455, section 5.2), without a mask. Gateways
    /// refer to it directly: one pointer from a message to its bytes.
    v1: Arc<[u8]>,
    id: MessageId,
    others: OnceLock<Box<Encoded>>,
}

/// The message in one more encoding.
struct Encoded {
    encoding: EncodingNumber,
    bytes: Box<[u8]>,
    next: OnceLock<Box<Encoded>>,
}

impl SharedFrame {
    /// The frame `v1`, a complete text frame without a mask around a message's
    /// v1 text, whose datagrams have the id `id`.
    #[must_use]
    pub fn new(v1: Arc<[u8]>, id: MessageId) -> Self {
        Self(Arc::new(Body {
            v1,
            id,
            others: OnceLock::new(),
        }))
    }

    /// The text frame of version 1.
    #[must_use]
    pub fn v1(&self) -> &Arc<[u8]> {
        &self.0.v1
    }

    /// The message's v1 text.
    #[must_use]
    pub fn text(&self) -> &str {
        text_of(&self.0.v1)
    }

    /// The id of its datagrams, the same for all receivers.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.0.id
    }

    /// The message in another encoding, made by `write` at the first call. It
    /// has to be the same for all receivers, and `write` must not ask for a
    /// further encoding of the same frame.
    pub fn bytes(&self, encoding: EncodingNumber, write: impl FnOnce(&Self) -> Vec<u8>) -> &[u8] {
        let mut write = Some(write);
        let mut place = &self.0.others;
        loop {
            let encoded = place.get_or_init(|| {
                let bytes = write.take().map(|write| write(self)).unwrap_or_default();
                Box::new(Encoded {
                    encoding,
                    bytes: bytes.into(),
                    next: OnceLock::new(),
                })
            });
            if encoded.encoding == encoding {
                return &encoded.bytes;
            }
            place = &encoded.next;
        }
    }
}

/// The payload of a complete text frame without a mask.
#[must_use]
pub fn text_of(frame: &[u8]) -> &str {
    std::str::from_utf8(payload_of(frame)).unwrap_or_default()
}

fn payload_of(frame: &[u8]) -> &[u8] {
    // The short form of a length, or the long ones.
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// Whether `frame` is one complete text frame without a mask: a header with the
/// length of what follows in its shortest form, and UTF-8 behind it.
#[must_use]
pub fn is_text_frame(frame: &[u8]) -> bool {
    let payload = payload_of(frame);
    let len = payload.len() as u64;
    let has_length = match frame {
        [0x81, 127, a, b, c, d, e, f, g, h, ..] => {
            len > 0xffff && u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) == len
        }
        [0x81, 126, a, b, ..] => {
            (126..=0xffff).contains(&len) && u64::from(u16::from_be_bytes([*a, *b])) == len
        }
        [0x81, short, ..] => len <= 125 && u64::from(*short) == len,
        _ => false,
    };
    has_length && std::str::from_utf8(payload).is_ok()
}

/// The id and the text frame; other encodings are made again where it arrives.
impl Serialize for SharedFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0.id.0, Bytes(&self.0.v1)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (id, TextFrame(v1)) = <(u128, TextFrame)>::deserialize(deserializer)?;
        Ok(Self::new(v1, MessageId::from(id)))
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Bytes that were found to be a text frame.
struct TextFrame(Arc<[u8]>);

impl<'de> Deserialize<'de> for TextFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Frame;

        impl<'de> Visitor<'de> for Frame {
            type Value = TextFrame;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a complete text frame")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<TextFrame, E> {
                if is_text_frame(bytes) {
                    Ok(TextFrame(bytes.into()))
                } else {
                    Err(E::custom("not a complete text frame"))
                }
            }

            // Formats without bytes, like JSON, have a list of numbers.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TextFrame, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element::<u8>()? {
                    bytes.push(byte);
                }
                self.visit_bytes(&bytes)
            }
        }

        deserializer.deserialize_bytes(Frame)
    }
}

/// Shows no content: a frame may be one user's alone.
impl fmt::Debug for SharedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} of {} bytes", self.0.id, self.0.v1.len())
    }
}

/// Two frames are equal when they are the same message.
impl PartialEq for SharedFrame {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id && self.0.v1 == other.0.v1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> SharedFrame {
        SharedFrame::new(b"\x81\x02{}".as_slice().into(), MessageId::nil())
    }

    #[test]
    fn each_encoding_is_made_once_for_all_clones() {
        let (frame, other) = (frame(), frame());
        let again = frame.clone();
        for number in [1, 2, 3] {
            let encoding = EncodingNumber(number);
            let made = frame.bytes(encoding, |frame| {
                format!("{number}{}", frame.text()).into_bytes()
            });
            let stored = again.bytes(encoding, |_| unreachable!("it exists"));
            assert_eq!(made.as_ptr(), stored.as_ptr());
            assert_eq!(made, format!("{number}{{}}").as_bytes());
        }
        assert_eq!(other.bytes(EncodingNumber(1), |_| b"x".to_vec()), b"x");
    }

    #[test]
    fn threads_share_what_the_first_one_made() {
        let frame = frame();
        let made = std::thread::scope(|scope| {
            let threads = [1, 2, 1, 2].map(|number| {
                let frame = &frame;
                scope.spawn(move || {
                    frame
                        .bytes(EncodingNumber(number), |_| vec![number as u8])
                        .as_ptr() as usize
                })
            });
            threads.map(|thread| thread.join().unwrap_or_default())
        });
        assert!(made[0] == made[2] && made[1] == made[3] && made[0] != made[1]);
    }

    #[test]
    fn the_text_is_found_behind_every_form_of_header() {
        assert_eq!(text_of(b"\x81\x02{}"), "{}");
        assert_eq!(text_of(b"\x81\x7e\x00\x7ex"), "x");
        assert_eq!(text_of(b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00y"), "y");
        assert_eq!(text_of(b""), "");
    }

    #[test]
    fn only_whole_text_frames_are_taken_for_frames() {
        let long = [b"\x81\x7e\x00\x7e".as_slice(), &[b'x'; 126]].concat();
        assert!(is_text_frame(b"\x81\x00") && is_text_frame(b"\x81\x02{}"));
        assert!(is_text_frame(&long));
        let wrong: [&[u8]; 8] = [
            b"",
            b"\x81",
            b"\x82\x02{}",
            b"\x81\x03{}",
            b"\x81\x01{}",
            b"\x81\x82\0\0\0\0{}",
            b"\x81\x7e\x00\x02{}",
            b"\x81\x01\xff",
        ];
        for frame in wrong {
            assert!(!is_text_frame(frame), "{frame:?}");
        }
    }
}
