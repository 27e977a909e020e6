//! The topic table of a worker: which of its sessions listen to what.

use std::collections::HashMap;

use crate::cluster::bus::Topic;
use crate::id::ChannelId;

/// Sessions (slots) by topic.
#[derive(Debug, Default)]
pub struct Topics {
    by_topic: HashMap<Topic, Vec<u32>>,
    /// How many topics cover paths below them; while there are none nobody
    /// looks for them.
    below: usize,
}

impl Topics {
    /// Puts a session on a topic. Returns whether it was not on it.
    pub fn enter(&mut self, topic: Topic, slot: u32) -> bool {
        let is_below = matches!(topic, Topic::Below(_));
        let listeners = self.by_topic.entry(topic).or_default();
        if listeners.contains(&slot) {
            return false;
        }
        if is_below && listeners.is_empty() {
            self.below += 1;
        }
        listeners.push(slot);
        true
    }

    /// Takes a session off a topic.
    pub fn exit(&mut self, topic: &Topic, slot: u32) {
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
#[allow(clippy::unwrap_used)]
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
}
