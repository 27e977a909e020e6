//! Decodes the bytes of one connection to complete messages.
//!
//! A message that is complete and unfragmented in the input is unmasked in place
//! and borrowed from it. Incomplete data (a header, a frame, a message of several
//! frames) is stored in one box that exists only as long as needed: an idle
//! connection costs two words. Buffers grow with the received bytes, never with
//! the length that a header declares.

use std::mem;
use std::ops::ControlFlow;

use super::frame::{Frame, HeaderBytes, Role};
use super::utf8::TextBuffer;
use super::{FrameError, Opcode, is_close_code, mask};

/// Limits of the decoder.
#[derive(Debug, Clone, Copy)]
pub struct DecodeLimits {
    /// The maximum length of a message, in bytes, over all its frames.
    pub message_bytes_max: usize,
}

/// A complete message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping; it must be answered with a pong with the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The peer's close frame; nothing is decoded after it.
    Close {
        /// The code, if there is one.
        code: Option<u16>,
        /// Its reason, often empty.
        reason: &'a str,
    },
}

impl Message<'_> {
    /// Length of its payload, in bytes.
    #[must_use]
    pub const fn payload_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close { reason, .. } => 2 + reason.len(),
        }
    }
}

/// Decodes the frames of one connection (RFC 6455 section 5).
///
/// ```
/// use std::ops::ControlFlow;
/// use turntable_wire::websocket::{DecodeLimits, Decoder, Message, Role};
///
/// // "Hello", masked, from RFC 6455 section 5.7.
/// let mut input = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let mut decoder = Decoder::new(Role::Server);
/// let limits = DecodeLimits { message_bytes_max: 65_536 };
/// let mut texts = Vec::new();
/// let consumed = decoder.feed(&mut input, &limits, &mut |message| {
///     if let Message::Text(text) = message {
///         texts.push(text.to_owned());
///     }
///     ControlFlow::Continue(())
/// });
/// assert_eq!(consumed, Ok(11));
/// assert_eq!(texts, ["Hello"]);
/// ```
#[derive(Debug)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
    role: Role,
    /// Set by a close frame and by an error: later input is ignored.
    ended: bool,
    /// Fragments without content since the last look.
    empty_fragments: u32,
}

/// The incomplete frame or message.
#[derive(Debug, Default)]
struct Partial {
    header: HeaderBytes,
    /// The frame whose payload is incomplete.
    frame: Option<Frame>,
    /// The received payload of a control frame.
    control: Vec<u8>,
    /// The received part of a data message.
    message: Option<Assembly>,
}

#[derive(Debug)]
enum Assembly {
    Text(TextBuffer),
    Binary(Vec<u8>),
}

