//! The versions of a configuration: what each changed, and what restores it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Config;
use super::api::ApiLayer;
use crate::management::configuration::Version;

/// So many are remembered.
pub const VERSIONS_MAX: usize = 50;

/// The layers of a version. The environment of a process does not change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The content of the file.
    pub file: Option<Arc<str>>,
    /// What calls had set.
    pub api: ApiLayer,
    /// The configuration of the program, where one embeds the server.
    pub program: Option<Arc<Config>>,
}

/// A version with its layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Who, when and what.
    pub version: Version,
    /// What restores it.
    pub snapshot: Snapshot,
}

/// The versions, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Versions(VecDeque<Remembered>);

impl Versions {
    /// The number of the latest one; 0 where there is none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.0.back().map_or(0, |last| last.version.version)
    }

    /// The latest one.
    #[must_use]
    pub fn latest(&self) -> Option<&Remembered> {
        self.0.back()
    }

    /// Adds the next one. Too many: the oldest goes.
    pub fn add(&mut self, mut version: Version, snapshot: Snapshot) {
        version.version = self.last() + 1;
        self.put(Remembered { version, snapshot });
    }

    /// Adds one that was read, behind the others.
    pub(super) fn put(&mut self, remembered: Remembered) {
        self.0.push_back(remembered);
        while self.0.len() > VERSIONS_MAX {
            self.0.pop_front();
        }
    }

    /// The layers of a version that is remembered.
    #[must_use]
    pub fn get(&self, version: u64) -> Option<&Snapshot> {
        let mut all = self.0.iter();
        let found = all.find(|known| known.version.version == version);
        found.map(|found| &found.snapshot)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Remembered> {
        self.0.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::management::configuration::Source;

    fn version() -> Version {
        Version {
            version: 0,
            at_ms: 1,
            by: "local".to_owned(),
            source: Source::Set,
            of: None,
            changed: Vec::new(),
        }
    }

    #[test]
    fn versions_are_numbered_and_the_oldest_go() {
        let mut versions = Versions::default();
        assert_eq!(versions.last(), 0);
        for number in 1..=60_u64 {
            let snapshot = Snapshot {
                file: Some(format!("# {number}").into()),
                ..Snapshot::default()
            };
            versions.add(version(), snapshot);
            assert_eq!(versions.last(), number);
        }
        assert_eq!(versions.iter().count(), VERSIONS_MAX);
        assert_eq!(versions.get(10), None);
        let first = versions.get(11).unwrap().file.clone();
        assert_eq!(first.as_deref(), Some("# 11"));
    }
}
