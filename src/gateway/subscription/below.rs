//! Channels with everything below them: every directory has to know that this
//! gateway wants the subpaths, before a session gets its `joined`. Pure: what owners
//! are to be sent is returned.

use std::collections::HashMap;

use smallvec::SmallVec;

use turntable_core::call::ChannelCall;
use turntable_core::id::ChannelId;
use turntable_core::key::{Caller, SessionKey};
use turntable_core::spare::Spare;

/// What has to be sent to owners, in order.
pub(crate) type OwnerCalls = SmallVec<[OwnerCall; 1]>;

/// Something that has to be sent to owners.
#[derive(Debug)]
pub(crate) enum OwnerCall {
    /// A call to a channel.
    Channel(ChannelId, ChannelCall),
    /// Every directory: whether this gateway wants what is below a path.
    Below(ChannelId, bool),
}

impl From<(ChannelId, ChannelCall)> for OwnerCall {
    fn from((channel, call): (ChannelId, ChannelCall)) -> Self {
        Self::Channel(channel, call)
    }
}

/// The paths of which sessions want everything below.
#[derive(Debug)]
pub(crate) struct BelowPaths {
    paths: HashMap<ChannelId, Below>,
    /// How many directories there are.
    shards: usize,
}

/// Sessions that want everything below a path, and how far that is known.
#[derive(Debug, Default)]
struct Below {
    sessions: usize,
    /// Directories that know.
    known: usize,
    /// Calls that wait until all do.
    waiting: Vec<(SessionKey, ChannelCall)>,
}

impl BelowPaths {
    /// No paths, on a node with so many directories.
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            paths: HashMap::new(),
            shards,
        }
    }

    /// Whether calls to a channel wait for the directories.
    pub(crate) fn is_waiting(&self, channel: &ChannelId) -> bool {
        let below = self.paths.get(channel);
        below.is_some_and(|below| !below.waiting.is_empty())
    }

    /// A session joins a channel with everything below it; `again` if it was on it in
    /// this way.
    pub(crate) fn join(
        &mut self,
        session: SessionKey,
        channel: ChannelId,
        call: ChannelCall,
        again: bool,
    ) -> Option<OwnerCall> {
        let is_first = !self.paths.contains_key(&channel);
        let below = self.paths.entry(channel.clone()).or_default();
        if !again {
            below.sessions += 1;
        }
        if below.known >= self.shards {
            return Some(OwnerCall::Channel(channel, call));
        }
        below.waiting.push((session, call));
        is_first.then_some(OwnerCall::Below(channel, true))
    }

    /// One more directory knows that this gateway wants what is below a path. Returns
    /// what waited for it, once all know.
    pub(crate) fn known(&mut self, channel: &ChannelId) -> Option<OwnerCalls> {
        let below = self.paths.get_mut(channel)?;
        below.known += 1;
        if below.known < self.shards {
            return None;
        }
        let waiting = std::mem::take(&mut below.waiting).into_iter();
        Some(
            waiting
                .map(|(_, call)| OwnerCall::Channel(channel.clone(), call))
                .collect(),
        )
    }

    /// One session fewer wants what is below a path; its join was refused.
    pub(crate) fn refused(&mut self, channel: &ChannelId) -> Option<OwnerCall> {
        let below = self.paths.get_mut(channel)?;
        below.sessions = below.sessions.saturating_sub(1);
        self.drop_unwanted(channel)
    }

    /// A session leaves a channel, or only the way in which it was on it.
    pub(crate) fn leave(
        &mut self,
        caller: Caller,
        channel: &ChannelId,
        subpaths: bool,
        stays: bool,
    ) -> OwnerCalls {
        let call = ChannelCall::Leave {
            caller,
            subpaths,
            stays,
        };
        if subpaths && let Some(below) = self.paths.get_mut(channel) {
            below.sessions = below.sessions.saturating_sub(1);
            let mut waiting = below.waiting.iter();
            if waiting.any(|(session, _)| *session == caller.key) {
                // Behind the join, which is answered all the same.
                below.waiting.push((caller.key, call));
                return OwnerCalls::new();
            }
        }
        let mut calls = OwnerCalls::new();
        calls.push(OwnerCall::Channel(channel.clone(), call));
        if subpaths {
            calls.extend(self.drop_unwanted(channel));
        }
        calls
    }

    /// Takes the interest back where no session has it any more. It stays while
    /// it is still being made known, so that no answer to it is counted for a
    /// later one.
    pub(crate) fn drop_unwanted(&mut self, channel: &ChannelId) -> Option<OwnerCall> {
        let below = self.paths.get(channel)?;
        if below.sessions > 0 || below.known < self.shards {
            return None;
        }
        self.paths.remove(channel);
        self.paths.give_back();
        Some(OwnerCall::Below(channel.clone(), false))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::key::{GatewayId, NodeId, Place, SessionSlot, SlotKey as _, WorkerId};

    fn path() -> ChannelId {
        ChannelId::parse("a").unwrap()
    }

    fn caller(number: u64) -> Caller {
        let gateway = GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(0),
        };
        Caller {
            key: SessionKey::from_number(number),
            place: Place {
                gateway,
                slot: SessionSlot::new(number as u32, 0),
            },
        }
    }

    /// A call that is known by its session.
    fn call(number: u64) -> ChannelCall {
        ChannelCall::Resume {
            caller: caller(number),
        }
    }

    fn join(all: &mut BelowPaths, number: u64) -> Option<OwnerCall> {
        all.join(caller(number).key, path(), call(number), false)
    }

    fn leave(all: &mut BelowPaths, number: u64) -> OwnerCalls {
        all.leave(caller(number), &path(), true, false)
    }

    #[test]
    fn joins_wait_until_every_directory_knows() {
        let mut all = BelowPaths::new(2);
        let first = join(&mut all, 1);
        assert!(matches!(first, Some(OwnerCall::Below(_, true))));
        assert!(join(&mut all, 2).is_none());
        assert!(all.is_waiting(&path()));
        assert!(all.known(&path()).is_none());
        let released = all.known(&path()).unwrap();
        assert_eq!(released.len(), 2);
        assert!(!all.is_waiting(&path()));
        let next = join(&mut all, 3);
        assert!(matches!(next, Some(OwnerCall::Channel(..))));
    }

    #[test]
    fn interest_ends_with_the_last_session_once_it_is_known() {
        let mut all = BelowPaths::new(2);
        join(&mut all, 1);
        // It leaves before the directories know: behind its join.
        assert!(leave(&mut all, 1).is_empty());
        assert!(all.drop_unwanted(&path()).is_none());
        all.known(&path());
        let released = all.known(&path()).unwrap();
        assert!(matches!(
            released.as_slice(),
            [
                OwnerCall::Channel(_, ChannelCall::Resume { .. }),
                OwnerCall::Channel(_, ChannelCall::Leave { .. })
            ]
        ));
        let dropped = all.drop_unwanted(&path());
        assert!(matches!(dropped, Some(OwnerCall::Below(_, false))));
        assert!(all.known(&path()).is_none(), "nothing is left");
    }

    #[test]
    fn interest_stays_while_one_of_several_sessions_has_it() {
        let mut all = BelowPaths::new(2);
        join(&mut all, 1);
        join(&mut all, 2);
        all.known(&path());
        all.known(&path());
        assert_eq!(leave(&mut all, 1).len(), 1);
        assert!(matches!(
            all.refused(&path()),
            Some(OwnerCall::Below(_, false))
        ));
        assert!(all.refused(&path()).is_none());
    }
}
