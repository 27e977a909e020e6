//! A session at its gateway as a value, and such a value as a session of this
//! gateway.
//!
//! The pure session is [`SessionExport`]. Beside it goes what its gateway stores
//! with it: the topics it is on, presence that was not sent yet, and what
//! transports remember. An import enters the session into the table without a
//! connection; its client resumes it as any other, and that resume tells the
//! owners where the session is now.

mod names;

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::life::Details;
use crate::gateway::session::memory::{Answered, DATAGRAMS_MAX, TransportMemory};
use crate::gateway::session::pending::Awaited;
use crate::gateway::settings::GatewaySettings;
use crate::gateway::subscription::topic::Subscriber;
use crate::gateway::subscription::watch::Watches;
use crate::gateway::work::Effect;
use names::{Arrival, Names};
use turntable_core::call::AvatarCall;
use turntable_core::delivery::Topic;
use turntable_core::id::{ChannelId, MessageId, UserId};
use turntable_core::key::SessionSlot;
use turntable_core::packet::{ClientPacket, Presence, RequestId};
use turntable_core::session::Session;
use turntable_core::session::export::{Exporter as _, ImportError, ImportLimits, SessionExport};
use turntable_core::session::life::Effects;
use turntable_core::session::outbox::OutboxFrame as _;

/// Requests of one session that may wait for an answer.
const REQUESTS_MAX: usize = 4_096;

/// A session and what its gateway stores with it, as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryExport {
    /// The session.
    pub session: SessionExport,
    /// The topics that owners put it on.
    pub topics: Vec<Topic>,
    /// The last reported state of each user that it watches, in their order.
    pub states: Vec<Option<Presence>>,
    /// Watched users whose changed state was not sent yet.
    pub changed: Vec<UserId>,
    /// Requests that are answered behind the next snapshot.
    pub subscribed: Vec<RequestId>,
    /// Commands that owners have not answered, with their ids.
    pub awaited: Vec<(Box<str>, RequestId)>,
    /// Ids of datagrams that may have been sent, each with the place of its
    /// message among those of the session's outbox.
    pub ids: Vec<(u64, u128)>,
    /// Unnumbered datagrams by whose ids its client may come back, each with the
    /// number of the last message before it; `None` where it has no datagrams.
    pub datagrams: Option<Vec<(u128, u64)>>,
    /// The last numbered request and its answer.
    pub answered: Option<AnsweredExport>,
}

/// A numbered request and its answer, as a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredExport {
    /// The request's number.
    pub batch: u64,
    /// How many messages the request had received, where it took the session
    /// over.
    pub received: Option<u64>,
    /// The answer.
    pub body: Box<str>,
}

/// A session that arrived, and what follows.
struct Arrived {
    entry: SessionEntry,
    effects: Effects,
    first: Vec<UserId>,
}

impl SessionEntry {
    /// The session as a value; `answered` is what its connection remembers.
    /// Topics and awaited answers are its gateway's to add. `None` where it was
    /// not admitted, or is over.
    fn export(
        &self,
        watches: &Watches,
        answered: Option<&Answered>,
        now_ms: u64,
    ) -> Option<EntryExport> {
        let names = Names {
            watches,
            watching: &self.session.watching,
        };
        let session = self.session.export(now_ms, &names)?;
        let outbox = &self.session.outbox;
        let mut place = 0;
        let mut ids = Vec::new();
        for frame in outbox.retained().chain(outbox.waiting()) {
            let id = frame.as_message().and_then(|message| message.used_id());
            ids.extend(id.map(|id| (place, id.0)));
            place += frame.messages();
        }
        let watched = self.session.watching.iter();
        let watched = watched.filter_map(|number| watches.at(*number));
        let changed = self.changed.iter();
        let memory = self.memory.as_deref();
        let answered = answered.or_else(|| memory?.answered.as_ref());
        let datagrams = self.datagrams();
        Some(EntryExport {
            session,
            topics: Vec::new(),
            states: watched.map(|watched| watched.presence()).collect(),
            changed: changed.filter_map(|number| names.user(*number)).collect(),
            subscribed: self.subscribed.as_deref().cloned().unwrap_or_default(),
            awaited: Vec::new(),
            ids,
            datagrams: datagrams.map(|all| all.iter().map(|(id, n)| (id.0, *n)).collect()),
            answered: answered.and_then(AnsweredExport::of),
        })
    }

