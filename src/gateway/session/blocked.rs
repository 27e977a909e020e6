//! Block lists at a gateway: what users see of those who block them.

use actix::{Context, Handler, Message};

use crate::gateway::session::ending::Ending;
use crate::gateway::session::pending::Awaited;
use crate::gateway::{Gateway, Shared};
use crate::portal::blocked::{BlockedChange, BlockedMaxima};
use turntable_core::call::{AvatarCall, Call};
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::{ErrorBody, ReplyData, RequestId};
use turntable_core::reason::ErrorCode;

/// A user blocks others, or does not any more: they see it as it is for them now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
struct BlockChanged {
    user: UserId,
    others: Vec<UserId>,
}

impl Handler<BlockChanged> for Gateway {
    type Result = ();

    fn handle(&mut self, changed: BlockChanged, _: &mut Context<Self>) {
        let watches = &self.subscriptions.watches;
        let Some(number) = watches.number(&changed.user) else {
            return;
        };
        let watched = watches.at(number).into_iter();
        let watchers = watched.flat_map(|watched| watched.watchers());
        let is_meant = |session: &SessionSlot| {
            let entry = self.sessions.get(*session);
            entry.is_some_and(|entry| changed.others.contains(&entry.session.user))
        };
        let sessions = watchers.filter_map(|index| self.sessions.key(*index));
        let sessions: Vec<SessionSlot> = sessions.filter(is_meant).collect();
        for session in sessions {
            self.look_anew(session, vec![changed.user.clone()]);
        }
        self.run();
    }
}

/// The list of a session's user has changed as its client wished, and is stored; or not.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct BlockAnswered {
    session: SessionSlot,
    id: Option<RequestId>,
    outcome: Result<Vec<UserId>, ErrorBody>,
}

impl Handler<BlockAnswered> for Gateway {
    type Result = ();

    fn handle(&mut self, answered: BlockAnswered, _: &mut Context<Self>) {
        let BlockAnswered {
            session,
            id,
            outcome,
        } = answered;
        match outcome {
            Ok(list) => {
                if let Some(id) = &id {
                    self.pending.answered(session, id);
                }
                self.reply(session, ReplyData::Blocked(list), id);
            }
            Err(error) => self.refuse_unowned(session, error.of("block"), id),
        }
        self.run();
    }
}

impl Gateway {
    /// `block`: a client changes the list of its user, or asks for it.
    pub(super) fn block(
        &mut self,
        session: SessionSlot,
        add: Vec<UserId>,
        remove: Vec<UserId>,
        id: Option<RequestId>,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let user = entry.session.user.clone();
        if add.is_empty() && remove.is_empty() {
            let list = self.shared.blocked.list(&user);
            return self.reply(session, ReplyData::Blocked(list), id);
        }
        if let Some(id) = id.clone() {
            let command = "block";
            self.await_answer(Awaited::Answer {
                session,
                command,
                id,
            });
        }
        let Some(gateway) = self.shared.peers.gateway(self.id.worker).cloned() else {
            return;
        };
        let shared = self.shared.clone();
        // The store may take a while.
        actix::spawn(async move {
            let own = user.clone();
            let change = move |list: &mut Vec<UserId>| {
                list.retain(|known| !remove.contains(known));
                // A user would not see itself.
                list.extend(add.into_iter().filter(|added| *added != own));
            };
            let outcome = shared.change_blocked(&user, change).await;
            gateway.do_send(BlockAnswered {
                session,
                id,
                outcome,
            });
        });
    }
}

/// What the operator gets where the store fails in the middle of an erasure.
const PARTLY_ERASED: &str = "the sessions of the user are ended, but not all of it is erased: the store cannot be read or written now; call it again";

impl Shared {
    /// From now on `user` blocks these users, and no others.
    ///
    /// # Errors
    /// `too_many` over `portal.blocked_max` and `portal.block_lists_max`; `unavailable`
    /// where the store cannot be written, while the list is in force.
    pub async fn block(&self, user: &UserId, list: Vec<UserId>) -> Result<(), ErrorBody> {
        let changed = self.change_blocked(user, |before| *before = list).await;
        changed.map(|_| ())
    }

    /// Changes whom a user blocks. Returns the list.
    ///
    /// # Errors
    /// Those of [`Shared::block`], and `too_many` over `portal.blocked_total_max`.
    pub(crate) async fn change_blocked(
        &self,
        user: &UserId,
        change: impl FnOnce(&mut Vec<UserId>),
    ) -> Result<Vec<UserId>, ErrorBody> {
        let settings = self.portal.settings();
        let maxima = BlockedMaxima {
            each: settings.blocked_max,
            lists: settings.block_lists_max,
            total: settings.blocked_total_max,
        };
        let BlockedChange { list, changed } = self.blocked.change(user, change, maxima)?;
        if !changed.is_empty() {
            let changed = BlockChanged {
                user: user.clone(),
                others: changed,
            };
            for gateway in self.peers.gateways() {
                gateway.do_send(changed.clone());
            }
        }
        self.blocked.keep(user).await?;
        Ok(list)
    }

    /// Everything of a user goes: its sessions, credentials, ban, block list, attributes, the
    /// operator's subscriptions and the services that are disabled for it, and when it was last seen. Returns how many sessions there were.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read or written: then the sessions are
    /// ended, and some of the rest may be left.
    pub async fn erase(&self, user: &UserId) -> Result<usize, ErrorBody> {
        // First: with its credentials the user would be back in the middle.
        let forgotten = self.portal.forget(user).await;
        let mut ended = self.end_user(user, Ending::Removed).await;
        let erased = match forgotten {
            Ok(()) => self.erase_stored(user).await,
            error => error,
        };
        erased.map_err(|error| match error.code {
            ErrorCode::Unavailable => ErrorBody::new(error.code, PARTLY_ERASED),
            _ => error,
        })?;
        self.unsubscribe(user, None).await;
        for service in self.disabled.of(user) {
            self.enable_service_of(user, &service);
        }
        // Where claims need no credentials, it may be back.
        ended += self.end_user(user, Ending::Removed).await;
        Ok(ended)
    }

    async fn erase_stored(&self, user: &UserId) -> Result<(), ErrorBody> {
        let of = user.clone();
        let erase = |requester| Call::Avatar(of, AvatarCall::Erase { requester });
        self.ask(erase).await?;
        self.unban(user).await?;
        // Behind the attributes: what waits for the file is written with it.
        self.block(user, Vec::new()).await
    }
}
