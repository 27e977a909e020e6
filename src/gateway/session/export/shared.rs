//! Messages that many sessions of a gateway retain: a value has each once, and sessions share
//! each again.
//!
//! ```text
//! sessions ── Collected ──► SavedSessions { texts, sessions } ── SharedTexts ──► sessions
//! ```
//!
//! In the messages of a session, a reference stands for such a text: `#` and its place among
//! `texts`. The text of a message begins with `{`.

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::export::EntryExport;
use turntable_core::id::MessageId;
use turntable_wire::{frame, json_v1};

/// In front of the place of a shared text.
const MARK: char = '#';
/// A shorter text is not worth a reference, in bytes.
const SHARED_BYTES_MIN: usize = 64;

/// The sessions of a gateway as a value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedSessions {
    /// The v1 texts of messages that several of them retain.
    pub texts: Vec<Box<str>>,
    /// The sessions.
    pub sessions: Vec<EntryExport>,
}

/// The texts of sessions on their way into a value.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// By address. Each is retained, so that no other has its address meanwhile.
    places: FxHashMap<*const u8, (Arc<[u8]>, usize)>,
    texts: Vec<Box<str>>,
}

impl Collected {
    /// What stands for the message in a session's value, where several sessions have it.
    pub(super) fn reference(&mut self, frame: &Frame) -> Option<Box<str>> {
        let Frame::Message(message) = frame else {
            return None;
        };
        let v1 = message.v1();
        let is_shared = Rc::strong_count(message) > 1 || Arc::strong_count(v1) > 1;
        if !is_shared || v1.len() < SHARED_BYTES_MIN {
            return None;
        }
        let texts = &mut self.texts;
        let (_, place) = self.places.entry(v1.as_ptr()).or_insert_with(|| {
            texts.push(message.text().into());
            (v1.clone(), texts.len() - 1)
        });
        Some(format!("{MARK}{place}").into())
    }

    pub(crate) fn into_texts(self) -> Vec<Box<str>> {
        self.texts
    }
}

/// The texts of a value, for the sessions that have references to them.
#[derive(Debug, Default)]
pub(crate) struct SharedTexts(Vec<Option<SharedText>>);

#[derive(Debug)]
struct SharedText {
    v1: Arc<[u8]>,
    is_presence: bool,
    /// That of the last session, with the id that it was sent with.
    last: Option<(MessageId, Frame)>,
}

impl SharedTexts {
    /// Those of a value. One that is no message is one that sessions cannot have.
    pub(crate) fn of(texts: Vec<Box<str>>) -> Self {
        let texts = texts.into_iter().map(|text| {
            let is_presence = json_v1::split(&text)?.command == "userchange";
            Some(SharedText {
                v1: frame::text_frame(|out| out.extend_from_slice(text.as_bytes())),
                is_presence,
                last: None,
            })
        });
        Self(texts.collect())
    }

    fn get(&mut self, reference: &str) -> Option<&mut SharedText> {
        let place: usize = reference.strip_prefix(MARK)?.parse().ok()?;
        self.0.get_mut(place)?.as_mut()
    }

    /// The text that a reference stands for, where it is a `userchange`.
    pub(super) fn presence(&mut self, reference: &str) -> Option<Arc<[u8]>> {
        let shared = self.get(reference)?;
        shared.is_presence.then(|| shared.v1.clone())
    }

    /// The message that a reference stands for, with its id where that may have been sent.
    pub(super) fn frame(&mut self, reference: &str, id: Option<MessageId>) -> Option<Frame> {
        let shared = self.get(reference)?;
        let Some(id) = id else {
            // It gets an id of its own, which is no other session's.
            return Some(Frame::imported(shared.v1.clone(), None));
        };
        if let Some((known, frame)) = &shared.last
            && *known == id
        {
            return Some(frame.clone());
        }
        let frame = Frame::imported(shared.v1.clone(), Some(id));
        shared.last = Some((id, frame.clone()));
        Some(frame)
    }
}

/// Whether a text is a reference.
pub(super) fn is_reference(text: &str) -> bool {
    text.starts_with(MARK)
}