    /// The session of a value, as `subscriber` of this gateway.
    fn import(
        export: EntryExport,
        subscriber: Subscriber,
        watches: &mut Watches,
        now_ms: u64,
        settings: &GatewaySettings,
    ) -> Result<Arrived, ImportError> {
        let limits = limits(settings);
        export.check(&limits)?;
        let watched = export.session.watching.clone();
        let has_datagrams = export.datagrams.is_some();
        let mut arrival = Arrival::new(watches, subscriber, &export.ids, has_datagrams);
        let imported = Session::import(
            export.session,
            now_ms,
            &settings.session,
            &limits,
            &mut arrival,
        );
        let (session, effects) = match imported {
            Ok(imported) => imported,
            Err(error) => {
                arrival.undo();
                return Err(error);
            }
        };
        let first = arrival.into_first();
        let mut entry = Self::new(session, settings.session.outbox_bytes_max);
        let datagrams = export.datagrams.map(|all| {
            let all = all.into_iter();
            all.map(|(id, number)| (MessageId::from(id), number))
                .collect()
        });
        let answered = export.answered.map(AnsweredExport::into_answered);
        if datagrams.is_some() || answered.is_some() {
            entry.memory = Some(Box::new(TransportMemory {
                datagrams,
                answered,
            }));
        }
        if !export.subscribed.is_empty() {
            entry.subscribed = Some(Box::new(export.subscribed));
        }
        // What changed on the way is sent with what was not sent before it.
        for (user, state) in watched.iter().zip(export.states) {
            let watched = watches.number(user).and_then(|number| watches.at(number));
            let now = watched.and_then(|watched| watched.presence());
            if now.is_none() {
                entry.unknown += 1;
            }
            if now.is_none() || now != state {
                entry.changed.extend(watches.number(user));
            }
        }
        let changed = export.changed.iter();
        let numbers = changed.filter_map(|user| watches.number(user));
        let watching = &entry.session.watching;
        entry
            .changed
            .extend(numbers.filter(|number| watching.contains(number)));
        Ok(Arrived {
            entry,
            effects,
            first,
        })
    }
}

impl EntryExport {
    fn check(&self, limits: &ImportLimits) -> Result<(), ImportError> {
        let (watching, messages) = (&self.session.watching, &self.session.outbox.messages);
        let datagrams = self.datagrams.as_ref().map_or(0, Vec::len);
        let counts = [
            ("states", self.states.len(), watching.len()),
            ("changed users", self.changed.len(), limits.watching_max),
            ("requests", self.subscribed.len(), REQUESTS_MAX),
            ("requests", self.awaited.len(), REQUESTS_MAX),
            ("datagrams", self.ids.len(), messages.len()),
            ("datagrams", datagrams, DATAGRAMS_MAX),
        ];
        if let Some((name, ..)) = counts.iter().find(|(_, count, max)| count > max) {
            return Err(ImportError::TooMany(name));
        }
        if self.states.len() != watching.len() {
            return Err(ImportError::Number);
        }
        let answer_bytes = self.answered.as_ref().map_or(0, |known| known.body.len());
        // An entry is a little longer than the message in it.
        let answer_bytes_max = limits.waiting_bytes_max.saturating_mul(2);
        (answer_bytes <= answer_bytes_max)
            .then_some(())
            .ok_or(ImportError::TooLarge)
    }
}

impl AnsweredExport {
    fn of(answered: &Answered) -> Option<Self> {
        Some(Self {
            batch: answered.batch,
            received: answered.received,
            body: std::str::from_utf8(&answered.body).ok()?.into(),
        })
    }

