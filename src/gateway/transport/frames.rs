//! WebSocket frames that come in: shared by the transports that have them.

use std::ops::ControlFlow;

use turntable_core::reason::CloseReason;
use turntable_wire::websocket::{DecodeLimits, Decoder, Message, Role};

/// The frames of one socket, and bytes that have to wait.
#[derive(Debug)]
pub(crate) struct FrameInput {
    decoder: Decoder,
    /// Input that was not taken yet; seldom any, and then a word.
    waiting: Option<Box<Box<[u8]>>>,
}

impl FrameInput {
    /// The frames of a socket that begins.
    pub(crate) fn new() -> Self {
        Self::with_waiting(Vec::new())
    }

    /// The same, with input that came behind the handshake.
    pub(crate) fn with_waiting(input: Vec<u8>) -> Self {
        Self {
            decoder: Decoder::new(Role::Server),
            waiting: (!input.is_empty()).then(|| Box::new(input.into())),
        }
    }

    /// Takes the input that waits.
    pub(crate) fn take_waiting(&mut self) -> Option<Box<[u8]>> {
        self.waiting.take().map(|waiting| *waiting)
    }

    /// Drops the input that waits.
    pub(crate) fn drop_input(&mut self) {
        self.waiting = None;
    }

    /// Takes bytes, until `take` breaks; the rest waits. Returns whether some
    /// does.
    ///
    /// # Errors
    /// The reason to close for bytes that are no frames.
    pub(crate) fn feed(
        &mut self,
        input: &mut [u8],
        message_bytes_max: usize,
        take: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<bool, CloseReason> {
        let limits = DecodeLimits { message_bytes_max };
        let consumed = self.decoder.feed(input, &limits, take)?;
        let rest = input.get(consumed..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        self.waiting = Some(Box::new(rest.into()));
        Ok(true)
    }
}
