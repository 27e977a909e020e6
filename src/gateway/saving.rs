//! Sessions that go to the next process, and those that come from the one before.
//!
//! From the first `goaway` on (`Drain::is_saving`) sessions that lose their connection are not
//! reported: to their owners they are there, as clients are expected at once. `EndIntake` sends
//! away the clients that are left, and ends reading: what they send from then on is not counted
//! as accepted, and comes again to the next process. `SaveSessions` cuts what connections are
//! left, so that nothing is written that the values do not know of.
//! In the next process owners come first (`actor::saving`); then sessions are imported, and the
//! gateway announces them to the owners. Sessions may watch a thousand absent users each, so
//! directories get those in lists, not in a call for each. Those that had a connection and are not resumed in
//! time lose it then.

use std::cell::RefCell;
use std::collections::BTreeSet;

use actix::{Context, Handler, Message, MessageResponse};
use rustc_hash::FxHashSet;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::drain::RETURNS_PER_MS;
use crate::gateway::session::export::{EntryExport, SavedSessions, SharedTexts};
use crate::gateway::turn::Timer;
use crate::gateway::work::Effect;
use turntable_core::backup::{AnnouncedSession, AvatarBackup};
use turntable_core::call::AvatarCall;
use turntable_core::delivery::Topic;
use turntable_core::id::UserId;
use turntable_core::key::{GatewayId, Generation, SessionSlot};
use turntable_core::packet::Presence;
use turntable_core::session::export::{ImportError, LifeExport};

/// How long clients may take to come back before their sessions have lost their connection, in
/// ms; and as long as so many take that come back over a time.
const RETURN_MS: u64 = 10_000;

/// What of a gateway's sessions goes to the next process, or came from the one before.
#[derive(Debug, Default)]
pub(crate) struct Saving {
    /// Whether sessions are going to be saved.
    pub(crate) is_on: bool,
    /// Whether nothing that clients send is taken any more.
    pub(crate) has_no_intake: bool,
    /// Those whose owners believe that they have a connection.
    pub(crate) unreported: FxHashSet<SessionSlot>,
    /// Users that restored sessions watch, whose owners do not know it yet.
    pub(crate) watched: Vec<UserId>,
    /// Users that none of them watches any more, while those owners learn who does.
    pub(crate) unwatched: Option<Vec<UserId>>,
}

/// Whether nothing is left to do for what clients have sent.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct IsQuiet;

/// Sends away all clients that are left, and takes nothing from clients any more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct EndIntake;

/// Makes values of all sessions. The gateway does nothing more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<SavedSessions>")]
pub struct SaveSessions;

/// Makes sessions of values.
#[derive(Debug, Message)]
#[rtype(result = "RestoredSessions")]
pub struct RestoreSessions(pub Vec<SavedSessions>);

/// What a gateway made of values.
#[derive(Debug, MessageResponse)]
pub struct RestoredSessions {
    /// The gateway.
    pub gateway: GatewayId,
    /// How many sessions came.
    pub count: usize,
    /// Absent users that they watch: their directories have to know it.
    pub watched: Vec<UserId>,
}

/// The owners of absent users know which of them a gateway's sessions watched when they came.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct WatchesRestored;

impl Handler<IsQuiet> for Gateway {
    type Result = bool;

    fn handle(&mut self, _: IsQuiet, _: &mut Context<Self>) -> bool {
        let mut sessions = self.sessions.iter();
        self.continued.is_empty() && sessions.all(|(_, entry)| entry.queue.is_none())
    }
}

impl Handler<EndIntake> for Gateway {
    type Result = ();

    fn handle(&mut self, _: EndIntake, _: &mut Context<Self>) {
        self.drain_rest();
        self.saving.has_no_intake = true;
        self.intake.stop();
    }
}

impl Handler<SaveSessions> for Gateway {
    type Result = Option<SavedSessions>;

    fn handle(&mut self, _: SaveSessions, _: &mut Context<Self>) -> Option<SavedSessions> {
        for connection in self.connections.keys() {
            self.push_effects([Effect::Lose(connection)]);
            self.run();
        }
        let collected = RefCell::default();
        let slots = self.sessions.slots().into_iter();
        let saved = slots.filter_map(|slot| {
            let mut export = self.export_with(slot, Some(&collected))?;
            if self.saving.unreported.contains(&slot) {
                export.session.life = LifeExport::Attached;
            }
            Some(export)
        });
        Some(SavedSessions {
            sessions: saved.collect(),
            texts: collected.into_inner().into_texts(),
        })
    }
}

impl Handler<RestoreSessions> for Gateway {
    type Result = RestoredSessions;

    fn handle(
        &mut self,
        RestoreSessions(saved): RestoreSessions,
        _: &mut Context<Self>,
    ) -> RestoredSessions {
        self.restore_all(saved)
    }
}

impl Handler<WatchesRestored> for Gateway {
    type Result = ();

    fn handle(&mut self, _: WatchesRestored, _: &mut Context<Self>) {
        self.end_unwatched();
    }
}

impl Gateway {
    fn restore_all(&mut self, saved: Vec<SavedSessions>) -> RestoredSessions {
        let wanted: usize = saved.iter().map(|all| all.sessions.len()).sum();
        self.saving.unwatched = Some(Vec::new());
        let (mut count, mut first_error) = (0, None);
        for SavedSessions { texts, sessions } in saved {
            let mut shared = SharedTexts::of(texts);
            for export in sessions {
                let key = export.session.key;
                match self.restore(export, &mut shared) {
                    Ok(()) => count += 1,
                    Err(error) => {
                        log::debug!("session {key:?} is not restored: {error}");
                        first_error.get_or_insert(error);
                    }
                }
            }
        }
        if let Some(error) = first_error {
            let lost = wanted - count;
            log::warn!("{lost} sessions are not restored, the first because: {error}");
        }
        self.announce_topics();
        let wait_ms = RETURN_MS + count as u64 / RETURNS_PER_MS;
        self.wheel.set(clock::now_ms() + wait_ms, Timer::Returned);
        RestoredSessions {
            gateway: self.id,
            count,
            watched: self.watched_absent(),
        }
    }

