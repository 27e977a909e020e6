//! Users without an avatar: those who watch them, or look for them, get what the store
//! has of them; invites of them wait for their avatar.

use actix::{Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use crate::actor::directory::Directory;
use crate::actor::saving::RestoreWatched;
use crate::store::Stored;
use turntable_core::backup::Attributes;
use turntable_core::call::AvatarCall;
use turntable_core::delivery::{Answer, Delivery};
use turntable_core::id::UserId;
use turntable_core::key::GatewayId;
use turntable_core::model::avatar::{StoredInvite, absent_profile};
use turntable_core::packet::{LookupEntry, Presence};

/// The store has the attributes of an absent user.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct AbsentLoaded {
    user: UserId,
    stored: Stored,
    gateway: GatewayId,
    /// The lookup that they are for; none where the user is watched.
    ticket: Option<u64>,
}

impl Directory {
    /// Carries out a call to a user that has no avatar, where it needs none; else it is
    /// returned.
    pub(super) fn of_absent(&self, user: UserId, call: AvatarCall) -> Option<(UserId, AvatarCall)> {
        match call {
            AvatarCall::Watch { gateway } => self.watch_absent(user, gateway),
            // It comes late: the replacement has ended.
            AvatarCall::Announce {
                gateway,
                is_watching: true,
                ref sessions,
                ..
            } if sessions.is_empty() => self.watch_absent(user, gateway),
            AvatarCall::Unwatch { gateway } => {
                self.shared.watchers.borrow_mut().remove(&user, gateway);
            }
            AvatarCall::Lookup { gateway, ticket } => self.look_up_absent(user, gateway, ticket),
            AvatarCall::Invite {
                channel,
                from,
                until_ms,
            } => {
                let stored_max = self.shared.settings().presence.invites_stored_max;
                let invite = StoredInvite {
                    channel,
                    from,
                    until_ms,
                };
                let mut invites = self.shared.absent_invites.borrow_mut();
                invites.add(user, invite, stored_max);
            }
            AvatarCall::InviteAnswered { channel } => {
                let mut invites = self.shared.absent_invites.borrow_mut();
                invites.remove(&user, &channel);
            }
            AvatarCall::Erase { .. } => {
                self.shared.last_seen.borrow_mut().remove(&user);
                return Some((user, call));
            }
            AvatarCall::Publish { requester, .. } => {
                self.shared.answer(requester, Ok(Answer::Count(0)));
            }
            // Nothing to undo on an avatar that is gone.
            AvatarCall::Remove { .. }
            | AvatarCall::Detach { .. }
            | AvatarCall::Playing { playing: false, .. }
            | AvatarCall::Watching { .. }
            | AvatarCall::WatchedBy { .. }
            | AvatarCall::Mutual { .. }
            | AvatarCall::Tell(_) => {}
            call => return Some((user, call)),
        }
        None
    }

    /// A gateway watches a user that has no avatar.
    fn watch_absent(&self, user: UserId, gateway: GatewayId) {
        let mut watchers = self.shared.watchers.borrow_mut();
        watchers.add(user.clone(), gateway);
        match self.shared.store.get(&user) {
            Some(stored) => self.send_profile(&user, stored.record.seen(), gateway),
            None => self.load_absent(&user, gateway, None),
        }
        let presence = Presence::Offline;
        let seen = Delivery::Presence { user, presence };
        self.shared.bus.send(gateway, seen);
    }

    /// Answers a lookup of a user that has no avatar.
    fn look_up_absent(&self, user: UserId, gateway: GatewayId, ticket: u64) {
        match self.shared.store.get(&user) {
            Some(stored) => self.found_absent(user, &stored, gateway, ticket),
            None => self.load_absent(&user, gateway, Some(ticket)),
        }
    }

    fn load_absent(&self, user: &UserId, gateway: GatewayId, ticket: Option<u64>) {
        let Some(directory) = self.shared.directory.get().cloned() else {
            return;
        };
        let of = user.clone();
        let load = move |loaded: crate::store::Loaded| {
            directory.do_send(AbsentLoaded {
                user: of,
                // A lookup gets what there is.
                stored: loaded.unwrap_or_default(),
                gateway,
                ticket,
            });
        };
        self.shared.store.load(user, Box::new(load));
    }

    fn send_profile(&self, user: &UserId, attributes: &Attributes, gateway: GatewayId) {
        let settings = self.shared.settings();
        let profile = absent_profile(attributes, &settings.attributes).into_iter();
        let changes: Vec<_> = profile.map(|(name, value)| (name, Some(value))).collect();
        if !changes.is_empty() {
            let profile = Delivery::Profile {
                user: user.clone(),
                changes,
                is_whole: true,
            };
            self.shared.bus.send(gateway, profile);
        }
    }

    fn found_absent(&self, user: UserId, stored: &Stored, gateway: GatewayId, ticket: u64) {
        let settings = self.shared.settings();
        let entry = LookupEntry {
            state: Presence::Offline,
            last_seen_ms: self
                .shared
                .last_seen
                .borrow()
                .get(&user)
                .max(stored.last_seen_ms),
            devices: 0,
            note: None,
            profile: absent_profile(stored.record.seen(), &settings.attributes),
        };
        let found = Delivery::Found {
            ticket,
            user,
            entry,
        };
        self.shared.bus.send(gateway, found);
    }
}

impl Handler<AbsentLoaded> for Directory {
    type Result = ();

    fn handle(&mut self, loaded: AbsentLoaded, _: &mut Context<Self>) {
        let AbsentLoaded {
            user,
            stored,
            gateway,
            ticket,
        } = loaded;
        let has_avatar = self.avatars.has(&user);
        match ticket {
            Some(ticket) if has_avatar => {
                self.call_avatar(user, AvatarCall::Lookup { gateway, ticket });
            }
            Some(ticket) => self.found_absent(user, &stored, gateway, ticket),
            // An avatar has sent its own.
            None if has_avatar => {}
            None => self.send_profile(&user, stored.record.seen(), gateway),
        }
    }
}

impl Handler<RestoreWatched> for Directory {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, watched: RestoreWatched, _: &mut Context<Self>) -> Self::Result {
        let RestoreWatched { gateway, users } = watched;
        let (sender, found) = oneshot::channel();
        let mut absent = Vec::new();
        for user in users {
            if self.avatars.has(&user) {
                self.call_avatar(user, AvatarCall::Watch { gateway });
                continue;
            }
            let mut watchers = self.shared.watchers.borrow_mut();
            watchers.add(user.clone(), gateway);
            match self.shared.store.get(&user) {
                Some(stored) => self.send_profile(&user, stored.record.seen(), gateway),
                None => absent.push(user),
            }
        }
        let load = move |found| {
            // The restoration may have been given up.
            let _ = sender.send(found);
        };
        self.shared.store.load_all(absent, Box::new(load));
        let directory = self.shared.directory.get().cloned();
        Box::pin(async move {
            let found: Vec<(UserId, Stored)> = found.await.unwrap_or_default();
            let has_profile = |(_, stored): &(_, Stored)| !stored.record.seen().is_empty();
            for (user, stored) in found.into_iter().filter(has_profile) {
                if let Some(directory) = &directory {
                    directory.do_send(AbsentLoaded {
                        user,
                        stored,
                        gateway,
                        ticket: None,
                    });
                }
            }
        })
    }
}
