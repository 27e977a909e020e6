//! A join with subpaths that wants past messages: they are gathered from the channels
//! below the path, and follow the `joined`, in the order of each path.
//!
//! ```text
//! joinchannel ─► owner of the path ─► Joined: the session is on the topic
//!     PastBelow to every directory ─► Listed {count}; Past, of each channel below
//! ```
//! What is published there meanwhile waits, so that it comes behind the past.

use std::collections::HashMap;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::subscription::topic::Subscriber;
use crate::gateway::turn::Timer;
use turntable_core::call::{Asker, Call, PastBelow};
use turntable_core::delivery::{Replay, Topic};
use turntable_core::frame::SharedFrame;
use turntable_core::id::ChannelId;
use turntable_core::key::{SessionSlot, ShardId};
use turntable_core::packet::RequestId;
use turntable_core::spare::Spare;

/// Bytes that wait for one join at most; then it is not waited for any more.
const LIVE_BYTES_MAX: usize = 262_144;

/// The joins that are gathering, by number.
#[derive(Debug, Default)]
pub(crate) struct Gathers {
    by_ticket: HashMap<u64, Gather>,
    last: u64,
    /// Those for which more waits than may.
    overfull: Vec<u64>,
}

/// One of them.
#[derive(Debug)]
struct Gather {
    session: SessionSlot,
    path: ChannelId,
    /// What is wanted, until the session is on the topic.
    past: Option<PastBelow>,
    joined: Option<Joined>,
    /// Directories that have not listed their channels.
    unlisted: usize,
    /// Channels that were listed, without those that have answered.
    missing: i64,
    found: Vec<Found>,
    /// What was published meanwhile.
    live: Vec<Live>,
    /// Its bytes.
    live_bytes: usize,
}

/// The answer to the join.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) frame: SharedFrame,
    pub(crate) replay: Option<Replay>,
    pub(crate) id: Option<RequestId>,
}

/// The past of a channel: the messages up to an offset.
#[derive(Debug)]
struct Found {
    channel: ChannelId,
    offset: u64,
    messages: Vec<SharedFrame>,
}

impl Found {
    /// The offset of the first message.
    fn first(&self) -> u64 {
        (self.offset + 1).saturating_sub(self.messages.len() as u64)
    }

    fn has(&self, live: &Live) -> bool {
        let has = |offset| (self.first()..=self.offset).contains(&offset);
        self.channel == live.channel && live.offset.is_some_and(has)
    }

    fn is_behind(&self, live: &Live) -> bool {
        let is_before = |offset| offset < self.first();
        self.channel == live.channel && live.offset.is_some_and(is_before)
    }
}

/// A publication that waits.
#[derive(Debug)]
struct Live {
    channel: ChannelId,
    offset: Option<u64>,
    frame: SharedFrame,
}

impl Gather {
    const fn is_complete(&self) -> bool {
        self.joined.is_some() && self.past.is_none() && self.unlisted == 0 && self.missing <= 0
    }

    /// What follows the `joined`, in its order.
    fn into_messages(mut self, paths_max: usize) -> (Vec<Vec<SharedFrame>>, Vec<SharedFrame>) {
        self.found.retain(|found| !found.messages.is_empty());
        self.found
            .sort_unstable_by(|a, b| a.channel.as_str().cmp(b.channel.as_str()));
        self.found.truncate(paths_max);
        let mut past = Vec::with_capacity(self.found.len());
        for found in self.found {
            let (before, live) = self
                .live
                .into_iter()
                .partition(|live| found.is_behind(live));
            let before: Vec<Live> = before;
            self.live = live;
            self.live.retain(|live| !found.has(live));
            let before = before.into_iter().map(|live| live.frame);
            past.push(before.chain(found.messages).collect());
        }
        (past, self.live.into_iter().map(|live| live.frame).collect())
    }
}