    /// A session of the process before goes on here.
    fn restore(
        &mut self,
        export: EntryExport,
        shared: &mut SharedTexts,
    ) -> Result<(), ImportError> {
        let was_attached = export.session.life == LifeExport::Attached;
        let slot = self.restore_session(export, shared)?;
        self.announce_session(slot);
        // The avatar drops what a session watches that it does not know.
        self.hide_unknown(slot);
        if was_attached && self.sessions.holds(slot) {
            self.saving.unreported.insert(slot);
        }
        Ok(())
    }

    /// Users that restored sessions watch, and know to be absent. The owners of others are called:
    /// they answer with the state.
    pub(crate) fn watched_absent(&mut self) -> Vec<UserId> {
        let mut watched = std::mem::take(&mut self.saving.watched);
        let watches = &self.subscriptions.watches;
        watched.retain(|user| {
            let number = watches.number(user);
            let known = number.and_then(|number| watches.at(number)?.presence());
            let is_absent = known == Some(Presence::Offline);
            if !is_absent && number.is_some() {
                let call = AvatarCall::Watch { gateway: self.id };
                self.shared.owners.avatar(user, call);
            }
            is_absent
        });
        watched
    }

    /// A session ended before the owner of a user knew that it watched it: the owner heard of the
    /// end first, and hears of it again.
    pub(crate) fn end_unwatched(&mut self) {
        let watches = &self.subscriptions.watches;
        let gone = self.saving.unwatched.take().into_iter().flatten();
        for user in gone.filter(|user| watches.number(user).is_none()) {
            let call = AvatarCall::Unwatch { gateway: self.id };
            self.shared.owners.avatar(&user, call);
        }
    }

    /// A session lost its connection, or has one again. Returns whether its owners hear of it.
    pub(crate) fn is_reported(&mut self, session: SessionSlot, connected: bool) -> bool {
        if self.saving.is_on && !connected {
            self.saving.unreported.insert(session);
            return false;
        }
        self.saving.unreported.remove(&session);
        true
    }

    /// Clients of restored sessions had time to come back: those that did not have no
    /// connection.
    pub(crate) fn end_returning(&mut self) {
        if self.saving.is_on {
            // They have time at the next process, again.
            return;
        }
        for session in std::mem::take(&mut self.saving.unreported) {
            let entry = self.sessions.get(session);
            if entry.is_some_and(|entry| entry.session.connection().is_none()) {
                self.report(session, false);
            }
        }
    }

    /// The avatar of a session that came knows it, and learns where it is.
    fn announce_session(&self, session: SessionSlot) {
        let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        else {
            return;
        };
        let backups = entry.backups.as_ref();
        let announced = AnnouncedSession {
            caller,
            dropped_ms: entry.dropped_for(clock::now_ms()),
            is_idle: entry.session.is_idle(),
            backup: backups.map_or_else(AvatarBackup::default, |known| known.avatar().clone()),
        };
        let announcement = AvatarCall::Announce {
            gateway: self.id,
            generation: Generation::default(),
            is_watching: false,
            sessions: vec![announced],
        };
        self.shared.owners.avatar(&entry.session.user, announcement);
    }

    /// Rooms and channels learn which sessions of this gateway are on them.
    fn announce_topics(&mut self) {
        // A room and a channel may have the same id.
        let (mut rooms, mut channels) = (BTreeSet::new(), BTreeSet::new());
        for session in self.sessions.slots() {
            for topic in self.subscriptions.topics.of(session.into()) {
                match topic {
                    Topic::Room(room) => rooms.insert(room.clone()),
                    Topic::Channel(channel) | Topic::Below(channel) => {
                        channels.insert(channel.clone())
                    }
                };
            }
        }
        for room in rooms {
            self.announce_room(room, Generation::default());
        }
        for channel in channels {
            self.announce_channel(&channel, Generation::default());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::session::life::Details;
    use crate::gateway::testing::{Noted, begin, gateway, user};
    use turntable_core::call::Call;
    use turntable_core::reason::CloseReason;
    use turntable_core::session::life::Input;

    #[test]
    fn owner_hears_again_of_a_watch_that_ended_before_it_knew_of_it() {
        let owners = Arc::new(Noted::default());
        let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
        let slot = begin(&mut from);
        let users = [user("1:2"), user("1:3")];
        from.subscribe(slot, users.to_vec(), None);
        for user in &users {
            from.presence(user, Presence::Offline);
        }
        let saved = SavedSessions {
            sessions: vec![from.export_session(slot).unwrap()],
            ..SavedSessions::default()
        };
        let restored = into.restore_all(vec![saved]);
        assert_eq!((restored.count, &*restored.watched), (1, &users[..]));
        for slot in into.sessions.slots() {
            into.step(slot, Input::End(CloseReason::Kicked), Details::default());
        }
        into.run();
        // Another one comes that watches one of them.
        let again = begin(&mut into);
        into.subscribe(again, vec![user("1:3")], None);
        owners.0.lock().clear();
        into.end_unwatched();
        let gateway = into.id;
        let unwatch = Call::Avatar(user("1:2"), AvatarCall::Unwatch { gateway });
        assert_eq!(*owners.0.lock(), [unwatch]);
        into.end_unwatched();
        assert_eq!(owners.0.lock().len(), 1, "once");
    }
}