impl Decoder {
    /// A decoder for a connection after its handshake.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            partial: None,
            role,
            ended: false,
            empty_fragments: 0,
        }
    }

    /// How many fragments came since the last call that had no content and were not
    /// the last of their message: nothing but work, and no message tells of them.
    pub const fn take_empty_fragments(&mut self) -> u32 {
        mem::replace(&mut self.empty_fragments, 0)
    }

    /// Decodes `input` and passes each complete message to `sink`, which may
    /// stop after any of them. Returns the number of consumed bytes: all of them,
    /// unless `sink` stopped; the rest must be fed again. Consumed bytes are
    /// modified (unmasked in place).
    ///
    /// After a close frame or an error, input is consumed and ignored.
    ///
    /// # Errors
    /// [`FrameError`]; the connection must be closed with the reason it maps
    /// to. Earlier messages have been passed to `sink`.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        limits: &DecodeLimits,
        sink: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        if self.ended {
            return Ok(input.len());
        }
        let result = self.read(input, limits, sink);
        if result.is_err() || self.ended {
            self.end();
        }
        result
    }

    /// The memory of an unfinished frame or message, in bytes; 0 if there is none.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let message = match &partial.message {
                None => 0,
                Some(Assembly::Text(text)) => text.capacity(),
                Some(Assembly::Binary(bytes)) => bytes.capacity(),
            };
            mem::size_of::<Partial>() + partial.control.capacity() + message
        })
    }

    /// Ends decoding: what is incomplete is dropped, and later input is ignored.
    pub fn end(&mut self) {
        self.ended = true;
        self.partial = None;
    }

    /// Whether a message has begun and is not whole.
    #[must_use]
    pub fn is_within_message(&self) -> bool {
        let partial = self.partial.as_ref();
        partial.is_some_and(|partial| partial.message.is_some())
    }

    /// Whether a close frame or an error has ended decoding.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    fn read(
        &mut self,
        input: &mut [u8],
        limits: &DecodeLimits,
        sink: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<usize, FrameError> {
        let total = input.len();
        let mut rest = input;
        loop {
            let under_way = self.partial.as_mut().and_then(|p| p.frame.take());
            let frame = match under_way {
                Some(frame) => frame,
                None => match self.read_header(&mut rest)? {
                    Some(frame) => {
                        self.check(&frame, limits)?;
                        if frame.remaining == 0 && !frame.is_final {
                            self.empty_fragments = self.empty_fragments.saturating_add(1);
                        }
                        frame
                    }
                    None => return Ok(total),
                },
            };
            let flow = if self.is_borrowable(&frame, rest) {
                let payload = take_front(&mut rest, frame.remaining as usize);
                mask::apply(frame.key, payload);
                self.release();
                self.hand_out(frame.opcode, payload, sink)?
            } else {
                self.read_payload(frame, &mut rest, sink)?
            };
            if self.ended {
                return Ok(total);
            }
            if flow.is_break() {
                return Ok(total - rest.len());
            }
            if rest.is_empty() {
                return Ok(total);
            }
        }
    }

    /// Decodes a header, or stores an incomplete one.
    fn read_header(&mut self, rest: &mut &mut [u8]) -> Result<Option<Frame>, FrameError> {
        if rest.is_empty() {
            return Ok(None);
        }
        if let Some(partial) = self.partial.as_mut()
            && !partial.header.is_empty()
        {
            let had = partial.header.len();
            partial.header.fill(rest);
            let Some((frame, used)) = Frame::read(partial.header.as_slice(), self.role)? else {
                *rest = &mut [];
                return Ok(None);
            };
            partial.header.clear();
            take_front(rest, used - had);
            self.release();
            return Ok(Some(frame));
        }
        if let Some((frame, used)) = Frame::read(rest, self.role)? {
            take_front(rest, used);
            return Ok(Some(frame));
        }
        self.partial.get_or_insert_default().header.fill(rest);
        *rest = &mut [];
        Ok(None)
    }

    /// The rules that depend on earlier frames.
    fn check(&self, frame: &Frame, limits: &DecodeLimits) -> Result<(), FrameError> {
        if frame.opcode.is_control() {
            return Ok(());
        }
        let message = self.partial.as_ref().and_then(|p| p.message.as_ref());
        match (frame.opcode, message) {
            (Opcode::Continuation, None) => Err(FrameError::Protocol(
                "a continuation frame without a message to continue",
            )),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(FrameError::Protocol(
                "a new message before the last one was finished",
            )),
            _ => {
                let so_far = message.map_or(0, Assembly::len) as u64;
                if so_far.saturating_add(frame.remaining) > limits.message_bytes_max as u64 {
                    return Err(FrameError::TooLarge);
                }
                Ok(())
            }
        }
    }

    /// Whether the frame can be borrowed from the input.
    fn is_borrowable(&self, frame: &Frame, rest: &[u8]) -> bool {
        if frame.remaining > rest.len() as u64 {
            return false;
        }
        match &self.partial {
            // A frame whose payload began in an earlier input is partly stored.
            Some(partial) if frame.opcode.is_control() => partial.control.is_empty(),
            Some(partial) => partial.message.is_none() && frame.is_final,
            None => frame.opcode.is_control() || frame.is_final,
        }
    }

    /// Consumes the part of a frame's payload that is in the input.
    fn read_payload(
        &mut self,
        mut frame: Frame,
        rest: &mut &mut [u8],
        sink: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FrameError> {
        let available = usize::try_from(frame.remaining)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let piece = take_front(rest, available);
        mask::apply(frame.key, piece);
        frame.key = mask::turned(frame.key, available);
        frame.remaining -= available as u64;

        let partial = self.partial.get_or_insert_default();
        if frame.opcode.is_control() {
            partial.control.extend_from_slice(piece);
            if frame.remaining > 0 {
                partial.frame = Some(frame);
                return Ok(ControlFlow::Continue(()));
            }
            let payload = mem::take(&mut partial.control);
            self.release();
            return self.hand_out(frame.opcode, &payload, sink);
        }
        partial
            .message
            .get_or_insert_with(|| Assembly::new(frame.opcode))
            .push(piece)?;
        if frame.remaining > 0 {
            partial.frame = Some(frame);
            return Ok(ControlFlow::Continue(()));
        }
        if !frame.is_final {
            return Ok(ControlFlow::Continue(()));
        }
        let message = partial.message.take();
        self.release();
        match message {
            Some(Assembly::Text(text)) => Ok(sink(Message::Text(&text.finish()?))),
            Some(Assembly::Binary(bytes)) => Ok(sink(Message::Binary(&bytes))),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    /// Passes on the payload of a frame that is a complete message.
    fn hand_out(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        sink: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FrameError> {
        let message = match opcode {
            Opcode::Text => {
                Message::Text(std::str::from_utf8(payload).map_err(|_| FrameError::NotUtf8)?)
            }
            Opcode::Binary | Opcode::Continuation => Message::Binary(payload),
            Opcode::Ping => Message::Ping(payload),
            Opcode::Pong => Message::Pong(payload),
            Opcode::Close => {
                let message = read_close(payload)?;
                self.ended = true;
                message
            }
        };
        Ok(sink(message))
    }

    /// Frees the box if nothing is incomplete.
    fn release(&mut self) {
        if self
            .partial
            .as_ref()
            .is_some_and(|partial| partial.is_empty())
        {
            self.partial = None;
        }
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.header.is_empty()
            && self.frame.is_none()
            && self.control.is_empty()
            && self.message.is_none()
    }
}

impl Assembly {
    fn new(opcode: Opcode) -> Self {
        if opcode == Opcode::Text {
            Self::Text(TextBuffer::default())
        } else {
            Self::Binary(Vec::new())
        }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), FrameError> {
        match self {
            Self::Text(text) => text.push(piece),
            Self::Binary(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// Decodes the payload of a close frame (RFC 6455 section 5.5.1).
fn read_close(payload: &[u8]) -> Result<Message<'_>, FrameError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(Message::Close {
                code: None,
                reason: "",
            })
        } else {
            Err(FrameError::Protocol(
                "a close frame with an incomplete code",
            ))
        };
    };
    let code = u16::from_be_bytes(*code);
    if !is_close_code(code) {
        return Err(FrameError::Protocol("a close code that must not be sent"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| FrameError::NotUtf8)?;
    Ok(Message::Close {
        code: Some(code),
        reason,
    })
}

/// Splits off the first `count` bytes, or all if there are fewer.
fn take_front<'a>(rest: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let all = mem::take(rest);
    let count = count.min(all.len());
    let (front, back) = all.split_at_mut(count);
    *rest = back;
    front
}
