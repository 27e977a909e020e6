//! A frame as it goes to sockets: encoded once, shared by all its receivers.
//!
//! It lives on one worker, so sharing it is a plain count, not an atomic one.

use std::cell::Cell;
use std::rc::Rc;

use crate::gateway::change_log::{ChangeLog, Told};
use crate::reason::CloseReason;
use crate::session::outbox::OutboxFrame;
use crate::wire::json_v1;
use crate::wire::packet::{RequestId, ServerPacket};
use crate::wire::websocket::{FrameBuilder, close_frame, ping_frame, pong_frame};

thread_local! {
    /// Where frames of this worker are written before their length is known.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that one long message made longer than this is not kept.
const SCRATCH_BYTES_MAX: usize = 65_536;

/// A frame, header included.
#[derive(Debug, Clone)]
pub enum Frame {
    /// Bytes that many may share.
    Shared(Rc<[u8]>),
    /// A `userchange` on its way.
    Changes(Rc<Changes>),
    /// `userchange` messages that were written.
    Log(Box<ChangeLog>),
}

/// A `userchange` as bytes, and what it tells.
#[derive(Debug)]
pub struct Changes {
    bytes: Box<[u8]>,
    told: Box<[Told]>,
}

impl Frame {
    /// A message in v1.
    #[must_use]
    pub fn message(packet: &ServerPacket, id: Option<&RequestId>) -> Self {
        Self::build(|out| json_v1::encode(packet, id, out))
    }

    /// A text frame whose payload `write` writes.
    pub fn build(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::Shared(text(write))
    }

    /// A `userchange` whose payload `write` writes, and what it tells.
    pub fn changes(told: Vec<Told>, write: impl FnOnce(&[Told], &mut Vec<u8>)) -> Self {
        Self::Changes(Rc::new(Changes {
            bytes: text(|out| write(&told, out)),
            told: told.into(),
        }))
    }

    /// A text or binary frame with the payload of another.
    #[must_use]
    pub fn echo(payload: &[u8], text: bool) -> Self {
        let mut builder = FrameBuilder::begin(Vec::with_capacity(payload.len() + 10));
        builder.payload().extend_from_slice(payload);
        Self::Shared(Rc::from(&*if text {
            builder.text()
        } else {
            builder.binary()
        }))
    }

    /// The close frame of a reason.
    #[must_use]
    pub fn close(reason: CloseReason) -> Self {
        Self::Shared(close_frame(Some(reason.code()), reason.name()).into())
    }

    /// The answer to a peer's close frame.
    #[must_use]
    pub fn close_answer(code: Option<u16>) -> Self {
        Self::Shared(close_frame(code, "").into())
    }

    /// A ping whose pong is known by `mark`.
    #[must_use]
    pub fn ping(mark: u64) -> Self {
        Self::Shared(ping_frame(&mark.to_be_bytes()).into())
    }

    /// The answer to a ping.
    #[must_use]
    pub fn pong(payload: &[u8]) -> Self {
        Self::Shared(pong_frame(payload).into())
    }

    /// Bytes that are no frame: a handshake's answer, the rest of a frame.
    #[must_use]
    pub fn raw(bytes: &[u8]) -> Self {
        Self::Shared(bytes.into())
    }

    /// Takes the users of these numbers (in order) out of a log.
    pub fn scrub(&mut self, numbers: &[u32]) {
        if let Self::Log(log) = self {
            log.scrub(numbers);
        }
    }

    /// The bytes; none of what is only kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Changes(changes) => &changes.bytes,
            Self::Log(_) => &[],
        }
    }
}

/// A text frame, written where its length does not matter yet.
fn text<B: for<'a> From<&'a [u8]>>(write: impl FnOnce(&mut Vec<u8>)) -> B {
    let mut builder = FrameBuilder::begin(SCRATCH.take());
    write(builder.payload());
    let frame = B::from(builder.text_in_place());
    let buffer = builder.into_buffer();
    if buffer.capacity() <= SCRATCH_BYTES_MAX {
        SCRATCH.set(buffer);
    }
    frame
}

impl OutboxFrame for Frame {
    fn length(&self) -> usize {
        match self {
            Self::Log(log) => log.bytes(),
            other => other.bytes().len(),
        }
    }

    fn condenses(&self) -> bool {
        matches!(self, Self::Changes(_))
    }

    fn condense(self, before: Option<&mut Self>) -> Option<Self> {
        let Self::Changes(changes) = &self else {
            return Some(self);
        };
        if let Some(Self::Log(log)) = before
            && log.push(&changes.told)
        {
            return None;
        }
        let mut log = Box::<ChangeLog>::default();
        if log.push(&changes.told) {
            Some(Self::Log(log))
        } else {
            Some(Self::Shared(Rc::from(&*changes.bytes)))
        }
    }

    fn messages(&self) -> u64 {
        match self {
            Self::Log(log) => log.messages() as u64,
            _ => 1,
        }
    }

    fn forget(&mut self, count: u64) {
        if let Self::Log(log) = self {
            log.forget(count as usize);
        }
    }
}
