//! A session at its gateway as a value, and such a value as a session of this
//! gateway.
//!
//! The pure session is `SessionExport`. Beside it goes what its gateway stores
//! with it: presence that was not sent yet, the backups of its owners and what
//! transports remember. An import enters the session into the table without a
//! connection; its client resumes it as any other, and that resume tells avatar
//! and rooms where the session is now. Channels are joined again at once: what was
//! published in between is announced as a hole by their `joined`. Services learn at once
//! where the answers to its calls go, and the calls that it was given stay its own: it gets
//! no others until it is resumed. The states of services are in the `welcome` of the resume.

mod names;
mod shared;
mod value;

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashSet;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::service::Providing;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::life::Details;
use crate::gateway::session::memory::{Answered, TransportMemory};
use crate::gateway::session::pending::Awaited;
use crate::gateway::settings::GatewaySettings;
use crate::gateway::subscription::profile::ProfileChange;
use crate::gateway::subscription::topic::Subscriber;
use crate::gateway::subscription::watch::Watches;
use crate::gateway::work::Effect;
use names::{Arrival, Names};
use turntable_core::backup::Backup;
use turntable_core::call::{AvatarCall, ChannelCall};
use turntable_core::delivery::Topic;
use turntable_core::id::{ChannelId, MessageId, UserId};
use turntable_core::key::{Generation, SessionSlot, UserNumber};
use turntable_core::model::channel::Past;
use turntable_core::packet::ClientPacket;
use turntable_core::session::Session;
use turntable_core::session::export::{Exporter as _, ImportError, ImportLimits};
use turntable_core::session::life::Effects;
use turntable_core::session::membership::ChannelMembership;
use turntable_core::session::outbox::OutboxFrame as _;

pub use crate::gateway::service::ProvidingExport;
pub use shared::SavedSessions;
pub(crate) use shared::{Collected, SharedTexts};
pub use value::{AnsweredExport, EntryExport};

/// Where a session comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// From another gateway: owners went on meanwhile.
    Gateway,
    /// From an earlier process: they did not.
    Process,
}

/// A session that arrived, and what follows.
struct Arrived {
    entry: SessionEntry,
    effects: Effects,
    first: Vec<UserId>,
}

