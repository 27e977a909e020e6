//! A message of the server as bytes that all its receivers share.
//!
//! An owner encodes a message once, as a complete WebSocket text frame of
//! version 1. The other encodings are made from that text by the first receiver
//! that needs one, and stored beside it for all gateways of the process. Nothing
//! is encoded, copied or locked for a further receiver.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::id::MessageId;

/// An encoding other than v1, as the gateways of one process number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingNumber(pub u16);

/// A message that is shared by all its receivers; a clone is a reference count.
#[derive(Clone)]
pub struct SharedFrame(Arc<Body>);

struct Body {
    /// A complete text frame (RFC 6455, section 5.2), without a mask.
    v1: Box<[u8]>,
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
    pub fn new(v1: Box<[u8]>, id: MessageId) -> Self {
        Self(Arc::new(Body {
            v1,
            id,
            others: OnceLock::new(),
        }))
    }

    /// The text frame of version 1.
    #[must_use]
    pub fn v1(&self) -> &[u8] {
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
    // The short form of a length, or the long ones.
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    let text = frame.get(header..).unwrap_or_default();
    std::str::from_utf8(text).unwrap_or_default()
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
}
