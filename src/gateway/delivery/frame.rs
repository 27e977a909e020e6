//! A message as it goes to connections: encoded once, shared by all its
//! receivers.
//!
//! A message is its v1 text; as a complete WebSocket frame that is also what most
//! connections write. The other encodings are made from it by the first
//! connection that needs one, and stored beside it: once per process for what an
//! owner published ([`SharedFrame`]), here for what has one receiver. Every worker
//! counts its own references, so one more receiver is a plain count, not an
//! atomic one.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::MessageIds;
use crate::gateway::delivery::change_log::{self, Change, ChangeLog};
use crate::gateway::delivery::encoding::{Encoding, Reader};
use crate::gateway::delivery::sent::Sent;
use turntable_core::frame::{SharedFrame, text_of};
use turntable_core::id::MessageId;
use turntable_core::key::UserNumber;
use turntable_core::packet::{RequestId, ServerPacket};
use turntable_core::reason::CloseReason;
use turntable_core::session::outbox::OutboxFrame;
use turntable_wire::frame;
use turntable_wire::json_v1;
use turntable_wire::websocket::{FrameBuilder, close_frame, ping_frame, pong_frame};

thread_local! {
    /// The ids of messages that no owner has sent.
    static IDS: RefCell<MessageIds> = const { RefCell::new(MessageIds::new()) };
}

/// Something that waits to be written, or is retained.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    /// A message that many sessions may share.
    Message(Rc<Message>),
    /// A `userchange` that waits; once written it is condensed to a log.
    Changes(Rc<Changes>),
    /// `userchange` messages that were written.
    Log(Box<ChangeLog>),
    /// Bytes that are no message: a handshake's answer, a control frame.
    Raw(Rc<Box<[u8]>>),
    /// A message of a namespace (by its number) on the connection that carries
    /// the namespace.
    Packet(u8, Rc<Message>),
}

/// A message in v1, and in the encodings that it was written in.
#[derive(Debug)]
pub(crate) struct Message {
    /// A complete text frame; one that an owner sent is shared with the other
    /// gateways of the process.
    v1: Arc<[u8]>,
    /// Its id, which some encodings write; nil until it is needed.
    id: Cell<MessageId>,
    /// What an owner published for many: their other encodings are made once per
    /// process.
    shared: Option<SharedFrame>,
    /// What was written for its only receiver.
    others: OnceCell<Box<Written>>,
}

/// A message in one more encoding.
#[derive(Debug)]
struct Written {
    encoding: Encoding,
    bytes: Box<[u8]>,
    next: OnceCell<Box<Written>>,
}

/// A `userchange` and the changes in it.
#[derive(Debug)]
pub(crate) struct Changes {
    message: Message,
    changes: Box<[Change]>,
}

impl Message {
    /// A message whose v1 text `write` writes.
    fn build(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::of(frame::text_frame(write), MessageId::nil(), None)
    }

    /// A message of another gateway.
    fn imported(v1: Arc<[u8]>, id: Option<MessageId>) -> Self {
        Self::of(v1, id.unwrap_or_default(), None)
    }

    const fn of(v1: Arc<[u8]>, id: MessageId, shared: Option<SharedFrame>) -> Self {
        Self {
            v1,
            id: Cell::new(id),
            shared,
            others: OnceCell::new(),
        }
    }

    /// The complete text frame.
    pub(crate) const fn v1(&self) -> &Arc<[u8]> {
        &self.v1
    }

    /// The v1 text.
    pub(crate) fn text(&self) -> &str {
        text_of(&self.v1)
    }

    /// Its id, which some encodings write; the same whenever it is requested.
    pub(crate) fn id(&self) -> MessageId {
        if self.id.get().is_nil() {
            self.id.set(next_id());
        }
        self.id.get()
    }

    /// That id, where it may have been sent.
    pub(crate) fn used_id(&self) -> Option<MessageId> {
        let id = self.id.get();
        (!id.is_nil()).then_some(id)
    }

    /// Whether that id may have been sent, and is `id`.
    pub(crate) fn is(&self, id: MessageId) -> bool {
        self.used_id() == Some(id)
    }

    /// The same message for one receiver.
    fn alone(&self) -> Self {
        Self::of(self.v1.clone(), self.id.get(), None)
    }

