//! Whom a session sees among the users that it watches (`presence.watch`).
//!
//! A watch that is not allowed is a watch of a user that is offline: its session sees no
//! state and no attributes, and cannot tell it from an absent user. The gateway watches
//! the user all the same, so that it shows its state once it is allowed. While it is not
//! known whether a watch is allowed, it is not.
//!
//! Who sees whom is decided by `rules`, and what a session does not see is in `hidden`; the
//! gateway asks avatars and the backend where a rule does not know.

mod hidden;
mod rules;

use actix::{Context, Handler, Message};

use crate::clock;
use crate::gateway::turn::Timer;
use crate::gateway::{Gateway, Shared};
use crate::portal::watch::Allowed;
use hidden::Known;
use turntable_core::call::AvatarCall;
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::model::settings::{PresenceSettings, WatchPolicy};
use turntable_core::packet::LookupEntry;

pub(crate) use hidden::Sight;
pub(super) use rules::Rules;

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

impl<'a> Rules<'a> {
    /// The rules of a gateway with these settings.
    pub(super) fn of(settings: &'a PresenceSettings, shared: &'a Shared) -> Self {
        Self {
            settings,
            blocked: &shared.blocked,
            answers: &*shared.portal,
        }
    }
}

/// Watched users.
impl Gateway {
    fn rules(&self) -> Rules<'_> {
        Rules::of(&self.settings.presence, &self.shared)
    }

    /// Finds out which of these users a session sees, that watches them now.
    pub(crate) fn find_out(&mut self, session: SessionSlot, users: Vec<UserId>) {
        match self.settings.presence.watch {
            WatchPolicy::Mutual => self.report_watching(session, users, true),
            WatchPolicy::Backend => {
                self.ask_backend(session, users, move |users, allowed| Sighted {
                    session,
                    users,
                    allowed,
                })
            }
            WatchPolicy::Everyone | WatchPolicy::Rule => {}
        }
    }

    /// A session does not watch these users any more.
    pub(crate) fn stop_watching(&self, session: SessionSlot, users: &[UserId]) {
        if self.settings.presence.watch == WatchPolicy::Mutual {
            self.report_watching(session, users.to_vec(), false);
        }
    }

    /// Reports to a session's avatar whom it watches, or does not any more.
    fn report_watching(&self, session: SessionSlot, users: Vec<UserId>, is_watching: bool) {
        if let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        {
            let call = AvatarCall::Watching {
                caller,
                users,
                is_watching,
            };
            self.shared.owners.avatar(&entry.session.user, call);
        }
    }

    /// Asks the backend which of these users a session may watch. The answer comes back as
    /// a message.
    fn ask_backend<M>(
        &self,
        session: SessionSlot,
        users: Vec<UserId>,
        message: impl FnOnce(Vec<UserId>, Allowed) -> M + Send + 'static,
    ) where
        Self: Handler<M>,
        M: Message<Result = ()> + Send + 'static,
    {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let gateway = self.shared.peers.gateway(self.id.worker).cloned();
        let (own, asked) = (entry.session.user.clone(), users.clone());
        let then = move |allowed| {
            if let Some(gateway) = gateway {
                gateway.do_send(message(users, allowed));
            }
        };
        let presence = &self.settings.presence;
        self.shared.portal.ask_watch(presence, own, asked, then);
    }

    /// A session sees a user that it watches from now on, or does not.
    pub(crate) fn show(&mut self, session: SessionSlot, user: &UserId, is_seen: bool) {
        let watches = &self.subscriptions.watches;
        let rules = Rules::of(&self.settings.presence, &self.shared);
        let number = watches.number(user);
        let (Some(number), Some(entry)) = (number, self.sessions.get_mut(session)) else {
            return;
        };
        let is_seen = is_seen && !rules.blocks(&entry.session.user, user);
        let known = Known {
            number,
            presence: watches.at(number).and_then(|watched| watched.presence()),
            has_profile: watches.has_profile(number),
        };
        if entry.show(known, is_seen) {
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
        if self.rules().hide_nobody() {
            return;
        }
        let mut unknown = Vec::new();
        for (user, is_seen) in self.see(session, self.watched_users(session)) {
            let number = self.subscriptions.watches.number(&user);
            if is_seen == Some(true) {
                continue;
            }
            if let (Some(number), Some(entry)) = (number, self.sessions.get_mut(session)) {
                entry.hide_profile(number);
            }
            if is_seen.is_none() {
                unknown.push(user);
            }
        }
        if !unknown.is_empty() {
            self.find_out(session, unknown);
        }
    }

    /// Whom of these users a session sees, as far as that is known.
    fn see(&self, session: SessionSlot, users: Vec<UserId>) -> Vec<(UserId, Option<bool>)> {
        match self.sessions.get(session) {
            Some(entry) => self.rules().see(entry.session.who(), users),
            None => Vec::new(),
        }
    }

    /// The permissions of a session are other ones: whom it sees by them.
    pub(crate) fn look_again(&mut self, session: SessionSlot) {
        if self.settings.presence.watch == WatchPolicy::Rule {
            self.look_anew(session, self.watched_users(session));
        }
    }

    /// A session is another user's, or users block its own or do not any more: whom of
    /// these it sees.
    pub(crate) fn look_anew(&mut self, session: SessionSlot, users: Vec<UserId>) {
        let mut asked = Vec::new();
        for (user, is_seen) in self.see(session, users) {
            self.show(session, &user, is_seen == Some(true));
            if is_seen.is_none() {
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
        let extras = entry.extras.get_or_insert_default();
        if extras.sight.get_or_insert_default().ask_at(at_ms) {
            self.wheel.set(at_ms, Timer::Sight(session));
        }
    }

    /// The backend may have to be asked again whom a session may watch.
    pub(crate) fn sight_is_due(&mut self, session: SessionSlot, now_ms: u64) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let extras = entry.extras.as_mut();
        let sight = extras.and_then(|extras| extras.sight.as_mut());
        if !sight.is_some_and(|sight| sight.take_due(now_ms)) {
            return;
        }
        let own = entry.session.user.clone();
        let mut users = self.watched_users(session);
        users.retain(|user| *user != own);
        if !users.is_empty() && self.settings.presence.watch == WatchPolicy::Backend {
            self.find_out(session, users);
        }
    }
}

/// Users that are looked up.
impl Gateway {
    /// Whether a `lookup` of a session shows a user; `None` where the backend has to say.
    fn looks_up(&self, session: SessionSlot, user: &UserId) -> Option<bool> {
        let Some(entry) = self.sessions.get(session) else {
            return Some(false);
        };
        let is_shown = || {
            let number = self.subscriptions.watches.number(user);
            let is_shown =
                |number| entry.session.watching.contains(&number) && !entry.hides(number);
            number.is_some_and(is_shown)
        };
        self.rules().looks_up(entry.session.who(), user, is_shown)
    }

    /// Looks up some users of a `lookup`: those that its session does not see are absent.
    /// Where the backend has to say, they are put into `asked`.
    pub(super) fn look_up(
        &mut self,
        session: SessionSlot,
        ticket: u64,
        users: Vec<UserId>,
        asked: &mut Vec<UserId>,
    ) {
        for user in users {
            match self.looks_up(session, &user) {
                Some(is_seen) => self.look_up_one(ticket, &user, is_seen),
                None => asked.push(user),
            }
        }
    }

    /// Asks the backend which of the users of a `lookup` its session may see.
    pub(super) fn ask_about(&self, session: SessionSlot, ticket: u64, asked: Vec<UserId>) {
        if !asked.is_empty() {
            self.ask_backend(session, asked, move |users, allowed| LookupSighted {
                ticket,
                users,
                allowed,
            });
        }
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
        if self.settings.presence.watch != WatchPolicy::Backend {
            return;
        }
        let wait_ms = self.rules().ask_again_ms(allowed.is_some());
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
