//! A call on its way from a directory to an actor of the same worker, and what
//! becomes of it when the actor panics.
//!
//! Actix drops an actor that panics first and its mailbox next, while the thread
//! unwinds. The actor's `Drop` reports the owner ([`report`]); each call that is
//! dropped unread after that puts its call behind the report. The directory, which
//! runs on the same thread when the unwinding is over, takes the reports and gives
//! the calls to the replacement, in their order. The one call that was being
//! handled is not repeated: it may be at fault. [`Due`] answers it.

use std::cell::RefCell;
use std::sync::Arc;

use actix::Message;

use crate::actor::Shared;
use crate::cluster::mailbox::{Mailboxes, WorkerMailboxes};
use turntable_core::call::{AvatarCall, Call, ChannelCall, RoomCall, ServiceCall};
use turntable_core::key::{GatewayId, Generation, WorkerId};
use turntable_core::owner::OwnerId;
use turntable_core::pending::Pending;

thread_local! {
    /// Owners of this worker that were lost and not yet replaced.
    static LOST: RefCell<Vec<LostOwner>> = const { RefCell::new(Vec::new()) };
    /// Where this worker's calls are counted.
    static COUNTED: RefCell<Option<(WorkerId, Arc<Mailboxes>)>> = const { RefCell::new(None) };
}

/// Counts the calls of this thread as those of a worker.
pub(super) fn count_in(worker: WorkerId, mailboxes: Arc<Mailboxes>) {
    COUNTED.set(Some((worker, mailboxes)));
}

fn count(note: fn(&WorkerMailboxes)) {
    // Calls may be dropped while the thread ends.
    let _ = COUNTED.try_with(|counted| {
        if let Ok(counted) = counted.try_borrow()
            && let Some((worker, mailboxes)) = &*counted
            && let Some(queues) = mailboxes.of(*worker)
        {
            note(queues);
        }
    });
}

/// An owner that was lost to a panic.
#[derive(Debug)]
pub(super) struct LostOwner {
    pub(super) owner: OwnerId,
    /// The calls that it had not begun to handle, in their order.
    pub(super) unread: Vec<Call>,
}

/// Reports an owner from the `Drop` of its actor while the thread panics.
pub(super) fn report(owner: OwnerId) {
    let unread = Vec::new();
    let _ = LOST.try_with(|lost| lost.borrow_mut().push(LostOwner { owner, unread }));
}

/// Takes the reports of owners that were lost.
pub(super) fn take_lost() -> Vec<LostOwner> {
    LOST.with_borrow_mut(std::mem::take)
}

/// A call to one kind of owner.
pub(super) trait OwnerCall: Send + Sized + 'static {
    /// The call with the owner that it is for; `None` where that is of another
    /// kind.
    fn to(self, owner: &OwnerId) -> Option<Call>;

    /// The gateway and the generation of an announcement.
    fn announced_by(&self) -> Option<(GatewayId, Generation)>;

    /// Whether an announcement names nothing that an owner has to know.
    fn is_empty_announcement(&self) -> bool;
}

impl OwnerCall for AvatarCall {
    fn to(self, owner: &OwnerId) -> Option<Call> {
        match owner {
            OwnerId::Avatar(user) => Some(Call::Avatar(user.clone(), self)),
            _ => None,
        }
    }

    fn announced_by(&self) -> Option<(GatewayId, Generation)> {
        match self {
            Self::Announce {
                gateway,
                generation,
                ..
            } => Some((*gateway, *generation)),
            _ => None,
        }
    }

    fn is_empty_announcement(&self) -> bool {
        matches!(self, Self::Announce { is_watching: false, sessions, .. } if sessions.is_empty())
    }
}

impl OwnerCall for RoomCall {
    fn to(self, owner: &OwnerId) -> Option<Call> {
        match owner {
            OwnerId::Room(channel) => Some(Call::Room(channel.clone(), self)),
            _ => None,
        }
    }

    fn announced_by(&self) -> Option<(GatewayId, Generation)> {
        match self {
            Self::Announce {
                gateway,
                generation,
                ..
            } => Some((*gateway, *generation)),
            _ => None,
        }
    }

    fn is_empty_announcement(&self) -> bool {
        matches!(self, Self::Announce { members, .. } if members.is_empty())
    }
}

impl OwnerCall for ServiceCall {
    fn to(self, owner: &OwnerId) -> Option<Call> {
        match owner {
            OwnerId::Service(name) => Some(Call::Service(name.clone(), self)),
            _ => None,
        }
    }

    fn announced_by(&self) -> Option<(GatewayId, Generation)> {
        match self {
            Self::Announce {
                gateway,
                generation,
                ..
            } => Some((*gateway, *generation)),
            _ => None,
        }
    }