    /// The bytes for `reader`.
    pub(crate) fn bytes(&self, reader: &Reader<'_>) -> &[u8] {
        if reader.encoding == Encoding::JsonV1 {
            return &self.v1;
        }
        if let Some(shared) = &self.shared {
            return shared.bytes(reader.encoding.number(), |_| reader.write(self));
        }
        let mut place = &self.others;
        loop {
            let written = place.get_or_init(|| {
                Box::new(Written {
                    encoding: reader.encoding,
                    bytes: reader.write(self).into(),
                    next: OnceCell::new(),
                })
            });
            if written.encoding == reader.encoding {
                return &written.bytes;
            }
            place = &written.next;
        }
    }
}

fn next_id() -> MessageId {
    IDS.with_borrow_mut(MessageIds::next_id)
}

impl Frame {
    /// A message.
    pub(crate) fn message(packet: &ServerPacket, id: Option<&RequestId>) -> Self {
        Self::build(|out| json_v1::encode(packet, id, out))
    }

    /// What an owner published, for all its receivers here.
    pub(crate) fn shared(frame: SharedFrame) -> Self {
        let (v1, id) = (frame.v1().clone(), frame.id());
        Self::Message(Rc::new(Message::of(v1, id, Some(frame))))
    }

    /// What an owner sent to one session.
    pub(crate) fn sent(frame: &SharedFrame) -> Self {
        let (v1, id) = (frame.v1().clone(), frame.id());
        Self::Message(Rc::new(Message::of(v1, id, None)))
    }

    /// What a channel retained, for one session. It has an id of its own, beside the
    /// message's: the session may have had the message before, by whose id it could
    /// come back.
    pub(crate) fn retained(frame: &SharedFrame) -> Self {
        let v1 = frame.v1().clone();
        Self::Message(Rc::new(Message::of(v1, MessageId::nil(), None)))
    }

    /// A message whose v1 text `write` writes.
    pub(crate) fn build(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::Message(Rc::new(Message::build(write)))
    }

    /// A `userchange` whose text `write` writes, and the changes in it.
    pub(crate) fn changes(changes: &[Change], write: impl FnOnce(&[Change], &mut Vec<u8>)) -> Self {
        Self::Changes(Rc::new(Changes {
            message: Message::build(|out| write(changes, out)),
            changes: changes.into(),
        }))
    }

    /// A message by its complete v1 text frame, with its id where that may have
    /// been sent.
    pub(crate) fn imported(v1: Arc<[u8]>, id: Option<MessageId>) -> Self {
        Self::Message(Rc::new(Message::imported(v1, id)))
    }

    /// A `userchange` by its complete v1 text frame, with the changes in it.
    pub(crate) fn imported_changes(
        v1: Arc<[u8]>,
        id: Option<MessageId>,
        changes: Vec<Change>,
    ) -> Self {
        Self::Changes(Rc::new(Changes {
            message: Message::imported(v1, id),
            changes: changes.into(),
        }))
    }

    /// The same message for one receiver: for an encoding that differs between
    /// receivers, or for a client that names it by its id.
    pub(crate) fn alone(&self) -> Self {
        match self.as_message() {
            Some(message) => Self::Message(Rc::new(message.alone())),
            None => self.clone(),
        }
    }