impl Gathers {
    /// Keeps a publication back for a session that is gathering above its path. Returns
    /// whether it is.
    pub(crate) fn keep(
        &mut self,
        session: Subscriber,
        topic: &Topic,
        offset: Option<u64>,
        frame: &SharedFrame,
    ) -> bool {
        let (Topic::Channel(channel) | Topic::Below(channel)) = topic else {
            return false;
        };
        let is_above = |path: &ChannelId| {
            path == channel || channel.ancestors().any(|above| above == path.as_str())
        };
        let mut gathers = self.by_ticket.iter_mut();
        let gather = gathers.find(|(_, gather)| {
            let of = Subscriber::from(gather.session);
            of == session && gather.past.is_none() && is_above(&gather.path)
        });
        match gather {
            Some((ticket, gather)) => {
                let channel = channel.clone();
                gather.live_bytes += frame.v1().len();
                if gather.live_bytes > LIVE_BYTES_MAX {
                    self.overfull.push(*ticket);
                }
                gather.live.push(Live {
                    channel,
                    offset,
                    frame: frame.clone(),
                });
                true
            }
            None => false,
        }
    }

    fn ticket(&self, session: SessionSlot, path: &ChannelId) -> Option<u64> {
        let mut gathers = self.by_ticket.iter();
        let found = gathers.find(|(_, one)| one.session == session && one.path == *path);
        found.map(|(ticket, _)| *ticket)
    }

    fn has(&self, session: SessionSlot) -> bool {
        let mut gathers = self.by_ticket.values();
        gathers.any(|gather| gather.session == session && gather.past.is_none())
    }
}

impl Gateway {
    /// The join of a session will have the past of the paths below.
    pub(super) fn gather(&mut self, session: SessionSlot, path: &ChannelId, past: PastBelow) {
        self.end_gather(session, path);
        let gathers = &mut self.subscriptions.gathers;
        gathers.last += 1;
        gathers.by_ticket.insert(
            gathers.last,
            Gather {
                session,
                path: path.clone(),
                past: Some(past),
                joined: None,
                unlisted: self.shared.owners.shards(),
                missing: 0,
                found: Vec::new(),
                live: Vec::new(),
                live_bytes: 0,
            },
        );
    }

    /// A session is on the topic. Gives its `joined` back where nothing is gathered.
    pub(crate) fn gather_joined(
        &mut self,
        session: SessionSlot,
        topic: &Topic,
        joined: Joined,
    ) -> Option<Joined> {
        let Topic::Below(path) = topic else {
            return Some(joined);
        };
        let gathers = &mut self.subscriptions.gathers;
        let Some(ticket) = gathers.ticket(session, path) else {
            return Some(joined);
        };
        let past = gathers.by_ticket.get_mut(&ticket).and_then(|gather| {
            gather.joined = Some(joined);
            gather.past.take()
        });
        if let Some(past) = past {
            self.set_gathering(session);
            let asker = Asker {
                gateway: self.id,
                ticket,
            };
            for shard in 0..self.shared.owners.shards() {
                self.shared.owners.call(Call::PastBelow {
                    shard: ShardId(shard as u32),
                    channel: path.clone(),
                    asker,
                    past: past.clone(),
                });
            }
            let due_ms = clock::now_ms() + self.settings.session.answer_timeout_ms;
            self.wheel.set(due_ms, Timer::Gather(ticket));
        }
        None
    }

    /// A directory has so many channels below the path.
    pub(crate) fn gather_listed(&mut self, ticket: u64, count: u32) {
        if let Some(gather) = self.subscriptions.gathers.by_ticket.get_mut(&ticket) {
            gather.unlisted = gather.unlisted.saturating_sub(1);
            gather.missing += i64::from(count);
            self.finish_complete(ticket);
        }
    }

    /// A channel below the path has this past.
    pub(crate) fn gather_past(
        &mut self,
        ticket: u64,
        channel: ChannelId,
        offset: u64,
        messages: Vec<SharedFrame>,
    ) {
        if let Some(gather) = self.subscriptions.gathers.by_ticket.get_mut(&ticket) {
            gather.missing -= 1;
            gather.found.push(Found {
                channel,
                offset,
                messages,
            });
            self.finish_complete(ticket);
        }
    }

