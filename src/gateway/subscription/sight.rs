//! Whom a session sees among the users that it watches (`presence.watch`).
//!
//! A watch that is not allowed is a watch of a user that is offline: its session sees no
//! state and no attributes, and cannot tell it from an absent user. The gateway watches
//! the user all the same, so that it shows its state once it is allowed. While it is not
//! known whether a watch is allowed, it is not.

use actix::{Context, Handler, Message};
use thin_vec::ThinVec;

use crate::clock;
use crate::gateway::session::SessionEntry;
use crate::gateway::subscription::profile::ProfileChange;
use crate::gateway::turn::Timer;
use crate::gateway::{Gateway, Shared};
use crate::portal::watch::Allowed;
use turntable_core::call::AvatarCall;
use turntable_core::id::UserId;
use turntable_core::key::{SessionSlot, UserNumber};
use turntable_core::model::permission::Who;
use turntable_core::model::settings::{PresenceSettings, WatchPolicy};
use turntable_core::packet::{LookupEntry, Presence};

/// How long after a failure the backend is asked again, in ms.
const ASK_AGAIN_MS: u64 = 10_000;

/// What a session does not see.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Watched users that read as offline, in order.
    hidden: ThinVec<UserNumber>,
    /// When the backend is asked again, Unix ms; 0: not.
    ask_at_ms: u64,
}

impl Sight {
    /// The watched users that read as offline.
    pub(crate) fn hidden_of(sight: Option<&Self>) -> Vec<UserNumber> {
        sight.map_or_else(Vec::new, |sight| sight.hidden.to_vec())
    }
}

/// The backend said whom a session may watch, or could not.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Sighted {
    session: SessionSlot,
    users: Vec<UserId>,
    allowed: Allowed,
}

/// The same for a `lookup`.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct LookupSighted {
    ticket: u64,
    users: Vec<UserId>,
    allowed: Allowed,
}

impl SessionEntry {
    /// The watched users that read as offline, in order.
    pub(crate) fn hidden(&self) -> &[UserNumber] {
        self.sight.as_deref().map_or(&[], |sight| &sight.hidden)
    }

    /// Whether a watched user reads as offline, whatever its state is.
    pub(crate) fn hides(&self, number: UserNumber) -> bool {
        let hidden = self.hidden();
        !hidden.is_empty() && hidden.binary_search(&number).is_ok()
    }

    /// A watched user reads as offline from now on.
    pub(crate) fn hide(&mut self, number: UserNumber) {
        let hidden = &mut self.sight.get_or_insert_default().hidden;
        if let Err(at) = hidden.binary_search(&number) {
            hidden.insert(at, number);
        }
    }

    /// A user is not hidden any more, or not watched. Returns whether it was.
    pub(crate) fn unhide(&mut self, number: UserNumber) -> bool {
        let Some(sight) = &mut self.sight else {
            return false;
        };
        let Ok(at) = sight.hidden.binary_search(&number) else {
            return false;
        };
        sight.hidden.remove(at);
        if sight.hidden.is_empty() && sight.ask_at_ms == 0 {
            self.sight = None;
        }
        true
    }
}

/// Whether a session sees a user, as far as that is known.
pub(crate) fn sees(
    settings: &PresenceSettings,
    shared: &Shared,
    who: Who<'_>,
    user: &UserId,
) -> Option<bool> {
    if who.user() == user {
        return Some(true);
    }
    if shared.blocked.blocks(user, who.user()) {
        return Some(false);
    }
    match settings.watch {
        WatchPolicy::Everyone => Some(true),
        WatchPolicy::Rule => Some(who.may_watch(user)),
        WatchPolicy::Mutual => None,
        WatchPolicy::Backend => shared.portal.remembered_watch(who.user(), user),
    }
}

impl Gateway {
    /// Finds out which of these users a session sees, that watches them now.
    pub(crate) fn find_out(&mut self, session: SessionSlot, users: Vec<UserId>) {
        let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        else {
            return;
        };
        let own = entry.session.user.clone();
        match self.settings.presence.watch {
            WatchPolicy::Mutual => {
                let call = AvatarCall::Watching {
                    caller,
                    users,
                    is_watching: true,
                };
                self.shared.owners.avatar(&own, call);
            }
            WatchPolicy::Backend => {
                let gateway = self.shared.peers.gateway(self.id.worker).cloned();
                let asked = users.clone();
                let then = move |allowed| {
                    if let Some(gateway) = gateway {
                        gateway.do_send(Sighted {
                            session,
                            users,
                            allowed,
                        });
                    }
                };
                let presence = &self.settings.presence;
                self.shared.portal.ask_watch(presence, own, asked, then);
            }
            WatchPolicy::Everyone | WatchPolicy::Rule => {}
        }
    }