    /// The message, where it is one.
    pub(crate) fn as_message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) | Self::Packet(_, message) => Some(message),
            Self::Changes(changes) => Some(&changes.message),
            Self::Log(_) | Self::Raw(_) => None,
        }
    }

    /// The changes of a `userchange` that waits.
    pub(crate) fn as_changes(&self) -> Option<&[Change]> {
        match self {
            Self::Changes(changes) => Some(&changes.changes),
            _ => None,
        }
    }

    /// The place of its name among those of the server's messages.
    pub(crate) fn name_place(&self) -> Option<usize> {
        match self {
            // Nearly all that has a receiver of its own; its name need not be read.
            Self::Changes(_) => Sent::USERCHANGE,
            _ => Sent::place(self.as_message()?.v1()),
        }
    }

    /// A text or binary frame with the payload of another.
    pub(crate) fn echo(payload: &[u8], text: bool) -> Self {
        let mut builder = FrameBuilder::begin(Vec::with_capacity(payload.len() + 10));
        builder.payload().extend_from_slice(payload);
        Self::raw(&if text {
            builder.text()
        } else {
            builder.binary()
        })
    }

    /// The close frame of a reason.
    pub(crate) fn close(reason: CloseReason) -> Self {
        Self::raw(&close_frame(Some(reason.code()), reason.name()))
    }

    /// The answer to a peer's close frame.
    pub(crate) fn close_answer(code: Option<u16>) -> Self {
        Self::raw(&close_frame(code, ""))
    }

    /// A ping whose pong is known by `mark`.
    pub(crate) fn ping(mark: u64) -> Self {
        Self::raw(&ping_frame(&mark.to_be_bytes()))
    }

    /// The answer to a ping.
    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self::raw(&pong_frame(payload))
    }

    /// Bytes that are no message: a handshake's answer, the rest of a frame.
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        Self::Raw(Rc::new(bytes.into()))
    }

    /// The bytes of one that is no message.
    pub(crate) fn raw_bytes(&self) -> &[u8] {
        match self {
            Self::Raw(bytes) => bytes,
            _ => &[],
        }
    }

    /// Takes the users of these numbers (in order) out of a log, and out of what
    /// one that waits will leave in a log; its text stays.
    pub(crate) fn scrub(&mut self, numbers: &[UserNumber]) {
        match self {
            Self::Log(log) => log.scrub(numbers),
            Self::Changes(waiting) => {
                let mut changes = waiting.changes.clone();
                change_log::scrub(&mut changes, numbers);
                if changes != waiting.changes {
                    let message = waiting.message.alone();
                    *self = Self::Changes(Rc::new(Changes { message, changes }));
                }
            }
            Self::Message(_) | Self::Raw(_) | Self::Packet(..) => {}
        }
    }

    /// The bytes for `reader`; none of a log.
    pub(crate) fn bytes(&self, reader: &Reader<'_>) -> &[u8] {
        match self {
            Self::Message(message) => message.bytes(reader),
            Self::Packet(number, message) => message.bytes(&Reader {
                encoding: Encoding::SocketIo(*number),
                ..*reader
            }),
            Self::Changes(changes) => changes.message.bytes(reader),
            Self::Raw(bytes) => bytes,
            Self::Log(_) => &[],
        }
    }
}

impl OutboxFrame for Frame {
    /// As long as in v1, in every encoding: the encoding may change while the
    /// frame waits.
    fn length(&self) -> usize {
        match self {
            Self::Message(message) | Self::Packet(_, message) => message.v1.len(),
            Self::Changes(changes) => changes.message.v1.len(),
            Self::Raw(bytes) => bytes.len(),
            Self::Log(log) => log.bytes(),
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
            && log.push(&changes.changes)
        {
            return None;
        }
        let mut log = Box::<ChangeLog>::default();
        if log.push(&changes.changes) {
            Some(Self::Log(log))
        } else {
            Some(self.alone())
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

#[cfg(test)]
mod tests {
    use super::*;
    use turntable_core::packet::Presence;

    #[test]
    fn user_that_is_not_watched_any_more_is_in_no_log() {
        let numbers = [UserNumber::from_bits(1), UserNumber::from_bits(2)];
        let changes = numbers.map(|number| Change::new(number, Presence::Busy));
        let write = |_: &[Change], out: &mut Vec<u8>| out.extend_from_slice(b"{}");
        let mut waiting = Frame::changes(&changes, write);
        waiting.scrub(&[UserNumber::from_bits(1)]);
        assert_eq!(waiting.as_message().map(Message::text), Some("{}"));
        let mut log = waiting.condense(None);
        let left = |log: &Option<Frame>| match log {
            Some(Frame::Log(log)) => log.iter().flatten().map(|c| c.number()).collect(),
            _ => Vec::new(),
        };
        assert!(!left(&log).contains(&UserNumber::from_bits(1)));
        assert!(left(&log).contains(&UserNumber::from_bits(2)));
        if let Some(log) = &mut log {
            log.scrub(&[UserNumber::from_bits(2)]);
        }
        assert!(!left(&log).contains(&UserNumber::from_bits(2)));
    }
}