    fn finish_complete(&mut self, ticket: u64) {
        let gather = self.subscriptions.gathers.by_ticket.get(&ticket);
        if gather.is_some_and(Gather::is_complete) {
            self.finish_gather(ticket);
        }
    }

    /// Sends what was gathered where too much waits behind it.
    pub(crate) fn finish_overfull(&mut self) {
        for ticket in std::mem::take(&mut self.subscriptions.gathers.overfull) {
            self.finish_gather(ticket);
        }
    }

    /// Sends what was gathered, be it complete or late.
    pub(crate) fn finish_gather(&mut self, ticket: u64) {
        let gathers = &mut self.subscriptions.gathers;
        let Some(mut gather) = gathers.by_ticket.remove(&ticket) else {
            return;
        };
        gathers.by_ticket.give_back();
        let session = gather.session;
        self.set_gathering(session);
        let Some(joined) = gather.joined.take() else {
            return;
        };
        if let Some(entry) = self.sessions.get(session) {
            // It gets those that it named from themselves.
            let named = entry.session.channels();
            gather.found.retain(|found| {
                let mut named = named.iter();
                !named.any(|on| on.channel == found.channel)
            });
        }
        let Joined { frame, replay, id } = joined;
        self.channel_joined(session, &frame, replay, id.as_ref());
        let (past, live) = gather.into_messages(self.settings.below_max);
        for messages in past {
            self.send_past(session, &messages);
        }
        for frame in &live {
            self.send_frame(session, Frame::retained(frame), None);
        }
    }

    /// The session leaves the path, or joins it again.
    pub(super) fn end_gather(&mut self, session: SessionSlot, path: &ChannelId) {
        if let Some(ticket) = self.subscriptions.gathers.ticket(session, path) {
            self.finish_gather(ticket);
        }
    }

    /// The session is over.
    pub(super) fn forget_gathers(&mut self, session: SessionSlot) {
        let gathers = &mut self.subscriptions.gathers.by_ticket;
        gathers.retain(|_, gather| gather.session != session);
        gathers.give_back();
    }

    fn set_gathering(&mut self, session: SessionSlot) {
        let is_gathering = self.subscriptions.gathers.has(session);
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.is_gathering = is_gathering;
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::id::MessageId;
    use turntable_core::key::SlotKey as _;

    fn path(text: &str) -> ChannelId {
        ChannelId::parse(text).unwrap()
    }

    fn frame(number: u64) -> SharedFrame {
        SharedFrame::new(
            b"\x81\x02{}".as_slice().into(),
            MessageId::from(u128::from(number)),
        )
    }

    fn numbers(frames: &[SharedFrame]) -> Vec<u128> {
        frames.iter().map(|frame| frame.id().0).collect()
    }

    #[test]
    fn each_path_has_one_order() {
        let session = SessionSlot::new(1, 1);
        let mut gathers = Gathers::default();
        let gather = Gather {
            session,
            path: path("a"),
            past: None,
            joined: None,
            unlisted: 0,
            missing: 0,
            found: Vec::new(),
            live: Vec::new(),
            live_bytes: 0,
        };
        gathers.by_ticket.insert(1, gather);
        let mut keep = |channel: &str, offset: u64| {
            let topic = Topic::Channel(path(channel));
            gathers.keep(session.into(), &topic, Some(offset), &frame(offset))
        };
        for (channel, offset) in [("a/b", 7), ("a/b", 8), ("a/c", 21), ("a/b", 9), ("a/b", 10)] {
            assert!(keep(channel, offset));
        }
        assert!(!keep("ab", 1));
        let mut gather = gathers.by_ticket.remove(&1).unwrap();
        for (channel, offset, messages) in [("a/c", 20, 19..21), ("a/b", 9, 8..10)] {
            gather.found.push(Found {
                channel: path(channel),
                offset,
                messages: messages.map(frame).collect(),
            });
        }
        let (past, live) = gather.into_messages(10);
        // 7 came before the two that are retained; 8 and 9 came twice.
        assert_eq!(numbers(&past[0]), [7, 8, 9]);
        assert_eq!(numbers(&past[1]), [19, 20]);
        assert_eq!(numbers(&live), [21, 10]);
    }
}
