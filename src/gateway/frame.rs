//! A frame as it goes to sockets: encoded once, shared by all its receivers.
//!
//! It lives on one worker, so sharing it is a plain count, not an atomic one.

use std::cell::Cell;
use std::rc::Rc;

use crate::reason::CloseReason;
use crate::session::outbox::FrameLength;
use crate::wire::json_v1;
use crate::wire::packet::{RequestId, ServerPacket};
use crate::wire::websocket::{FrameBuilder, close_frame, ping_frame, pong_frame};

thread_local! {
    /// Where frames of this worker are written before their length is known.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that one long message made longer than this is not kept.
const SCRATCH_BYTES_MAX: usize = 65_536;

/// The bytes of one frame, header included.
#[derive(Debug, Clone)]
pub struct Frame(Rc<[u8]>);

impl Frame {
    /// A message in v1.
    #[must_use]
    pub fn message(packet: &ServerPacket, id: Option<&RequestId>) -> Self {
        Self::build(|out| json_v1::encode(packet, id, out))
    }

    /// A text frame whose payload `write` writes.
    pub fn build(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut builder = FrameBuilder::begin(SCRATCH.take());
        write(builder.payload());
        let frame = Self(Rc::from(builder.text_in_place()));
        let buffer = builder.into_buffer();
        if buffer.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(buffer);
        }
        frame
    }

    /// A text or binary frame with the payload of another.
    #[must_use]
    pub fn echo(payload: &[u8], text: bool) -> Self {
        let mut builder = FrameBuilder::begin(Vec::with_capacity(payload.len() + 10));
        builder.payload().extend_from_slice(payload);
        Self(Rc::from(&*if text {
            builder.text()
        } else {
            builder.binary()
        }))
    }

    /// The close frame of a reason.
    #[must_use]
    pub fn close(reason: CloseReason) -> Self {
        Self(close_frame(Some(reason.code()), reason.name()).into())
    }

    /// The answer to a peer's close frame.
    #[must_use]
    pub fn close_answer(code: Option<u16>) -> Self {
        Self(close_frame(code, "").into())
    }

    /// A ping whose pong is known by `mark`.
    #[must_use]
    pub fn ping(mark: u64) -> Self {
        Self(ping_frame(&mark.to_be_bytes()).into())
    }

    /// The answer to a ping.
    #[must_use]
    pub fn pong(payload: &[u8]) -> Self {
        Self(pong_frame(payload).into())
    }

    /// Bytes that are no frame: a handshake's answer, the rest of a frame.
    #[must_use]
    pub fn raw(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FrameLength for Frame {
    fn length(&self) -> usize {
        self.0.len()
    }
}
