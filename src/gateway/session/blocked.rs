//! Block lists at a gateway: what users see of those who block them.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use actix::{Context, Handler, Message};

use crate::clock;

use crate::gateway::session::ending::Ending;
use crate::gateway::session::pending::Awaited;
use crate::gateway::{Gateway, Shared};
use crate::portal::blocked::{BlockedChange, BlockedMaxima, ChangedBy};
use crate::portal::operator_call::OperatorCall;
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
    others: Arc<HashSet<UserId>>,
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
        self.block_answered(answered);
        self.run();
    }
}

impl Gateway {
    fn block_answered(&mut self, answered: BlockAnswered) {
        let BlockAnswered {
            session,
            id,
            outcome,
        } = answered;
        // The client has `unavailable` where the store took longer than it waits.
        let is_awaited = match &id {
            Some(id) => self.pending.answered(session, id).is_some(),
            None => true,
        };
        match outcome {
            _ if !is_awaited => {}
            Ok(list) => self.reply(session, ReplyData::Blocked(list), id),
            // It is no fault of the client.
            Err(error) if error.code == ErrorCode::Unavailable => {
                self.send_error(session, error.of("block"), id);
            }
            Err(error) => self.refuse(session, error.of("block"), id),
        }
    }

    /// `block`: a client changes the list of its user, or asks for it.
    pub(super) fn block(
        &mut self,
        session: SessionSlot,
        add: Vec<UserId>,
        remove: Vec<UserId>,
        id: Option<RequestId>,
    ) {
        let address = self.client_address(session);
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let user = entry.session.user.clone();
        let is_provisional = entry.session.is_provisional;
        if add.contains(&user) {
            return self.refuse(session, own_id().of("block"), id);
        }
        if add.is_empty() && remove.is_empty() {
            let list = self.shared.blocked.list(&user);
            return self.reply(session, ReplyData::Blocked(list), id);
        }
        if let Some(id) = id.clone() {
            let command = "block";
            self.await_answer(Awaited::answer(session, command, id));
        }
        let Some(gateway) = self.shared.peers.gateway(self.id.worker).cloned() else {
            return;
        };
        let shared = self.shared.clone();
        // The store may take a while.
        actix::spawn(async move {
            let remove: HashSet<UserId> = remove.into_iter().collect();
            let change = move |list: &mut Vec<UserId>| {
                list.retain(|known| !remove.contains(known));
                list.extend(add);
            };
            let by = shared.blocked_by(&user, is_provisional, address);
            let outcome = shared.change_blocked(&user, change, by).await;
            gateway.do_send(BlockAnswered {
                session,
                id,
                outcome,
            });
        });
    }
}

/// The error for a user on its own block list, where it would not see itself.
fn own_id() -> ErrorBody {
    let message = "a user cannot block itself: leave its own id out";
    ErrorBody::new(ErrorCode::BadMessage, message)
}

/// What the operator gets where the store fails in the middle of an erasure.
const PARTLY_ERASED: &str = "the sessions of the user are ended, but not all of it is erased: the store cannot be read or written now; call it again";

impl Shared {
    /// From now on `user` blocks these users, and no others.
    ///
    /// # Errors
    /// `bad_message` where the user itself is one of them; `too_many` over
    /// `portal.blocked_max`, `portal.block_lists_max` and
    /// `portal.blocked_total_max`; `unavailable` where the store cannot be written, while
    /// the list is in force.
    pub async fn block(&self, user: &UserId, list: Vec<UserId>) -> Result<(), ErrorBody> {
        let by = self.blocked_by(user, false, None);
        if list.contains(user) {
            return Err(own_id());
        }
        let change = |before: &mut Vec<UserId>| *before = list;
        self.change_blocked(user, change, by).await.map(|_| ())
    }

    /// Changes whom a user blocks. Returns the list.
    ///
    /// # Errors
    /// Those of [`Shared::block`], and `too_many` over `portal.blocked_per_address_max`.
    pub(crate) async fn change_blocked(
        &self,
        user: &UserId,
        change: impl FnOnce(&mut Vec<UserId>),
        by: ChangedBy,
    ) -> Result<Vec<UserId>, ErrorBody> {
        let settings = self.portal.settings();
        let maxima = BlockedMaxima {
            each: settings.blocked_max,
            lists: settings.block_lists_max,
            total: settings.blocked_total_max,
            address: settings.blocked_per_address_max,
        };
        let BlockedChange { list, changed } = self.blocked.change(user, change, by, maxima)?;
        if !changed.is_empty() {
            let changed = BlockChanged {
                user: user.clone(),
                others: Arc::new(changed),
            };
            for gateway in self.peers.gateways() {
                gateway.do_send(changed.clone());
            }
        }
        if !self.blocked.is_stored(user) {
            self.blocked.keep(user).await?;
        }
        Ok(list)
    }

