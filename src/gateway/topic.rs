//! The topic table of a worker: which of its sessions listen to what.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use turntable_core::delivery::Topic;
use turntable_core::id::ChannelId;

/// Sessions (slots) by topic.
#[derive(Debug, Default)]
pub struct Topics {
    by_topic: HashMap<Topic, Vec<u32>>,
    /// What each session is on, so that one that ends is on nothing, whatever
    /// it has asked for shortly before.
    by_slot: FxHashMap<u32, Vec<Topic>>,
    /// How many topics cover paths below them; while there are none nobody
    /// looks for them.
    below: usize,
}

impl Topics {
    /// Puts a session on a topic. Returns whether it was not on it.
    pub fn enter(&mut self, topic: Topic, slot: u32) -> bool {
        let is_below = matches!(topic, Topic::Below(_));
        let listeners = self.by_topic.entry(topic.clone()).or_default();
        if listeners.contains(&slot) {
            return false;
        }
        if is_below && listeners.is_empty() {
            self.below += 1;
        }
        listeners.push(slot);
        self.by_slot.entry(slot).or_default().push(topic);
        true
    }

    /// Takes a session off all it is on. Its slot may be another's then.
    pub fn exit_all(&mut self, slot: u32) {
        for topic in self.by_slot.remove(&slot).into_iter().flatten() {
            self.remove(&topic, slot);
        }
    }

    /// Takes a session off a topic.
    pub fn exit(&mut self, topic: &Topic, slot: u32) {
        if let Some(topics) = self.by_slot.get_mut(&slot) {
            topics.retain(|known| known != topic);
            if topics.is_empty() {
                self.by_slot.remove(&slot);
            }
        }
        self.remove(topic, slot);
    }

    fn remove(&mut self, topic: &Topic, slot: u32) {
        let Some(listeners) = self.by_topic.get_mut(topic) else {
            return;
        };
        if let Some(at) = listeners.iter().position(|known| *known == slot) {
            listeners.swap_remove(at);
        }
        if listeners.is_empty() {
            self.by_topic.remove(topic);
            if matches!(topic, Topic::Below(_)) {
                self.below -= 1;
            }
        }
    }

    /// The sessions on exactly this topic.
    #[must_use]
    pub fn listeners(&self, topic: &Topic) -> &[u32] {
        self.by_topic.get(topic).map_or(&[], Vec::as_slice)
    }

    /// Whether nobody covers more than one path.
    #[must_use]
    pub fn all_are_exact(&self) -> bool {
        self.below == 0
    }

    /// The sessions that hear what is published on a path because they listen
    /// to it or above it with subpaths. A session may come more than once.
    pub fn covering(&self, path: &ChannelId) -> Vec<u32> {
        let mut found = Vec::new();
        let above = path
            .ancestors()
            .filter_map(|path| ChannelId::parse(path).ok());
        for path in std::iter::once(path.clone()).chain(above) {
            found.extend_from_slice(self.listeners(&Topic::Below(path)));
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn path(text: &str) -> ChannelId {
        ChannelId::parse(text).unwrap()
    }

    #[test]
    fn subpaths_cover_what_is_below_and_nothing_beside() {
        let mut topics = Topics::default();
        topics.enter(Topic::Channel(path("a")), 1);
        assert!(topics.all_are_exact());
        assert!(topics.enter(Topic::Below(path("a")), 2));
        assert!(!topics.enter(Topic::Below(path("a")), 2));
        topics.enter(Topic::Below(path("a/b")), 2);
        assert_eq!(topics.listeners(&Topic::Channel(path("a"))), [1]);
        assert_eq!(topics.covering(&path("a")), [2]);
        assert_eq!(topics.covering(&path("a/b/c")), [2, 2]);
        assert!(topics.covering(&path("ab")).is_empty());
        topics.exit(&Topic::Below(path("a")), 2);
        topics.exit(&Topic::Below(path("a/b")), 2);
        assert!(topics.all_are_exact());
    }

    #[test]
    fn who_ends_is_on_nothing() {
        let mut topics = Topics::default();
        let all = [
            Topic::Room(path("a")),
            Topic::Channel(path("a")),
            Topic::Below(path("a")),
        ];
        for topic in &all {
            topics.enter(topic.clone(), 1);
            topics.enter(topic.clone(), 2);
        }
        topics.exit(&all[0], 1);
        topics.exit_all(1);
        assert!(all.iter().all(|topic| topics.listeners(topic) == [2]));
        topics.exit_all(2);
        assert!(topics.all_are_exact());
        assert!(topics.by_topic.is_empty() && topics.by_slot.is_empty());
    }
}
