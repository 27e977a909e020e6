//! Users and messages of a session between a gateway's tables and a value.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::gateway::delivery::change_log::Change;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::export::shared::{Collected, SharedTexts, is_reference};
use crate::gateway::subscription::topic::Subscriber;
use crate::gateway::subscription::watch::Watches;
use turntable_core::frame::text_of;
use turntable_core::id::{MessageId, UserId};
use turntable_core::key::UserNumber;
use turntable_core::packet::Presence;
use turntable_core::session::export::{Exporter, Importer};
use turntable_wire::{frame, json_v1};

/// Names of one gateway in a value.
pub(super) struct Names<'a> {
    pub(super) watches: &'a Watches,
    pub(super) watching: &'a FxHashSet<UserNumber>,
    /// Where messages that other sessions have too go; they go with the session where there is
    /// no such place.
    pub(super) collected: Option<&'a RefCell<Collected>>,
}

impl Exporter<Frame> for Names<'_> {
    fn user(&self, number: UserNumber) -> Option<UserId> {
        Some(self.watches.at(number)?.user().clone())
    }

    fn texts(&self, frame: &Frame, texts: &mut Vec<Box<str>>) {
        let collected = self.collected;
        let reference = collected.and_then(|all| all.borrow_mut().reference(frame));
        if let Some(reference) = reference {
            texts.push(reference);
        } else if let Frame::Log(log) = frame {
            for changes in log.iter() {
                let again = self.watches.frame_again(changes, self.watching);
                texts.extend(again.as_message().map(|message| message.text().into()));
            }
        } else {
            texts.extend(frame.as_message().map(|message| message.text().into()));
        }
    }
}

/// Users and messages of a value on their way into a gateway.
pub(super) struct Arrival<'a> {
    watches: &'a mut Watches,
    subscriber: Subscriber,
    watching: FxHashSet<UserNumber>,
    first: Vec<UserId>,
    ids: &'a [(u64, u128)],
    /// The place of the next message.
    place: u64,
    names_messages: bool,
    /// What references stand for.
    shared: &'a mut SharedTexts,
}

impl Importer<Frame> for Arrival<'_> {
    fn watch(&mut self, user: &UserId) -> Option<UserNumber> {
        if !self.watches.has_room(1) {
            return None;
        }
        let watching = self.watches.add(user, self.subscriber);
        if watching.is_first {
            self.first.push(user.clone());
        }
        watching.is_new.then(|| {
            self.watching.insert(watching.number);
            watching.number
        })
    }

    fn frame(&mut self, text: &str) -> Option<Frame> {
        let id = match self.ids.split_first() {
            Some(((place, id), rest)) if *place == self.place => {
                self.ids = rest;
                Some(MessageId::from(*id))
            }
            _ => None,
        };
        self.place += 1;
        let v1: Arc<[u8]> = if is_reference(text) {
            match self.shared.presence(text) {
                Some(v1) => v1,
                None => return self.shared.frame(text, id),
            }
        } else {
            frame::text_frame(|out| out.extend_from_slice(text.as_bytes()))
        };
        let parts = json_v1::split(text_of(&v1))?;
        // A client that names messages does so with these, too.
        if parts.command != "userchange" || self.names_messages {
            return Some(Frame::imported(v1.clone(), id));
        }
        let States(states) = serde_json::from_str(parts.data.get()).ok()?;
        let changes = states.into_iter().filter_map(|(user, presence)| {
            let number = self.watches.number(&user)?;
            let is_watched = self.watching.contains(&number);
            is_watched.then(|| Change::new(number, presence))
        });
        let changes = changes.collect();
        Some(Frame::imported_changes(v1.clone(), id, changes))
    }
}

impl<'a> Arrival<'a> {
    /// What makes the value's users and messages those of `subscriber`. `ids` are
    /// those of messages, by their places.
    pub(super) fn new(
        watches: &'a mut Watches,
        subscriber: Subscriber,
        ids: &'a [(u64, u128)],
        names_messages: bool,
        shared: &'a mut SharedTexts,
    ) -> Self {
        Self {
            watches,
            subscriber,
            watching: FxHashSet::default(),
            first: Vec::new(),
            ids,
            place: 0,
            names_messages,
            shared,
        }
    }

    /// Users that no other session of the gateway watches.
    pub(super) fn into_first(self) -> Vec<UserId> {
        self.first
    }

    /// The value was refused: nothing is watched for it.
    pub(super) fn undo(self) {
        for number in self.watching {
            self.watches.remove(number, self.subscriber);
        }
    }
}

/// The data of a `userchange`.
struct States(Vec<(UserId, Presence)>);

impl<'de> Deserialize<'de> for States {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = States;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("states by user")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<States, A::Error> {
                let mut states = Vec::new();
                while let Some((user, name)) = map.next_entry::<UserId, &str>()? {
                    let all = [
                        Presence::Offline,
                        Presence::Idle,
                        Presence::Busy,
                        Presence::Online,
                    ];
                    let presence = all.into_iter().find(|known| known.name() == name);
                    let presence = presence.ok_or_else(|| A::Error::custom("no such state"))?;
                    states.push((user, presence));
                }
                Ok(States(states))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