    fn is_empty_announcement(&self) -> bool {
        matches!(self, Self::Announce { providers, .. } if providers.is_empty())
    }
}

impl OwnerCall for ChannelCall {
    fn to(self, owner: &OwnerId) -> Option<Call> {
        match owner {
            OwnerId::Channel(channel) => Some(Call::Channel(channel.clone(), self)),
            _ => None,
        }
    }

    fn announced_by(&self) -> Option<(GatewayId, Generation)> {
        match self {
            Self::Announce {
                gateway,
                generation,
                ..
            } => Some((*gateway, *generation)),
            _ => None,
        }
    }

    fn is_empty_announcement(&self) -> bool {
        matches!(
            self,
            Self::Announce {
                is_subscribed: false,
                ..
            }
        )
    }
}

/// A call in the mailbox of an actor.
pub(super) struct QueuedCall<C: OwnerCall>(Option<C>);

impl<C: OwnerCall> QueuedCall<C> {
    pub(super) fn new(call: C) -> Self {
        count(|queues| queues.owner_calls.put());
        Self(Some(call))
    }

    /// The call, which is being handled from here on.
    pub(super) fn open(mut self) -> Option<C> {
        self.0.take()
    }
}

impl<C: OwnerCall> Message for QueuedCall<C> {
    type Result = ();
}

impl<C: OwnerCall> Drop for QueuedCall<C> {
    fn drop(&mut self) {
        count(|queues| queues.owner_calls.take());
        if self.0.is_none() || !std::thread::panicking() {
            return;
        }
        put_behind(self.0.take());
    }
}

/// Puts calls behind the report of the owner that was lost last: its replacement gets
/// them.
pub(super) fn put_behind<C: OwnerCall>(calls: impl IntoIterator<Item = C>) {
    let _ = LOST.try_with(|lost| {
        let mut lost = lost.borrow_mut();
        if let Some(lost) = lost.last_mut() {
            for call in calls {
                lost.unread.extend(call.to(&lost.owner));
            }
        }
    });
}

/// The answer to the call that is being handled. It is sent only if the handling
/// ends in a panic.
pub(super) struct Due {
    shared: Shared,
    pending: Option<Pending>,
}

impl Due {
    pub(super) fn new(shared: &Shared, pending: Option<Pending>) -> Self {
        Self {
            shared: shared.clone(),
            pending,
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(pending) = self.pending.take()
        {
            let (to, delivery) = pending.refusal();
            self.shared.bus.send(to, delivery);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use turntable_core::id::ChannelId;
    use turntable_core::key::NodeId;

    use super::*;

    fn unsubscribed(worker: u16) -> ChannelCall {
        ChannelCall::Unsubscribed {
            gateway: GatewayId {
                node: NodeId(0),
                boot: 1,
                worker: WorkerId(worker),
            },
        }
    }

    /// What actix drops when an actor panics, in this order.
    struct Dropped(OwnerId, #[expect(dead_code)] Vec<QueuedCall<ChannelCall>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            if std::thread::panicking() {
                report(self.0.clone());
            }
        }
    }

    #[test]
    fn letters_are_counted_until_they_are_handled() {
        let mailboxes = Arc::new(Mailboxes::new(1, &crate::metric::Metrics::default()));
        count_in(WorkerId(0), mailboxes.clone());
        let [first, second] = [1, 2].map(|worker| QueuedCall::new(unsubscribed(worker)));
        assert_eq!(mailboxes.most_waiting(), 2);
        assert!(first.open().is_some());
        assert_eq!(mailboxes.most_waiting(), 1);
        drop(second);
        assert_eq!(mailboxes.most_waiting(), 0);
    }

    #[test]
    fn unread_calls_are_saved_in_their_order_and_read_ones_are_not() {
        let owner = |name| OwnerId::Channel(ChannelId::parse(name).unwrap());
        for name in ["a", "b"] {
            let owner = owner(name);
            let caught = std::panic::catch_unwind(move || {
                let calls = [1, 2, 3].map(|worker| QueuedCall::new(unsubscribed(worker)));
                let [first, second, third] = calls;
                let _actor = Dropped(owner, vec![second, third]);
                let _being_handled = first.open();
                panic!("a fault for a test");
            });
            assert!(caught.is_err());
        }
        let lost = take_lost();
        assert_eq!(lost.len(), 2);
        for (lost, name) in lost.into_iter().zip(["a", "b"]) {
            assert_eq!(lost.owner, owner(name));
            let channel = ChannelId::parse(name).unwrap();
            let expected =
                [2, 3].map(|worker| Call::Channel(channel.clone(), unsubscribed(worker)));
            assert_eq!(lost.unread, expected);
        }
        drop(QueuedCall::new(unsubscribed(4)));
        assert!(take_lost().is_empty());
    }
}
