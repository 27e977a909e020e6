//! Channels with everything below them: every directory has to know that this
//! gateway wants the subpaths, before a session gets its `joined`.

use crate::gateway::Gateway;
use turntable_core::call::ChannelCall;
use turntable_core::id::ChannelId;
use turntable_core::key::{Caller, SessionKey};
use turntable_core::spare::Spare;

/// Sessions that want everything below a path, and how far that is known.
#[derive(Debug, Default)]
pub(crate) struct Below {
    sessions: usize,
    /// Directories that know.
    known: usize,
    /// Calls that wait until all do.
    waiting: Vec<(SessionKey, ChannelCall)>,
}

impl Below {
    /// Whether calls wait for the directories.
    pub(crate) const fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Gateway {
    /// One session fewer wants what is below a path; its join was refused.
    pub(crate) fn leave_below(&mut self, channel: &ChannelId) {
        if let Some(below) = self.subscriptions.below.get_mut(channel) {
            below.sessions = below.sessions.saturating_sub(1);
            self.drop_below(channel);
        }
    }

    /// Joins a channel with everything below it.
    pub(crate) fn join_below(
        &mut self,
        session: SessionKey,
        channel: ChannelId,
        call: ChannelCall,
        again: bool,
    ) {
        let shards = self.shared.owners.shards();
        let all = &mut self.subscriptions.below;
        let is_first = !all.contains_key(&channel);
        let below = all.entry(channel.clone()).or_default();
        if !again {
            below.sessions += 1;
        }
        if below.known >= shards {
            return self.shared.owners.channel(&channel, call);
        }
        below.waiting.push((session, call));
        if is_first {
            self.shared.owners.below(&channel, self.id, true);
        }
    }

    /// One more directory knows that this gateway wants what is below a path.
    pub(crate) fn below_is_known(&mut self, channel: &ChannelId) {
        let shards = self.shared.owners.shards();
        let Some(below) = self.subscriptions.below.get_mut(channel) else {
            return;
        };
        below.known += 1;
        if below.known < shards {
            return;
        }
        for (_, call) in std::mem::take(&mut below.waiting) {
            self.shared.owners.channel(channel, call);
        }
        self.announce_unsubscribed(channel);
        self.drop_below(channel);
    }

    /// Takes the interest back where no session has it any more. It stays while
    /// it is still being made known, so that no answer to it is counted for a
    /// later one.
    fn drop_below(&mut self, channel: &ChannelId) {
        let shards = self.shared.owners.shards();
        let below = self.subscriptions.below.get(channel);
        if below.is_some_and(|below| below.sessions == 0 && below.known >= shards) {
            self.subscriptions.below.remove(channel);
            self.subscriptions.below.give_back();
            self.shared.owners.below(channel, self.id, false);
        }
    }

    /// A session leaves a channel, or only the way in which it was on it.
    pub(crate) fn call_leave(
        &mut self,
        caller: Caller,
        channel: &ChannelId,
        subpaths: bool,
        stays: bool,
    ) {
        let call = ChannelCall::Leave {
            caller,
            subpaths,
            stays,
        };
        if subpaths && let Some(below) = self.subscriptions.below.get_mut(channel) {
            below.sessions = below.sessions.saturating_sub(1);
            let mut waiting = below.waiting.iter();
            if waiting.any(|(session, _)| *session == caller.key) {
                // Behind the join, which is answered all the same.
                return below.waiting.push((caller.key, call));
            }
        }
        self.shared.owners.channel(channel, call);
        if subpaths {
            self.drop_below(channel);
        }
    }
}