    fn into_answered(self) -> Answered {
        Answered {
            batch: self.batch,
            received: self.received,
            body: String::from(self.body).into(),
        }
    }
}

/// What one session of this gateway may have.
fn limits(settings: &GatewaySettings) -> ImportLimits {
    let session = &settings.session;
    // What waits when a connection is lost may wait for the next, beside as much
    // as is retained; and the last message may pass the limit.
    let bytes_max = session
        .outbox_bytes_max
        .saturating_add(session.replay_bytes_max);
    ImportLimits {
        retained_bytes_max: bytes_max,
        waiting_bytes_max: bytes_max.saturating_add(settings.message_bytes_max),
        watching_max: settings.presence.watch_max,
        rooms_max: session.rooms_max,
        channels_max: session.channels_max,
    }
}

impl Gateway {
    /// One of the sessions as a value. It stays as it is and has to end before
    /// the value is imported, for a client has one place. `None` where it was not admitted, or is over.
    #[must_use]
    pub fn export_session(&self, session: SessionSlot) -> Option<EntryExport> {
        let entry = self.sessions.get(session)?;
        let connection = entry.session.connection();
        let connection = connection.and_then(|key| self.connections.get(key));
        let answered = connection.and_then(|connection| connection.transport.answered());
        let (watches, now_ms) = (&self.subscriptions.watches, clock::now_ms());
        let mut export = entry.export(watches, answered, now_ms)?;
        export.topics = self.subscriptions.topics.of(session.into()).to_vec();
        let commands = self.pending.commands(session);
        export.awaited = commands
            .map(|(name, id)| (name.into(), id.clone()))
            .collect();
        Some(export)
    }

    /// Puts the session of a value into the table, without a connection: its
    /// client resumes it. Commands whose answers went to the former place are
    /// answered with `unavailable` when their time is over.
    ///
    /// # Errors
    /// [`ImportError`] where the value is beyond what one session may have.
    pub fn import_session(&mut self, mut export: EntryExport) -> Result<SessionSlot, ImportError> {
        let topics = std::mem::take(&mut export.topics);
        let awaited = std::mem::take(&mut export.awaited);
        let slot = self.sessions.next_key();
        let (watches, now_ms) = (&mut self.subscriptions.watches, clock::now_ms());
        let arrived = SessionEntry::import(export, slot.into(), watches, now_ms, &self.settings)?;
        let Arrived {
            entry,
            effects,
            first,
        } = arrived;
        let topics = topics
            .into_iter()
            .filter(|topic| is_of(topic, &entry.session));
        let topics: Vec<Topic> = topics.collect();
        if entry.unknown == 0 && entry.subscribed.is_some() {
            self.lists.snapshots.push(slot);
        }
        self.sessions.insert(entry);
        self.shared.metrics.sessions.inc();
        for topic in topics {
            self.subscriptions.topics.enter(topic, slot.into());
        }
        for user in first {
            let call = AvatarCall::Watch { gateway: self.id };
            self.shared.owners.avatar(&user, call);
        }
        for (name, id) in awaited {
            let known = ClientPacket::COMMANDS.iter();
            if let Some((command, _)) = known.into_iter().find(|(known, _)| *known == &*name) {
                self.await_answer(Awaited::Answer {
                    session: slot,
                    command,
                    id,
                });
            }
        }
        let details = Rc::new(Details::default());
        let effects = effects.into_iter();
        self.then(effects.map(|effect| Effect::Life(slot, effect, details.clone())));
        self.run();
        Ok(slot)
    }
}

/// Whether a session may be on a topic.
fn is_of(topic: &Topic, session: &Session<Frame>) -> bool {
    let is_on = |path: &ChannelId, subpaths| {
        let mut channels = session.channels().iter();
        channels.any(|known| known.channel == *path && known.subpaths == subpaths)
    };
    match topic {
        Topic::Room(room) => session.rooms().any(|known| known == room),
        Topic::Channel(path) => is_on(path, false),
        Topic::Below(path) => is_on(path, true),
    }
}

#[cfg(test)]
mod tests;