impl SessionEntry {
    /// The session as a value; `answered` is what its connection remembers.
    /// Rooms and awaited answers are its gateway's to add. `None` where it was
    /// not admitted, or is over.
    fn export(
        &self,
        watches: &Watches,
        answered: Option<&Answered>,
        collected: Option<&RefCell<Collected>>,
        now_ms: u64,
    ) -> Option<EntryExport> {
        let watching: FxHashSet<UserNumber> = self.session.watching.iter().copied().collect();
        let names = Names {
            watches,
            watching: &watching,
            collected,
        };
        if self.queue.is_some() {
            return None;
        }
        if self.is_changing {
            // The avatar of the user that it became may still refuse it.
            return None;
        }
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
        let unnumbered = self.unnumbered();
        Some(EntryExport {
            session,
            rooms: Vec::new(),
            backups: self.all_backups(),
            states: watched.map(|watched| watched.presence()).collect(),
            changed: changed.filter_map(|number| names.user(*number)).collect(),
            subscribed: self.subscribed.to_vec(),
            is_warned: self.is_warned,
            awaited: Vec::new(),
            calls: Vec::new(),
            providing: self.providing().map(|known| known.export(now_ms)),
            ids,
            unnumbered: unnumbered.map(|all| all.iter().map(|(id, n)| (id.0, *n)).collect()),
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
        (origin, shared): (Origin, &mut SharedTexts),
    ) -> Result<Arrived, ImportError> {
        let limits = limits(settings);
        export.check(&limits)?;
        let providing = export.providing;
        let providing = providing.map(|known| Providing::import(known, now_ms));
        let providing = providing.transpose()?;
        let watched = export.session.watching.clone();
        let (roles, functions) = (&export.session.roles, &export.session.functions);
        let permissions = settings.permissions.of(roles, functions);
        let names_messages = export.unnumbered.is_some();
        let mut arrival = Arrival::new(watches, subscriber, &export.ids, names_messages, shared);
        let imported = Session::import(
            export.session,
            now_ms,
            &settings.session,
            &limits,
            &mut arrival,
        );
        let (mut session, effects) = match imported {
            Ok(imported) => imported,
            Err(error) => {
                arrival.undo();
                return Err(error);
            }
        };
        session.permissions = permissions;
        let first = arrival.into_first();
        let mut entry = Self::new(session, settings.session.outbox_bytes_max);
        for backup in export.backups {
            if entry.may_have(&backup) {
                entry.store_backup(backup);
            }
        }
        let unnumbered = export.unnumbered.map(|all| {
            let all = all.into_iter();
            all.map(|(id, number)| (MessageId::from(id), number))
                .collect()
        });
        let answered = export.answered.map(AnsweredExport::into_answered);
        if unnumbered.is_some() || answered.is_some() {
            entry.memory = Some(Box::new(TransportMemory {
                unnumbered,
                answered,
            }));
        }
        if let Some(providing) = providing {
            entry.extras.get_or_insert_default().providing = Some(Box::new(providing));
        }
        entry.subscribed = export.subscribed.into();
        entry.is_warned = export.is_warned;
        entry.has_past = true;
        // What changed on the way is sent with what was not sent before it.
        for (user, state) in watched.iter().zip(export.states) {
            let number = watches.number(user);
            if let (Some(number), Some(state), Origin::Process) = (number, state, origin) {
                watches.report(number, state);
            }
            let watched = number.and_then(|number| watches.at(number));
            let now = watched.and_then(|watched| watched.presence());
            if now.is_none() {
                entry.unknown += 1;
            }
            if now.is_none() || now != state {
                entry.changed.extend(number);
            }
            if let Some(number) = number
                && now.is_some()
                && watches.has_profile(number)
            {
                entry.profiles.push(ProfileChange::again(number));
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

    fn all_backups(&self) -> Vec<Backup> {
        let Some(backups) = &self.backups else {
            return Vec::new();
        };
        let rooms = self.session.rooms().filter_map(|room| {
            let backup = backups.room(room)?.clone();
            Some(Backup::Room(room.clone(), backup))
        });
        let avatar = Backup::Avatar(backups.avatar().clone());
        std::iter::once(avatar).chain(rooms).collect()
    }

    fn may_have(&self, backup: &Backup) -> bool {
        match backup {
            Backup::Avatar(_) => true,
            Backup::Room(room, _) => self.session.rooms().any(|known| known == room),
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
    /// One of the sessions as a value. It stays as it is and has to end before the
    /// value is imported, for a client has one place. `None` where it was not
    /// admitted, also as another user that it has become, is over, or has commands that wait
    /// for their turns.
    #[must_use]
    pub fn export_session(&self, session: SessionSlot) -> Option<EntryExport> {
        self.export_with(session, None)
    }

    /// The same, with references to the messages that other sessions have too; those are
    /// `collected`.
    pub(crate) fn export_with(
        &self,
        session: SessionSlot,
        collected: Option<&RefCell<Collected>>,
    ) -> Option<EntryExport> {
        let entry = self.sessions.get(session)?;
        let connection = entry.session.connection();
        let connection = connection.and_then(|key| self.connections.get(key));
        let answered = connection.and_then(|connection| connection.transport.answered());
        let (watches, now_ms) = (&self.subscriptions.watches, clock::now_ms());
        let mut export = entry.export(watches, answered, collected, now_ms)?;
        let topics = self.subscriptions.topics.of(session.into()).iter();
        let rooms = topics.filter_map(|topic| match topic {
            Topic::Room(room) => Some(room.clone()),
            Topic::Channel(_) | Topic::Below(_) => None,
        });
        export.rooms = rooms.collect();
        let commands = self.pending.commands(session);
        export.awaited = commands
            .filter(|(name, _)| *name != "call")
            .map(|(name, id)| (name.into(), id.clone()))
            .collect();
        let calls = self.pending.calls(session);
        export.calls = calls
            .map(|(service, id)| (service.into(), id.clone()))
            .collect();
        Some(export)
    }

    /// Puts the session of a value into the table, without a connection: its
    /// client resumes it. Commands whose answers went to the former place are
    /// answered with `unavailable` when their time is over; services send theirs here.
    ///
    /// # Errors
    /// [`ImportError`] where the value is beyond what one session may have.
    pub fn import_session(&mut self, export: EntryExport) -> Result<SessionSlot, ImportError> {
        self.import_from(export, Origin::Gateway, &mut SharedTexts::default())
    }

    /// The same for a session of an earlier process, all of which come before anything else
    /// happens: what its client knows of other users is as they are, and it is on its channels
    /// as it was. They are announced to the channels when all have come, and so are the users that
    /// they watch (`watched_absent`). The caller announces it to its avatar, which has to know the
    /// session before what that does (`hide_unknown`).
    ///
    /// # Errors
    /// As [`Self::import_session`].
    pub(crate) fn restore_session(
        &mut self,
        export: EntryExport,
        shared: &mut SharedTexts,
    ) -> Result<SessionSlot, ImportError> {
        self.import_from(export, Origin::Process, shared)
    }

    fn import_from(
        &mut self,
        mut export: EntryExport,
        origin: Origin,
        shared: &mut SharedTexts,
    ) -> Result<SessionSlot, ImportError> {
        let rooms = std::mem::take(&mut export.rooms);
        let awaited = std::mem::take(&mut export.awaited);
        let calls = std::mem::take(&mut export.calls);
        let slot = self.sessions.next_key();
        let (watches, now_ms) = (&mut self.subscriptions.watches, clock::now_ms());
        let settings = &self.settings;
        let arrived = SessionEntry::import(
            export,
            slot.into(),
            watches,
            now_ms,
            settings,
            (origin, shared),
        )?;
        let Arrived {
            entry,
            effects,
            first,
        } = arrived;
        let is_in = |room: &ChannelId| entry.session.rooms().any(|known| known == room);
        let rooms: Vec<ChannelId> = rooms.into_iter().filter(is_in).collect();
        let channels = entry.session.channels().to_vec();
        let standing = entry.session.standing.as_ref();
        let expires_ms = standing.and_then(|standing| standing.expires_ms);
        if entry.unknown == 0 && !entry.subscribed.is_empty() {
            self.lists.snapshots.push(slot);
        }
        self.sessions.insert(entry);
        self.shared.metrics.sessions.inc();
        if let Some(expires_ms) = expires_ms {
            self.await_expiry(slot, expires_ms);
        }
        if origin == Origin::Gateway {
            self.hide_unknown(slot);
        }
        for room in rooms {
            let topics = &mut self.subscriptions.topics;
            topics.enter(Topic::Room(room), slot.into());
        }
        for membership in channels {
            match origin {
                Origin::Gateway => self.join_again(slot, membership),
                Origin::Process => self.stay_on(slot, membership),
            }
        }
        match origin {
            Origin::Gateway => {
                for user in first {
                    let call = AvatarCall::Watch { gateway: self.id };
                    self.shared.owners.avatar(&user, call);
                }
            }
            Origin::Process => self.saving.watched.extend(first),
        }
        for (name, id) in awaited {
            let known = ClientPacket::COMMANDS.iter();
            if let Some((command, _)) = known.into_iter().find(|(known, _)| *known == &*name) {
                self.await_answer(Awaited::answer(slot, command, id));
            }
        }
        self.await_calls_again(slot, calls);
        self.announce_moved_instance(slot);
        let details = Rc::new(Details::default());
        let effects = effects.into_iter();
        self.push_effects(effects.map(|effect| Effect::Life(slot, effect, details.clone())));
        self.run();
        Ok(slot)
    }

    /// A session of an earlier process is on a channel.
    fn stay_on(&mut self, session: SessionSlot, membership: ChannelMembership) {
        let Some(caller) = self.sessions.caller(session) else {
            return;
        };
        let ChannelMembership { channel, subpaths } = membership;
        self.subscriptions.channels.add(&channel);
        let topic = Topic::of_channel(channel.clone(), subpaths);
        self.subscriptions.topics.enter(topic, session.into());
        if subpaths {
            // What waits for the directories does no harm: it repeats what the channel is sent.
            let call = ChannelCall::Announce {
                gateway: self.id,
                generation: Generation::default(),
                is_subscribed: true,
                listeners: Vec::new(),
            };
            let below = &mut self.subscriptions.below;
            let call = below.join(caller.key, channel, call, false);
            self.call_owners(call);
        }
    }

    /// A session that came is on a channel: the channel learns of it, and the
    /// session of where the channel is.
    fn join_again(&mut self, session: SessionSlot, membership: ChannelMembership) {
        let Some(caller) = self.sessions.caller(session) else {
            return;
        };
        let ChannelMembership { channel, subpaths } = membership;
        self.subscriptions.channels.add(&channel);
        let Some(listener) = self.listener(session) else {
            return;
        };
        let call = ChannelCall::Join {
            caller,
            address: None,
            listener,
            subpaths,
            past: Past::default(),
            id: None,
        };
        if subpaths {
            let below = &mut self.subscriptions.below;
            let call = below.join(caller.key, channel, call, false);
            self.call_owners(call);
        } else {
            self.shared.owners.channel(&channel, call);
        }
    }
}

#[cfg(test)]
mod tests;
