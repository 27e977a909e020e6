//! Whom the user's sessions watch, and which of those watch the user, too: two users see
//! each other only while both do (`presence.watch = "mutual"`). To others a hidden user
//! watches nobody, as one that is absent; what it watches it sees all the same.

use crate::actor::avatar::Avatar;
use turntable_core::call::AvatarCall;
use turntable_core::delivery::Delivery;
use turntable_core::id::UserId;
use turntable_core::key::{Caller, SessionKey};

impl Avatar {
    /// A session watches these users, or does not any more.
    pub(super) fn watch(&mut self, caller: Caller, users: Vec<UserId>, is_watching: bool) {
        // One that came from another gateway gets the answer where it is now.
        if !self.places.rebind(caller) {
            return;
        }
        if !is_watching {
            let watching = self.watching.as_mut();
            let left = watching.map(|watching| watching.remove(caller.key, &users));
            return self.tell(left.unwrap_or_default(), false);
        }
        let watching = self.watching.get_or_insert_default();
        let (new, mutual) = watching.add(caller.key, users);
        self.tell(new, true);
        for user in mutual {
            self.show(&[caller.key], &user, true);
        }
    }

    /// A session ended.
    pub(super) fn watches_nobody(&mut self, session: SessionKey) {
        if let Some(watching) = &mut self.watching {
            let left = watching.end(session);
            if watching.is_empty() {
                self.watching = None;
            }
            self.tell(left, false);
        }
    }

    /// The user is hidden from now on, or not any more.
    pub(super) fn note_hidden(&mut self) {
        let is_hidden = self.model.is_hidden();
        if std::mem::replace(&mut self.is_secret, is_hidden) != is_hidden
            && let Some(watching) = &self.watching
        {
            self.tell(watching.users(), true);
        }
    }

    /// Tells other users that this one watches them, or does not any more.
    fn tell(&self, users: Vec<UserId>, is_watching: bool) {
        let is_watching = is_watching && !self.model.is_hidden();
        for user in users {
            let call = AvatarCall::WatchedBy {
                user: self.user.clone(),
                is_watching,
            };
            self.shared.owners.avatar(&user, call);
        }
    }

    /// Another user watches this one, or does not any more. It may be hidden, so in either
    /// case it is sent what it may see.
    pub(super) fn watched_by(&mut self, user: &UserId, is_watching: bool) {
        if self.see(user, is_watching) && !self.model.is_hidden() {
            let with = self.user.clone();
            let call = AvatarCall::Mutual { with };
            self.shared.owners.avatar(user, call);
        }
    }

    /// The sessions that watch another user see it from now on, or do not. Returns
    /// whether there are any.
    pub(super) fn see(&mut self, user: &UserId, is_seen: bool) -> bool {
        let watching = self.watching.as_mut();
        let sessions = watching.and_then(|watching| watching.watched_by(user, is_seen));
        let Some(sessions) = sessions.map(<[SessionKey]>::to_vec) else {
            return false;
        };
        self.show(&sessions, user, is_seen);
        true
    }

    fn show(&self, sessions: &[SessionKey], user: &UserId, is_seen: bool) {
        for to in sessions.iter().filter_map(|key| self.places.get(*key)) {
            let seeing = Delivery::Seeing {
                to,
                user: user.clone(),
                is_seen,
            };
            self.shared.bus.send(to.gateway, seeing);
        }
    }
}
