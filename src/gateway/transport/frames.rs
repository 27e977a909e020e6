//! WebSocket frames that come in: shared by the transports that have them.
//!
//! Control frames are handled here. A transport gets the messages and the pongs,
//! and may break after any of them: the input behind it waits until the
//! connection goes on.

use std::ops::ControlFlow;

use crate::gateway::admission::IncompleteShare;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::delivery::frame::Frame;
use crate::gateway::intake::COMMANDS_AT_ONCE;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::{incomplete, socket};
use crate::gateway::work::Effect;
use turntable_core::limit::Limit;
use turntable_core::rate::Bucket;
use turntable_core::reason::CloseReason;
use turntable_wire::websocket::{DecodeLimits, Decoder, Message, Role};

/// What is behind a message may be taken, or has to wait for its effects.
pub(crate) type Flow = ControlFlow<()>;

/// The packets behind may be taken.
pub(crate) const CONTINUE: Flow = ControlFlow::Continue(());
/// They have to wait.
pub(crate) const WAIT: Flow = ControlFlow::Break(());

/// Takes a text, a binary message or a pong.
pub(crate) type OnMessage = fn(&mut Connection, Message<'_>, &mut Cx<'_>) -> Flow;

/// The longest Close frame of a client: header, mask, payload.
const CLOSE_BYTES_MAX: usize = 2 + 4 + 125;

/// The frames of one socket, and bytes that have to wait.
#[derive(Debug)]
pub(crate) struct FrameInput {
    decoder: Decoder,
    /// Charged with frames that carry no message.
    control: Bucket,
    /// Rare state, boxed so that it costs one pointer.
    aside: Option<Box<Aside>>,
}

impl FrameInput {
    /// The frames of a socket that begins.
    pub(crate) fn new() -> Self {
        Self::with_waiting(Vec::new())
    }

    /// The same, with input that came behind the handshake.
    pub(crate) fn with_waiting(input: Vec<u8>) -> Self {
        let mut frames = Self {
            decoder: Decoder::new(Role::Server),
            control: Bucket::default(),
            aside: None,
        };
        if !input.is_empty() {
            frames.wait(Waiting::new(input.into()));
        }
        frames
    }

    /// The input has to wait.
    fn wait(&mut self, waiting: Waiting) {
        self.aside.get_or_insert_default().waiting = Some(waiting);
    }

    /// Takes what waits. Its place is still there: most of it is going to wait again.
    fn take_waiting(&mut self) -> Option<Waiting> {
        self.aside.as_mut().and_then(|aside| aside.waiting.take())
    }

    /// What is counted of what is not whole, or waits.
    pub(crate) fn incomplete_mut(
        &mut self,
        begin: impl FnOnce() -> IncompleteShare,
    ) -> &mut IncompleteShare {
        let aside = self.aside.get_or_insert_default();
        aside.incomplete.get_or_insert_with(begin)
    }

    /// Nothing is counted any more.
    pub(crate) fn forget_incomplete(&mut self) {
        if let Some(aside) = &mut self.aside {
            aside.incomplete = None;
            self.forget_aside();
        }
    }

    fn forget_aside(&mut self) {
        let aside = self.aside.as_deref();
        if aside.is_some_and(Aside::is_empty) {
            self.aside = None;
        }
    }

    /// Whether a message has begun and is not whole.
    pub(crate) fn is_within_message(&self) -> bool {
        self.decoder.is_within_message()
    }

    /// The memory of a frame or message that is not whole, and of input that waits, in bytes.
    pub(crate) fn incomplete_bytes(&self) -> usize {
        let aside = self.aside.as_ref();
        let waiting = aside.and_then(|aside| aside.waiting.as_ref());
        self.decoder.buffered_bytes() + waiting.map_or(0, |waiting| waiting.bytes.len())
    }

    /// Drops it, and takes nothing more but a Close frame.
    pub(crate) fn end(&mut self) {
        self.decoder.end();
        self.drop_input();
    }

    /// Whether input waits.
    pub(crate) fn has_waiting(&self) -> bool {
        let aside = self.aside.as_ref();
        aside.is_some_and(|aside| aside.waiting.is_some())
    }

    /// Drops the input that waits.
    pub(crate) fn drop_input(&mut self) {
        if self.take_waiting().is_none() {
            return;
        }
        let bytes = self.incomplete_bytes();
        let aside = self.aside.as_mut();
        if let Some(share) = aside.and_then(|aside| aside.incomplete.as_mut()) {
            share.reduce(bytes);
        }
        self.forget_aside();
    }
}

/// What a socket seldom has.
#[derive(Debug, Default)]
struct Aside {
    /// Input that was not taken yet.
    waiting: Option<Waiting>,
    /// What is counted of what is not whole, or waits.
    incomplete: Option<IncompleteShare>,
}

impl Aside {
    const fn is_empty(&self) -> bool {
        self.waiting.is_none() && self.incomplete.is_none()
    }
}