    /// Whose change of the list of a user it is, by a client of an address or by the
    /// operator. That of a user that cannot come back for ever has an end.
    fn blocked_by(
        &self,
        user: &UserId,
        is_provisional: bool,
        address: Option<IpAddr>,
    ) -> ChangedBy {
        let now_s = clock::now_ms() / 1_000;
        ChangedBy {
            address,
            ends_s: self.portal.provisional_until_s(user, is_provisional, now_s),
            now_s,
        }
    }

    /// A session of a user begins, or renews its credentials: its list ends later.
    pub(super) fn renew_blocked(&self, user: &UserId, is_provisional: bool) {
        if !self.blocked.is_any() {
            return;
        }
        let now_s = clock::now_ms() / 1_000;
        let ends_s = self.portal.provisional_until_s(user, is_provisional, now_s);
        if self.blocked.renew(user, ends_s) {
            self.blocked.save(user);
        }
    }

    /// Everything of a user goes: its sessions, credentials, ban, block list, attributes,
    /// the operator's subscriptions, the services that are disabled for it, and when it was
    /// last seen. Returns how many sessions there were.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read or written: then the sessions are
    /// ended, and some of the rest may be left.
    pub async fn erase(&self, user: &UserId, call: OperatorCall) -> Result<usize, ErrorBody> {
        let call = Arc::new(call);
        // First: with its credentials the user would be back in the middle.
        let forgotten = self.portal.forget(user).await;
        let ended = self.end_user(user, Ending::Removed, call.clone()).await;
        let erased = match forgotten {
            Ok(()) => self.erase_stored(user).await,
            error => error,
        };
        erased.map_err(|error| match error.code {
            ErrorCode::Unavailable => ErrorBody::new(error.code, PARTLY_ERASED),
            _ => error,
        })?;
        let left = self.unsubscribe(user, None).await;
        for service in self.disabled.of(user) {
            self.enable_service_of(user, &service);
        }
        // Where claims need no credentials, it may be back.
        let back = self.end_user(user, Ending::Removed, call).await;
        self.forget_past(user).await;
        left?;
        Ok(ended? + back?)
    }

    async fn erase_stored(&self, user: &UserId) -> Result<(), ErrorBody> {
        let of = user.clone();
        let erase = |requester| Call::Avatar(of, AvatarCall::Erase { requester });
        self.ask(erase).await?;
        self.unban(user).await?;
        self.block(user, Vec::new()).await?;
        // Behind the attributes: what waits for the file is written with it.
        self.blocked.keep(user).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateway::session::pending::Ticket;
    use crate::gateway::testing::{Noted, begin, entry, gateway};

    fn await_block(gateway: &mut Gateway, session: SessionSlot, id: &str) -> Ticket {
        gateway.await_answer(Awaited::answer(session, "block", RequestId(id.into())))
    }

    fn answer(gateway: &mut Gateway, session: SessionSlot, id: &str, outcome: Option<ErrorCode>) {
        let id = Some(RequestId(id.into()));
        let outcome = match outcome {
            None => Ok(Vec::new()),
            Some(code) => Err(ErrorBody::new(code, "no")),
        };
        gateway.block_answered(BlockAnswered {
            session,
            id,
            outcome,
        });
    }

    #[test]
    fn block_is_answered_once_and_a_failing_store_is_no_fault_of_the_client() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let session = begin(&mut gateway);
        let count = |gateway: &mut Gateway| entry(gateway, session).session.outbox.numbered();
        let before = count(&mut gateway);
        for outcome in [None, Some(ErrorCode::Unavailable), Some(ErrorCode::TooMany)] {
            let ticket = await_block(&mut gateway, session, "late");
            gateway.answer_is_late(ticket);
            let late = count(&mut gateway);
            answer(&mut gateway, session, "late", outcome);
            assert_eq!(count(&mut gateway), late);
        }
        assert_eq!(count(&mut gateway), before + 3);
        // More of them than the budget of errors.
        for _ in 0..2 * gateway.settings.session.error_burst {
            await_block(&mut gateway, session, "1");
            let unavailable = Some(ErrorCode::Unavailable);
            answer(&mut gateway, session, "1", unavailable);
        }
        gateway.run();
        let settings = gateway.settings.session.clone();
        let error = ErrorBody::new(ErrorCode::TooMany, "one more");
        let session = &mut entry(&mut gateway, session).session;
        let refusal = session.refuse(error, clock::now_ms(), &settings);
        assert_eq!(refusal.close, None);
    }
}