    /// A session does not watch these users any more.
    pub(crate) fn stop_watching(&self, session: SessionSlot, users: &[UserId]) {
        if self.settings.presence.watch != WatchPolicy::Mutual {
            return;
        }
        if let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        {
            let call = AvatarCall::Watching {
                caller,
                users: users.to_vec(),
                is_watching: false,
            };
            self.shared.owners.avatar(&entry.session.user, call);
        }
    }

    /// A session sees a user that it watches from now on, or does not.
    pub(crate) fn show(&mut self, session: SessionSlot, user: &UserId, is_seen: bool) {
        let watches = &self.subscriptions.watches;
        let number = watches.number(user);
        let (Some(number), Some(entry)) = (number, self.sessions.get_mut(session)) else {
            return;
        };
        // A block list stands above all else.
        let is_seen = is_seen && !self.shared.blocked.blocks(user, &entry.session.user);
        if !entry.session.watching.contains(&number) || entry.hides(number) != is_seen {
            return;
        }
        let was_empty = !entry.has_changes();
        let presence = watches.at(number).and_then(|watched| watched.presence());
        if is_seen {
            entry.unhide(number);
            if presence.is_some() && watches.has_profile(number) {
                entry.profiles.push(ProfileChange::again(number));
            }
        } else {
            entry.hide(number);
            entry.profiles.retain(|change| change.number != number);
        }
        if presence.is_some_and(|presence| presence != Presence::Offline) {
            entry.changed.push(number);
        }
        if was_empty && entry.has_changes() {
            self.lists.changed.push(session);
        }
    }

    /// An avatar said whether another user watches its own, too.
    pub(crate) fn seeing(&mut self, session: SessionSlot, user: &UserId, is_seen: bool) {
        if self.settings.presence.watch == WatchPolicy::Mutual {
            self.show(session, user, is_seen);
        }
    }

    pub(crate) fn watched_users(&self, session: SessionSlot) -> Vec<UserId> {
        let watches = &self.subscriptions.watches;
        let watching = self.sessions.get(session).into_iter();
        let watching = watching.flat_map(|entry| &entry.session.watching);
        let users = watching.filter_map(|number| watches.at(*number));
        users.map(|watched| watched.user().clone()).collect()
    }

    /// A session came here: it sees those that it watches once that is known again.
    pub(crate) fn hide_unknown(&mut self, session: SessionSlot) {
        let is_everyone = self.settings.presence.watch == WatchPolicy::Everyone;
        if is_everyone && !self.shared.blocked.is_any() {
            return;
        }
        let mut unknown = Vec::new();
        for user in self.watched_users(session) {
            let number = self.subscriptions.watches.number(&user);
            let (Some(number), Some(entry)) = (number, self.sessions.get_mut(session)) else {
                continue;
            };
            let presence = &self.settings.presence;
            match sees(presence, &self.shared, entry.session.who(), &user) {
                Some(true) => continue,
                Some(false) => {}
                None => unknown.push(user),
            }
            entry.hide(number);
            entry.profiles.retain(|change| change.number != number);
        }
        if !unknown.is_empty() {
            self.find_out(session, unknown);
        }
    }

    /// The permissions of a session are other ones: whom it sees by them.
    pub(crate) fn look_again(&mut self, session: SessionSlot) {
        if self.settings.presence.watch != WatchPolicy::Rule {
            return;
        }
        for user in self.watched_users(session) {
            let Some(entry) = self.sessions.get(session) else {
                return;
            };
            let presence = &self.settings.presence;
            let sight = sees(presence, &self.shared, entry.session.who(), &user);
            self.show(session, &user, sight == Some(true));
        }
    }

    /// A session is another user's, or users block its own or do not any more: whom of
    /// these it sees.
    pub(crate) fn look_anew(&mut self, session: SessionSlot, users: Vec<UserId>) {
        let mut asked = Vec::new();
        for user in users {
            let Some(entry) = self.sessions.get(session) else {
                return;
            };
            let presence = &self.settings.presence;
            let sight = sees(presence, &self.shared, entry.session.who(), &user);
            self.show(session, &user, sight == Some(true));
            if sight.is_none() {
                asked.push(user);
            }
        }
        if !asked.is_empty() {
            self.find_out(session, asked);
        }
    }

    /// An avatar was lost: its replacement has to know whom its sessions watch.
    pub(crate) fn announce_watching(&mut self, user: &UserId) {
        if self.settings.presence.watch != WatchPolicy::Mutual {
            return;
        }
        let of_user = self.sessions.iter();
        let of_user = of_user.filter(|(_, entry)| entry.session.user == *user);
        let sessions: Vec<SessionSlot> = of_user.map(|(session, _)| session).collect();
        for session in sessions {
            let users = self.watched_users(session);
            self.find_out(session, users);
        }
    }

