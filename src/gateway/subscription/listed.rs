//! Commands that name users: `subscribe`, `unsubscribe` and `lookup`.
//!
//! One may name thousands. It is admitted and charged as a whole, and carried out in parts:
//! the commands of others have their turns in between, and what the session's client sends
//! behind it waits (`session/command_queue.rs`). Its answer is one, behind the last part.

use rustc_hash::FxHashSet;

use crate::gateway::Gateway;
use crate::gateway::intake::USERS_AT_ONCE;
use crate::gateway::session::pending::{Awaited, Ticket};
use crate::gateway::subscription::profile::ProfileChange;
use crate::gateway::subscription::sight::Rules;
use turntable_core::call::AvatarCall;
use turntable_core::id::UserId;
use turntable_core::key::{SessionSlot, UserNumber};
use turntable_core::limit::Limit;
use turntable_core::model::permission::Who;
use turntable_core::packet::{ErrorBody, ReplyData, RequestId};
use turntable_core::reason::ErrorCode;

/// What is left of a command that names users.
#[derive(Debug)]
pub(crate) struct Listed {
    users: std::vec::IntoIter<UserId>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Users are watched.
    Subscribe {
        id: Option<RequestId>,
        /// Those of which it is not known whether the session sees them.
        unknown: Vec<UserId>,
    },
    /// Users are watched no more.
    Unsubscribe { id: Option<RequestId> },
    /// Users are looked up.
    Lookup {
        ticket: Ticket,
        /// Those of which the backend has to say whether the session sees them.
        asked: Vec<UserId>,
    },
}

impl Listed {
    fn new(users: Vec<UserId>, what: What) -> Self {
        let users = users.into_iter();
        Self { users, what }
    }

    /// An `unsubscribe`.
    pub(crate) fn unsubscribe(users: Vec<UserId>, id: Option<RequestId>) -> Self {
        Self::new(users, What::Unsubscribe { id })
    }

    /// A `lookup` whose answer is awaited.
    pub(crate) fn lookup(users: Vec<UserId>, ticket: Ticket) -> Self {
        let asked = Vec::new();
        Self::new(users, What::Lookup { ticket, asked })
    }

    /// Users that the session is about to watch.
    pub(crate) fn watched_later(&self) -> usize {
        match self.what {
            What::Subscribe { .. } => self.users.len(),
            What::Unsubscribe { .. } | What::Lookup { .. } => 0,
        }
    }
}

impl Gateway {
    /// Takes the next part of a command. What is left has its turn later.
    pub(crate) fn take_part(&mut self, session: SessionSlot, mut listed: Listed) {
        let users: Vec<UserId> = listed.users.by_ref().take(USERS_AT_ONCE).collect();
        self.intake.names(users.len());
        match &mut listed.what {
            What::Subscribe { id, unknown } => {
                if !self.watch(session, users, unknown) {
                    let (id, unknown) = (id.take(), std::mem::take(unknown));
                    return self.subscribed_to_some(session, id, unknown);
                }
            }
            What::Unsubscribe { .. } => self.unwatch_all(session, &users),
            // Its client was answered that it took too long.
            What::Lookup { ticket, .. } if !self.pending.is_awaited(*ticket) => return,
            What::Lookup { ticket, asked } => {
                self.look_up(session, ticket.number(), users, asked);
            }
        }
        match listed.users.len() {
            0 => self.end_listed(session, listed.what),
            _ => self.queue_listed(session, listed),
        }
    }

    /// All users of a command were taken.
    fn end_listed(&mut self, session: SessionSlot, what: What) {
        match what {
            What::Subscribe { id, unknown } => self.subscribed(session, id, unknown),
            What::Unsubscribe { id } => self.reply(session, ReplyData::Done, id),
            What::Lookup { ticket, asked } => self.ask_about(session, ticket.number(), asked),
        }
    }

    /// `subscribe`: adds to what the session watches, and owes it a snapshot.
    pub(crate) fn subscribe(
        &mut self,
        session: SessionSlot,
        users: Vec<UserId>,
        id: Option<RequestId>,
    ) {
        let max = self.settings.presence.watch_max;
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let watches = &self.subscriptions.watches;
        let watching = &mut entry.session.watching;
        // Without a look at each while it is plain that all have room.
        if watching.len() + users.len() > max {
            let known: FxHashSet<UserNumber> = watching.iter().copied().collect();
            let is_known = |user: &UserId| watches.number(user).is_some_and(|n| known.contains(&n));
            let new = users.iter().filter(|user| !is_known(user));
            if watching.len() + new.count() > max {
                let error = ErrorBody::new(
                    ErrorCode::TooMany,
                    format!("at most {max} users can be watched at one time"),
                );
                let error = error.of("subscribe").with("max", max as u64);
                return self.refuse(session, error.by(Limit::Watched), id);
            }
        }
        if !watches.has_room(users.len()) {
            return self.refuse(session, no_room(), id);
        }
        watching.reserve_exact(users.len());
        // Its snapshot waits for the users that are left, too.
        entry.unknown += 1;
        let unknown = Vec::new();
        self.take_part(session, Listed::new(users, What::Subscribe { id, unknown }));
    }

