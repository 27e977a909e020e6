//! One publication and its receivers: into which outboxes it goes, once into each.
//!
//! The hot path of the project. Per receiver there is one push of a shared frame and one
//! entry on the list of connections to write to; no allocation, no lock, no encoding. It
//! works on the tables that it needs and knows no gateway: what has to be done about
//! sessions that did not get it, or have too much now, is the result.

use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::table::Sessions;
use crate::gateway::subscription::state::Subscriptions;
use crate::gateway::subscription::topic::{Subscriber, Topics};
use turntable_core::delivery::{Meta, Topic};
use turntable_core::frame::SharedFrame;
use turntable_core::key::{ConnKey, SessionSlot};

/// The tables that a publication goes through.
#[derive(Debug)]
pub(super) struct FanOut<'a> {
    /// The sessions.
    pub(super) sessions: &'a mut Sessions,
    /// What they are subscribed to.
    pub(super) subscriptions: &'a mut Subscriptions,
    /// Connections with something to write.
    pub(super) dirty: &'a mut Vec<ConnKey>,
    /// Messages put into outboxes.
    pub(super) deliveries: &'a mut u64,
}

/// The sessions for which it did not end in the outbox. There are none as a rule, and then
/// it takes no memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remainder {
    /// Those with more in their outbox than may wait, and the connections that they had.
    pub(super) overflowed: Vec<(SessionSlot, Option<ConnKey>)>,
    /// Those whose clients have to learn that publications on their channels, or below them,
    /// were left out.
    pub(super) left_out: Vec<SessionSlot>,
}

/// The sessions that a publication is for.
struct Receivers<'a> {
    /// Those on the topic itself.
    exact: &'a [Subscriber],
    /// Those on a path at or above it, with subpaths. A session may come more than once,
    /// and be among the exact ones, too.
    covering: Vec<Subscriber>,
    /// How many there are before those on paths above: they named the path themselves.
    named: usize,
}

impl<'a> Receivers<'a> {
    fn of(topics: &'a Topics, topic: &Topic, meta: Meta) -> Self {
        let exact = topics.subscribers(topic);
        let (covering, path) = match topic {
            Topic::Channel(path) if !meta.is_exact && !topics.all_are_exact() => {
                (topics.covering(path), Some(path))
            }
            _ => (Vec::new(), None),
        };
        let at_path = path.filter(|_| !covering.is_empty()).map_or(0, |path| {
            topics.subscribers(&Topic::Below(path.clone())).len()
        });
        Self {
            exact,
            covering,
            named: exact.len() + at_path,
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.covering.is_empty()
    }

    /// Those that named the path come first.
    fn iter(&self) -> impl Iterator<Item = (usize, Subscriber)> {
        self.exact.iter().chain(&self.covering).copied().enumerate()
    }
}

impl FanOut<'_> {
    /// Puts a frame into the outbox of every session on a topic.
    pub(super) fn publish(self, topic: &Topic, shared: SharedFrame, meta: Meta) -> Remainder {
        let mut remainder = Remainder::default();
        let subscriptions = self.subscriptions;
        let receivers = Receivers::of(&subscriptions.topics, topic, meta);
        if receivers.is_empty() {
            return remainder;
        }
        let frame = Frame::shared(shared.clone());
        subscriptions.mark = subscriptions.mark.wrapping_add(1);
        let mark = subscriptions.mark;
        let gathers = &mut subscriptions.gathers;
        let noted = gathers.note(topic, meta.offset, &shared);
        let is_covered = !receivers.covering.is_empty();
        // What has an offset can be requested later.
        let (has_offset, bytes) = (meta.offset.is_some(), shared.v1().len());
        for (at, index) in receivers.iter() {
            let Some(entry) = self.sessions.at_mut(index) else {
                continue;
            };
            if is_covered && std::mem::replace(&mut entry.mark, mark) == mark {
                continue;
            }
            let is_left_out = match at >= receivers.named {
                true => !entry.has_room_below(),
                false => has_offset && entry.leaves_out(bytes),
            };
            if is_left_out {
                if entry.leave_out() {
                    remainder.left_out.extend(self.sessions.key(index));
                }
                continue;
            }
            if at >= receivers.named || has_offset {
                entry.has_caught_up();
            }
            if entry.is_gathering && gathers.keep(index, &noted) {
                continue;
            }
            *self.deliveries += 1;
            let frame = match entry.is_read_alone {
                true => frame.alone(),
                false => frame.clone(),
            };
            if entry.deliver(frame, self.dirty) {
                let connection = entry.session.connection();
                let session = self.sessions.key(index);
                let overflowed = session.map(|session| (session, connection));
                remainder.overflowed.extend(overflowed);
            }
        }
        remainder
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