/// Input that waits. What is taken of it is not copied again, however often it
/// has to wait.
#[derive(Debug)]
struct Waiting {
    bytes: Box<[u8]>,
    /// How many of them were taken.
    taken: usize,
}

impl Waiting {
    const fn new(bytes: Box<[u8]>) -> Self {
        Self { bytes, taken: 0 }
    }

    fn rest(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.taken..).unwrap_or_default()
    }

    /// Notes that so many bytes more were taken. Returns whether some are left.
    fn advance(&mut self, count: usize) -> bool {
        self.taken += count;
        self.taken < self.bytes.len()
    }
}

/// Takes bytes of a socket. Returns whether the connection may go on; if not, it
/// goes on behind the effects that were left.
pub(crate) fn take(
    connection: &mut Connection,
    input: &mut [u8],
    cx: &mut Cx<'_>,
    on_message: OnMessage,
) -> bool {
    let fed = feed(connection, input, cx, on_message);
    let rest = fed.and_then(|consumed| input.get(consumed..));
    if let Some(rest) = rest.filter(|rest| !rest.is_empty())
        && let Some(frames) = connection.transport.frames_mut()
    {
        frames.wait(Waiting::new(rest.into()));
    }
    incomplete::count(connection, cx);
    fed.is_none()
}

/// Takes the input that waits, and then reads on.
pub(crate) fn take_waiting(connection: &mut Connection, cx: &mut Cx<'_>, on_message: OnMessage) {
    let frames = connection.transport.frames_mut();
    let Some(mut waiting) = frames.and_then(FrameInput::take_waiting) else {
        return socket::read_on(connection, cx);
    };
    let fed = feed(connection, waiting.rest(), cx, on_message);
    if fed.is_some_and(|consumed| waiting.advance(consumed))
        && let Some(frames) = connection.transport.frames_mut()
    {
        frames.wait(waiting);
    }
    incomplete::count(connection, cx);
    if fed.is_none() {
        socket::read_on(connection, cx);
    }
}

/// Takes bytes. Returns how many were taken where the connection has to wait: it
/// then goes on behind the effects that were left.
fn feed(
    connection: &mut Connection,
    input: &mut [u8],
    cx: &mut Cx<'_>,
    on_message: OnMessage,
) -> Option<usize> {
    let frames = connection.transport.frames_mut()?;
    let limits = DecodeLimits {
        message_bytes_max: cx.settings.message_bytes_max,
    };
    if frames.decoder.has_ended() {
        if is_close(input, &limits) {
            cx.push_effect(Effect::Lose(cx.key));
        }
        return None;
    }
    // Taken out for the call: a message may queue frames on its connection.
    let mut decoder = std::mem::replace(&mut frames.decoder, Decoder::new(Role::Server));
    let mut flow = CONTINUE;
    let mut messages = 0;
    let fed = decoder.feed(input, &limits, &mut |message| {
        flow = frame_came(connection, message, cx, on_message);
        messages += 1;
        if messages >= COMMANDS_AT_ONCE {
            flow = WAIT;
        }
        flow
    });
    let empty = decoder.take_empty_fragments();
    if let Some(frames) = connection.transport.frames_mut() {
        frames.decoder = decoder;
    }
    if charge_control(connection, empty, cx).is_break() {
        flow = WAIT;
    }
    let consumed = match fed {
        Ok(_) if flow.is_continue() => return None,
        Ok(consumed) => consumed,
        Err(error) => {
            let reason = error.into();
            // A message that is refused as a whole counts like one that cannot be
            // read: repeated after a resume, it would end that connection too.
            if matches!(reason, CloseReason::TooLarge | CloseReason::NotUtf8) {
                count_refused(connection, cx);
            }
            cx.close(reason);
            if ends_with_close(input, &limits) {
                // Its client closes, too, and answers nothing more.
                cx.push_effect(Effect::Flush(cx.key));
                cx.push_effect(Effect::Lose(cx.key));
            }
            input.len()
        }
    };
    cx.push_effect(Effect::Continue(cx.key));
    Some(consumed)
}

/// Takes one frame; breaks where what is behind it has to wait, or is nothing any
/// more.
fn frame_came(
    connection: &mut Connection,
    message: Message<'_>,
    cx: &mut Cx<'_>,
    on_message: OnMessage,
) -> Flow {
    if connection.is_closing() {
        if matches!(message, Message::Close { .. }) {
            cx.push_effect(Effect::Lose(cx.key));
            return WAIT;
        }
        return CONTINUE;
    }
    match message {
        Message::Ping(payload) => {
            let flow = charge_control(connection, 1, cx);
            if flow.is_continue() {
                cx.push_direct(connection, Frame::pong(payload));
            }
            flow
        }
        Message::Close { code, .. } => {
            let last = Frame::close_answer(code);
            cx.push_effect(Effect::Finish(cx.key, last, CloseReason::Bye));
            WAIT
        }
        Message::Pong(_) => {
            if charge_control(connection, 1, cx).is_break() {
                return WAIT;
            }
            on_message(connection, message, cx)
        }
        Message::Text(_) | Message::Binary(_) => on_message(connection, message, cx),
    }
}

