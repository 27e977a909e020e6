//! One look at the channels below a path, for all joins of this gateway that wait for it.
//!
//! A sweep asks each channel once, after its joins are on the topic: what a channel
//! answers and what is published from then on has no gap. Joins that come later wait for
//! the next one. What is published below the path meanwhile is noted once for all.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::gateway::subscription::topic::Subscriber;
use turntable_core::delivery::Replay;
use turntable_core::frame::SharedFrame;
use turntable_core::id::ChannelId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::{Position, RequestId};

/// Bytes that wait for one sweep at most while the channels are asked; then their answers
/// are not waited for any more. A sweep that has not asked them waits behind one that has,
/// so no more wait for it meanwhile.
const LIVE_BYTES_MAX: usize = 262_144;

/// The answer to a join.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) frame: SharedFrame,
    pub(crate) replay: Option<Replay>,
    pub(crate) id: Option<RequestId>,
}

/// The past of a channel: the messages up to an offset.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) channel: ChannelId,
    pub(crate) epoch: Box<str>,
    pub(crate) offset: u64,
    /// Whether its last message is its value.
    pub(crate) has_value: bool,
    pub(crate) messages: Vec<SharedFrame>,
}

impl Found {
    /// The offset of the first message.
    fn first(&self) -> u64 {
        (self.offset + 1).saturating_sub(self.messages.len() as u64)
    }

    fn numbered(&self) -> impl Iterator<Item = Numbered<'_>> {
        (self.first()..).zip(&self.messages)
    }
}

/// A publication that waits.
#[derive(Debug)]
struct Live {
    channel: ChannelId,
    /// Its place in the channel, where it has one.
    offset: Option<u64>,
    frame: SharedFrame,
}

/// A session that waits.
#[derive(Debug)]
pub(super) struct Joiner {
    pub(super) session: SessionSlot,
    pub(super) joined: Joined,
    past: PastBelow,
    /// The publications that it gets, in their order.
    live: Vec<u32>,
}

/// What follows a `joined`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Messages {
    /// The past of each path.
    pub(super) past: Vec<Vec<SharedFrame>>,
    /// What was published behind it.
    pub(super) live: Vec<SharedFrame>,
}

/// What a client wants of the past of the paths below one that it joins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PastBelow {
    /// Where earlier subscriptions ended.
    pub(crate) since: Vec<(ChannelId, Position)>,
    /// The number of past messages that it wants of each other path.
    pub(crate) history: u32,
}

impl PastBelow {
    /// How many of the last messages of each channel that needs.
    fn depth(&self) -> u32 {
        match self.since.is_empty() {
            // At least the value.
            true => self.history.max(1),
            false => u32::MAX,
        }
    }
}

/// How far a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Joins come; another sweep of the path is under way.
    Waiting,
    /// The channels are asked.
    Asking,
    /// Nothing of the channels is waited for any more.
    Closed,
}

/// The look.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) path: ChannelId,
    pub(super) stage: Stage,
    /// Directories that have not listed their channels.
    unlisted: usize,
    /// Channels that were listed, without those that have answered.
    missing: i64,
    found: Vec<Found>,
    live: Vec<Live>,
    live_bytes: usize,
    live_bytes_max: usize,
    joiners: FxHashMap<Subscriber, Joiner>,
}

impl Sweep {
    /// A look at the channels below a path, which waits.
    pub(super) fn new(path: ChannelId) -> Self {
        Self {
            path,
            stage: Stage::Waiting,
            unlisted: 0,
            missing: 0,
            found: Vec::new(),
            live: Vec::new(),
            live_bytes: 0,
            live_bytes_max: usize::MAX,
            joiners: FxHashMap::default(),
        }
    }

    /// A session waits for it from now on.
    pub(super) fn join(&mut self, session: SessionSlot, past: PastBelow, joined: Joined) {
        let joiner = Joiner {
            session,
            joined,
            past,
            live: Vec::new(),
        };
        self.joiners.insert(session.into(), joiner);
    }

    /// So many directories are asked. Returns how many of the last messages of each
    /// channel the joins need.
    pub(super) fn ask(&mut self, directories: usize) -> u32 {
        self.stage = Stage::Asking;
        self.live_bytes_max = self.live_bytes.saturating_add(LIVE_BYTES_MAX);
        self.unlisted = directories;
        let joiners = self.joiners.values();
        joiners.map(|joiner| joiner.past.depth()).max().unwrap_or(0)
    }

    /// A directory has so many channels below the path.
    pub(super) fn listed(&mut self, count: u32) {
        self.unlisted = self.unlisted.saturating_sub(1);
        self.missing += i64::from(count);
    }

    /// A channel answered.
    pub(super) fn found(&mut self, found: Found) {
        self.missing -= 1;
        if self.stage == Stage::Asking {
            let is_before = |known: &Found| known.channel.as_str() < found.channel.as_str();
            let at = self.found.partition_point(is_before);
            self.found.insert(at, found);
        }
    }