    /// A session watches these users, too. Those of which it is not known whether it sees
    /// them are put into `unknown`. Returns whether they have room: others may have taken it
    /// since the command began.
    fn watch(
        &mut self,
        session: SessionSlot,
        users: Vec<UserId>,
        unknown: &mut Vec<UserId>,
    ) -> bool {
        let Some(entry) = self.sessions.get_mut(session) else {
            return true;
        };
        let watches = &mut self.subscriptions.watches;
        if !watches.has_room(users.len()) {
            return false;
        }
        let own = entry.session.user.clone();
        let permissions = entry.session.permissions.clone();
        let rules = Rules::of(&self.settings.presence, &self.shared);
        let sees_all = rules.hide_nobody();
        for user in users {
            let watch = watches.add(&user, session.into());
            if watch.is_first {
                let call = AvatarCall::Watch { gateway: self.id };
                self.shared.owners.avatar(&user, call);
            }
            if watch.is_new {
                entry.session.watching.push(watch.number);
                if !watch.is_known {
                    entry.unknown += 1;
                }
                let is_seen = match sees_all {
                    true => Some(true),
                    false => rules.sees(Who::new(&own, &permissions), &user),
                };
                if is_seen != Some(true) {
                    entry.hide(watch.number);
                }
                if is_seen.is_none() {
                    unknown.push(user);
                }
            }
            entry.changed.push(watch.number);
            let is_seen = !entry.hides(watch.number);
            if watch.is_known && is_seen && watches.has_profile(watch.number) {
                entry.profiles.push(match watch.is_new {
                    true => ProfileChange::all(watch.number),
                    false => ProfileChange::again(watch.number),
                });
            }
        }
        true
    }

    /// A session watches the users of the first parts of its `subscribe`; the others have no
    /// room.
    fn subscribed_to_some(
        &mut self,
        session: SessionSlot,
        id: Option<RequestId>,
        unknown: Vec<UserId>,
    ) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.unknown = entry.unknown.saturating_sub(1);
        if entry.unknown == 0 {
            self.lists.snapshots.push(session);
        }
        if !unknown.is_empty() {
            self.find_out(session, unknown);
        }
        self.refuse(session, no_room(), id);
    }

    /// A session watches all users of its `subscribe`.
    fn subscribed(&mut self, session: SessionSlot, id: Option<RequestId>, unknown: Vec<UserId>) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.unknown = entry.unknown.saturating_sub(1);
        let is_complete = entry.unknown == 0;
        if let Some(id) = &id {
            entry.subscribed.push(id.clone());
        }
        if is_complete {
            self.lists.snapshots.push(session);
        } else if let Some(id) = id {
            // It is answered when the avatars of all users have reported.
            self.await_answer(Awaited::answer(session, "subscribe", id));
        }
        if !unknown.is_empty() {
            self.find_out(session, unknown);
        }
    }

    /// A session does not watch these users any more.
    fn unwatch_all(&mut self, session: SessionSlot, users: &[UserId]) {
        let watches = &self.subscriptions.watches;
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let numbers = users.iter().filter_map(|user| watches.number(user));
        let mut numbers: Vec<UserNumber> = numbers.collect();
        numbers.sort_unstable();
        // Each list is gone through once, however many users there are.
        let mut gone = Vec::with_capacity(numbers.len());
        entry.session.watching.retain(|number| {
            let stays = numbers.binary_search(number).is_err();
            if !stays {
                gone.push(*number);
            }
            stays
        });
        gone.sort_unstable();
        let stays = |number: &UserNumber| gone.binary_search(number).is_err();
        entry.changed.retain(|number| stays(number));
        entry.profiles.retain(|change| stays(&change.number));
        for number in &gone {
            entry.unhide(*number);
            if watches.at(*number).is_some_and(|user| !user.is_known()) {
                entry.unknown = entry.unknown.saturating_sub(1);
                if entry.unknown == 0 {
                    self.lists.snapshots.push(session);
                }
            }
        }
        // What waits for the client names no number that another user may get.
        let frames = entry.session.outbox.frames_mut();
        frames.for_each(|frame| frame.scrub(&gone));
        for number in gone {
            self.unwatch(number, session);
        }
        self.stop_watching(session, users);
    }

    /// A session does not watch the user of a number any more.
    pub(super) fn unwatch(&mut self, number: UserNumber, session: SessionSlot) {
        let watches = &mut self.subscriptions.watches;
        if let Some(user) = watches.remove(number, session.into()) {
            let call = AvatarCall::Unwatch { gateway: self.id };
            self.shared.owners.avatar(&user, call);
            if let Some(unwatched) = &mut self.saving.unwatched {
                unwatched.push(user);
            }
        }
    }
}

fn no_room() -> ErrorBody {
    let message = "the server has no room for more watched users";
    ErrorBody::new(ErrorCode::Unavailable, message).of("subscribe")
}
