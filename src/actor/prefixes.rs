//! Which workers want everything published below a path.
//!
//! Every worker keeps the whole table: the actor of a channel looks up its own
//! ancestors and needs to ask nobody.

use std::collections::HashMap;

use smallvec::SmallVec;

use turntable_core::id::ChannelId;

/// Workers by path.
#[derive(Debug, Default)]
pub struct Prefixes(HashMap<ChannelId, SmallVec<[u16; 2]>>);

/// A set of workers on its way to be sent to.
pub type Workers = SmallVec<[u16; 8]>;

impl Prefixes {
    /// `worker` wants everything at and below `path`.
    pub fn add(&mut self, path: &ChannelId, worker: u16) {
        let workers = self.0.entry(path.clone()).or_default();
        if !workers.contains(&worker) {
            workers.push(worker);
        }
    }

    /// `worker` does not want it any more.
    pub fn remove(&mut self, path: &ChannelId, worker: u16) {
        if let Some(workers) = self.0.get_mut(path) {
            workers.retain(|known| *known != worker);
            if workers.is_empty() {
                self.0.remove(path);
            }
        }
    }

    /// Adds to `workers` those that want what is published on `path`.
    pub fn extend(&self, path: &ChannelId, workers: &mut Workers) {
        if self.0.is_empty() {
            return;
        }
        for path in std::iter::once(path.as_str()).chain(path.ancestors()) {
            for worker in self.0.get(path).into_iter().flatten() {
                if !workers.contains(worker) {
                    workers.push(*worker);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(prefixes: &Prefixes, path: &str) -> Vec<u16> {
        let mut workers = Workers::new();
        prefixes.extend(&ChannelId::parse(path).unwrap(), &mut workers);
        workers.to_vec()
    }

    #[test]
    fn a_path_is_found_from_below_and_not_from_beside() {
        let mut prefixes = Prefixes::default();
        let a = ChannelId::parse("a").unwrap();
        let ab = ChannelId::parse("a/b").unwrap();
        prefixes.add(&a, 1);
        prefixes.add(&a, 1);
        prefixes.add(&ab, 2);
        prefixes.add(&ab, 1);
        assert_eq!(found(&prefixes, "a"), [1]);
        assert_eq!(found(&prefixes, "a/b/c"), [2, 1]);
        assert!(found(&prefixes, "ab").is_empty());
        prefixes.remove(&a, 1);
        prefixes.remove(&ab, 1);
        assert_eq!(found(&prefixes, "a/b/c"), [2]);
        prefixes.remove(&ab, 2);
        assert!(prefixes.0.is_empty());
    }
}