    /// The backend is asked again at that time, unless it is before.
    fn ask_at(&mut self, session: SessionSlot, at_ms: u64) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let ask_at_ms = &mut entry.sight.get_or_insert_default().ask_at_ms;
        if *ask_at_ms == 0 || at_ms < *ask_at_ms {
            *ask_at_ms = at_ms;
            self.wheel.set(at_ms, Timer::Sight(session));
        }
    }

    /// The backend may have to be asked again whom a session may watch.
    pub(crate) fn sight_is_due(&mut self, session: SessionSlot, now_ms: u64) {
        let entry = self.sessions.get_mut(session);
        let sight = entry.and_then(|entry| entry.sight.as_mut());
        let Some(sight) = sight.filter(|sight| (1..=now_ms).contains(&sight.ask_at_ms)) else {
            return;
        };
        sight.ask_at_ms = 0;
        let own = self.sessions.get(session);
        let own = own.map(|entry| entry.session.user.clone());
        let mut users = self.watched_users(session);
        users.retain(|user| Some(user) != own.as_ref());
        if !users.is_empty() && self.settings.presence.watch == WatchPolicy::Backend {
            self.find_out(session, users);
        }
    }

    /// Whether a `lookup` of a session shows a user; `None` where the backend has to say.
    fn looks_up(&self, session: SessionSlot, user: &UserId) -> Option<bool> {
        let Some(entry) = self.sessions.get(session) else {
            return Some(false);
        };
        let presence = &self.settings.presence;
        let known = sees(presence, &self.shared, entry.session.who(), user);
        if known.is_some() || presence.watch != WatchPolicy::Mutual {
            return known;
        }
        // Those that see each other are those that watch each other.
        let number = self.subscriptions.watches.number(user);
        let is_watched = |number: &UserNumber| entry.session.watching.contains(number);
        Some(number.is_some_and(|number| is_watched(&number) && !entry.hides(number)))
    }

    /// Looks up the users of a `lookup`: those that its session does not see are absent.
    pub(crate) fn look_up(&mut self, session: SessionSlot, ticket: u64, users: &[UserId]) {
        let mut asked = Vec::new();
        for user in users {
            match self.looks_up(session, user) {
                Some(is_seen) => self.look_up_one(ticket, user, is_seen),
                None => asked.push(user.clone()),
            }
        }
        let own = self.sessions.get(session);
        let Some(own) = own.map(|entry| entry.session.user.clone()) else {
            return;
        };
        if asked.is_empty() {
            return;
        }
        let gateway = self.shared.peers.gateway(self.id.worker).cloned();
        let users = asked.clone();
        let then = move |allowed| {
            if let Some(gateway) = gateway {
                gateway.do_send(LookupSighted {
                    ticket,
                    users,
                    allowed,
                });
            }
        };
        let presence = &self.settings.presence;
        self.shared.portal.ask_watch(presence, own, asked, then);
    }

    fn look_up_one(&mut self, ticket: u64, user: &UserId, is_seen: bool) {
        if !is_seen {
            return self.found(ticket, user.clone(), LookupEntry::default());
        }
        let call = AvatarCall::Lookup {
            gateway: self.id,
            ticket,
        };
        self.shared.owners.avatar(user, call);
    }
}

impl Handler<Sighted> for Gateway {
    type Result = ();

    fn handle(&mut self, sighted: Sighted, _: &mut Context<Self>) {
        let Sighted {
            session,
            users,
            allowed,
        } = sighted;
        let presence = &self.settings.presence;
        if presence.watch != WatchPolicy::Backend {
            return;
        }
        let wait_ms = match &allowed {
            Some(_) => presence.watch_cache_ms,
            None => ASK_AGAIN_MS.min(presence.watch_cache_ms),
        };
        self.ask_at(session, clock::now_ms() + wait_ms);
        // Without an answer nothing changes.
        for user in allowed.iter().flat_map(|_| &users) {
            let is_seen = allowed.as_ref().is_some_and(|all| all.contains(user));
            self.show(session, user, is_seen);
        }
        self.run();
    }
}

impl Handler<LookupSighted> for Gateway {
    type Result = ();

    fn handle(&mut self, sighted: LookupSighted, _: &mut Context<Self>) {
        let LookupSighted {
            ticket,
            users,
            allowed,
        } = sighted;
        for user in &users {
            let is_seen = allowed.as_ref().is_some_and(|all| all.contains(user));
            self.look_up_one(ticket, user, is_seen);
        }
        self.run();
    }
}
