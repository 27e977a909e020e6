//! Block lists at a gateway: what users see of those who block them.

use actix::{Context, Handler, Message};

use crate::gateway::session::ending::Ending;
use crate::gateway::{Gateway, Shared};
use turntable_core::call::{AvatarCall, Call};
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::ErrorBody;
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

impl Shared {
    /// From now on `user` blocks these users, and no others.
    ///
    /// # Errors
    /// `too_many` over `portal.blocked_max` and `portal.block_lists_max`; `unavailable`
    /// where the store cannot be written, while the list is in force.
    pub async fn block(&self, user: &UserId, list: Vec<UserId>) -> Result<(), ErrorBody> {
        let settings = self.portal.settings();
        let max = settings.blocked_max;
        if list.len() > max {
            let message = format!("a user blocks at most {max} users (portal.blocked_max)");
            return Err(ErrorBody::new(ErrorCode::TooMany, message).with("max", max as u64));
        }
        let others = self.blocked.put(user, list, settings.block_lists_max)?;
        let changed = BlockChanged {
            user: user.clone(),
            others,
        };
        for gateway in self.peers.gateways() {
            gateway.do_send(changed.clone());
        }
        self.blocked.keep(user).await
    }

    /// Everything of a user goes: its sessions, credentials, ban, block list, attributes, the
    /// operator's subscriptions and the services that are disabled for it, and when it was last seen. Returns how many sessions there were.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read or written: then some may be left.
    pub async fn erase(&self, user: &UserId) -> Result<usize, ErrorBody> {
        // First: with its credentials the user would be back in the middle.
        let forgotten = self.portal.forget(user).await;
        let mut ended = self.end_user(user, Ending::Removed).await;
        forgotten?;
        let of = user.clone();
        let erase = |asker| Call::Avatar(of, AvatarCall::Erase { asker });
        self.ask(erase).await?;
        self.unban(user).await?;
        // Behind the attributes: what waits for the file is written with it.
        self.block(user, Vec::new()).await?;
        self.unsubscribe(user, None).await;
        for service in self.disabled.of(user) {
            self.enable_service_of(user, &service);
        }
        // Where claims need no credentials, it may be back.
        ended += self.end_user(user, Ending::Removed).await;
        Ok(ended)
    }
}