    /// Whether all channels have answered.
    pub(super) fn is_complete(&self) -> bool {
        self.stage == Stage::Asking && self.unlisted == 0 && self.missing <= 0
    }

    /// How many channels it looked at.
    pub(super) const fn paths(&self) -> usize {
        self.found.len()
    }

    /// Whether nobody waits for it.
    pub(super) fn is_over(&self) -> bool {
        self.joiners.is_empty()
    }

    /// Some of the sessions that wait.
    pub(super) fn some_joiners(&self, count: usize) -> Vec<Subscriber> {
        self.joiners.keys().take(count).copied().collect()
    }

    /// A session does not wait any more.
    pub(super) fn leave(&mut self, session: Subscriber) -> Option<Joiner> {
        self.joiners.remove(&session)
    }

    /// Notes a publication at or below the path. Returns its number, and whether more
    /// wait than may from here on.
    pub(super) fn note(
        &mut self,
        channel: &ChannelId,
        offset: Option<u64>,
        frame: &SharedFrame,
    ) -> (u32, bool) {
        let before = self.live_bytes;
        self.live_bytes += frame.v1().len();
        self.live.push(Live {
            channel: channel.clone(),
            offset,
            frame: frame.clone(),
        });
        let number = self.live.len() as u32 - 1;
        let max = self.live_bytes_max;
        let is_over = before <= max && self.live_bytes > max;
        (number, is_over)
    }

    /// Keeps a publication back for a session. Returns whether the session waits.
    pub(super) fn keep(&mut self, session: Subscriber, number: u32) -> bool {
        let joiner = self.joiners.get_mut(&session);
        joiner.is_some_and(|joiner| {
            joiner.live.push(number);
            true
        })
    }

    /// What follows the `joined` of a session, in its order: of `paths_max` paths at
    /// most, without the past of those that the session has named itself.
    pub(super) fn messages(
        &self,
        joiner: &Joiner,
        named: &FxHashSet<&str>,
        paths_max: usize,
    ) -> Messages {
        let of = |live: &Live| {
            let channel = live.channel.as_str();
            let found = self
                .found
                .binary_search_by(|found| found.channel.as_str().cmp(channel));
            let at = found.ok().filter(|_| !named.contains(channel))?;
            let offset = live.offset?;
            (offset <= self.found.get(at)?.offset).then_some((at, offset))
        };
        // What was published since it came, and before the channel answered.
        let mut own: BTreeMap<usize, Vec<Numbered<'_>>> = BTreeMap::new();
        let mut behind = Vec::new();
        let numbers = joiner.live.iter();
        for live in numbers.filter_map(|number| self.live.get(*number as usize)) {
            match of(live) {
                Some((at, offset)) => own.entry(at).or_default().push((offset, &live.frame)),
                None => behind.push(live.frame.clone()),
            }
        }
        let mut past = Vec::new();
        for (at, found) in self.found.iter().enumerate() {
            if past.len() >= paths_max {
                break;
            }
            if named.contains(found.channel.as_str()) {
                continue;
            }
            let messages = select(found, own.remove(&at).unwrap_or_default(), &joiner.past);
            if !messages.is_empty() {
                past.push(messages);
            }
        }
        // Of paths beyond the limit it gets only what was published since it came.
        let rest = own.into_values().flatten();
        let mut live: Vec<SharedFrame> = rest.map(|(_, frame)| frame.clone()).collect();
        live.append(&mut behind);
        Messages { past, live }
    }
}

/// A message with its offset.
type Numbered<'a> = (u64, &'a SharedFrame);

/// The messages of a channel for a session that wants this of its past. Its own, those
/// that were published since it came, it gets in any case.
fn select(found: &Found, own: Vec<Numbered<'_>>, past: &PastBelow) -> Vec<SharedFrame> {
    let is_own = |offset: u64| own.iter().any(|(known, _)| *known == offset);
    let known = found.numbered().filter(|(offset, _)| !is_own(*offset));
    let known: Vec<Numbered<'_>> = known.collect();
    let since = past.since.iter();
    let since = since
        .filter(|(channel, position)| *channel == found.channel && position.epoch == found.epoch)
        .map(|(_, position)| position.offset)
        .find(|offset| *offset <= found.offset && offset.saturating_add(1) >= found.first());
    let count = past.history.max(u32::from(found.has_value)) as usize;
    let skipped = match since {
        Some(since) => known.partition_point(|(offset, _)| *offset <= since),
        None => known.len().saturating_sub(count),
    };
    let mut messages: Vec<Numbered<'_>> = known.into_iter().skip(skipped).collect();
    messages.extend(own);
    messages.sort_by_key(|(offset, _)| *offset);
    let frames = messages.into_iter().map(|(_, frame)| frame.clone());
    frames.collect()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
#[allow(clippy::unwrap_used)]
mod tests;