/// Charges frames or packets that carry no message: they cost as much as one and no
/// other rate counts them. Over the rate the connection is closed.
pub(crate) fn charge_control(connection: &mut Connection, count: u32, cx: &mut Cx<'_>) -> Flow {
    let (settings, now_ms) = (cx.settings.limits.control, cx.now_ms);
    let frames = connection.transport.frames_mut();
    let taken = frames.map(|frames| frames.control.take_many(count, settings, now_ms));
    if connection.is_closing() || !matches!(taken, Some(Err(_))) {
        return CONTINUE;
    }
    cx.metrics.limit(Limit::Control);
    cx.close(CloseReason::RateLimited);
    WAIT
}

/// Counts a message that is no command among those of the connection's session.
pub(crate) fn count_refused(connection: &Connection, cx: &mut Cx<'_>) {
    if matches!(connection.phase, Phase::Attached(_))
        && let Some(entry) = cx.entry()
    {
        entry.session.count(None);
    }
}

/// Whether the input is a Close frame and nothing else. Behind invalid bytes
/// nobody knows where the next frame begins, but a client's answer to a Close is
/// the last that it sends, and comes alone.
fn is_close(input: &mut [u8], limits: &DecodeLimits) -> bool {
    let mut is_close = false;
    let mut sink = |message: Message<'_>| {
        is_close = matches!(message, Message::Close { .. });
        WAIT
    };
    let is_short = input.len() <= CLOSE_BYTES_MAX;
    is_short
        && Decoder::new(Role::Server)
            .feed(input, limits, &mut sink)
            .is_ok()
        && is_close
}

/// Whether invalid input ends with a Close frame. What is before it is not looked at:
/// it has no frames that one could tell.
fn ends_with_close(input: &[u8], limits: &DecodeLimits) -> bool {
    /// Two bytes, and the mask.
    const HEAD: usize = 2 + 4;
    let mut heads = input.windows(2).enumerate().rev().take(CLOSE_BYTES_MAX);
    heads.any(|(at, head)| match head {
        [0x88, length] if at + HEAD + usize::from(length & 0x7f) == input.len() => {
            let tail = input.get(at..).unwrap_or_default();
            is_close(&mut tail.to_vec(), limits)
        }
        _ => false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits {
        message_bytes_max: 65_536,
    };

    /// A text of one character, and a Close frame, as clients send them.
    const TEXT: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'x'];
    const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 3, 0xe8];

    #[test]
    fn input_that_waits_is_copied_once() {
        let mut waiting = Waiting::new(TEXT.repeat(1_000).into());
        let place = waiting.bytes.as_ptr();
        let mut decoder = Decoder::new(Role::Server);
        let (mut messages, mut has_more) = (0, true);
        while has_more {
            let mut sink = |_: Message<'_>| {
                messages += 1;
                WAIT
            };
            let consumed = decoder.feed(waiting.rest(), &LIMITS, &mut sink).unwrap();
            assert_eq!(consumed, TEXT.len(), "each frame is taken once");
            has_more = waiting.advance(consumed);
        }
        assert_eq!(messages, 1_000);
        assert_eq!(waiting.bytes.as_ptr(), place);
    }

    #[test]
    fn close_alone_is_found_behind_invalid_input() {
        assert!(is_close(&mut CLOSE.clone(), &LIMITS));
        assert!(!is_close(&mut TEXT.clone(), &LIMITS));
        assert!(!is_close(&mut [0xff; 8], &LIMITS));
        assert!(!is_close(&mut [], &LIMITS));
        let mut behind_text = [TEXT.as_slice(), &CLOSE].concat();
        assert!(!is_close(&mut behind_text, &LIMITS));
        let mut long = [CLOSE.as_slice(), &[0; CLOSE_BYTES_MAX]].concat();
        assert!(!is_close(&mut long, &LIMITS));
    }

    #[test]
    fn close_is_found_at_the_end_of_invalid_input() {
        let empty = [0x88, 0x80, 1, 2, 3, 4];
        let garbage = [0xff; 300];
        for close in [CLOSE.as_slice(), &empty] {
            assert!(ends_with_close(close, &LIMITS));
            assert!(ends_with_close(
                &[garbage.as_slice(), close].concat(),
                &LIMITS
            ));
            let cut = close.split_last().unwrap().1;
            assert!(!ends_with_close(
                &[garbage.as_slice(), cut].concat(),
                &LIMITS
            ));
            assert!(!ends_with_close(
                &[close, garbage.as_slice()].concat(),
                &LIMITS
            ));
        }
        // A code that no peer may send.
        let wrong = [0x88, 0x82, 0, 0, 0, 0, 0, 1];
        for input in [&garbage[..], &wrong, &TEXT, &[]] {
            assert!(!ends_with_close(input, &LIMITS));
        }
    }
}
