//! When a configuration file that is watched has to be read: once it is the same at two
//! looks in a row after it was another one.
//!
//! Looks instead of notifications of the kernel: one look finds every kind of save (in place,
//! by a rename, by a link to another folder) on every file system, and misses none when a
//! folder is replaced.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

/// The time between two looks at a file that does not change, and at one that does.
const CALM: Duration = Duration::from_secs(1);
const CHANGING: Duration = Duration::from_millis(200);

/// Looks that a file may be missing before that is reported: some editors remove it first.
const MISSING_LOOKS: u32 = 25;

/// What tells one content of a file from another, without reading it. Links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    place: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of a file.
    #[must_use]
    pub fn of(file: &Metadata) -> Self {
        Self {
            place: (file.dev(), file.ino()),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing new.
    Nothing,
    /// It may have another content, and is not being written.
    Settled,
    /// It has been missing for a while.
    Missing,
}

/// The looks at one file.
#[derive(Debug)]
pub struct Watch<S = Stamp> {
    last: Option<S>,
    state: State,
}

impl<S> Default for Watch<S> {
    fn default() -> Self {
        Self {
            last: None,
            state: State::default(),
        }
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was another one at the look before, or there was none.
    #[default]
    Changing,
    /// It was read, and is once more: the clock of file systems is coarse, so a later save
    /// may have the same stamp.
    Read,
    /// It was read twice.
    Calm,
    /// It is not there, for so many looks.
    Missing(u32),
}

impl<S: Copy + PartialEq> Watch<S> {
    /// A look at the file, or at several as one; `None` where it is missing.
    pub fn look(&mut self, stamp: Option<S>) -> Found {
        let Some(now) = stamp else {
            let looks = match self.state {
                State::Missing(looks) => looks.saturating_add(1),
                _ => 1,
            };
            self.state = State::Missing(looks);
            self.last = None;
            return match looks == MISSING_LOOKS {
                true => Found::Missing,
                false => Found::Nothing,
            };
        };
        if self.last.replace(now) != Some(now) {
            self.state = State::Changing;
            return Found::Nothing;
        }
        let (next, found) = match self.state {
            State::Changing | State::Missing(_) => (State::Read, Found::Settled),
            State::Read => (State::Calm, Found::Settled),
            State::Calm => (State::Calm, Found::Nothing),
        };
        self.state = next;
        found
    }

    /// How long to wait for the next look.
    #[must_use]
    pub const fn pause(&self) -> Duration {
        match self.state {
            State::Changing => CHANGING,
            State::Missing(looks) if looks < MISSING_LOOKS => CHANGING,
            State::Missing(_) | State::Read | State::Calm => CALM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u64) -> Option<Stamp> {
        Some(Stamp {
            place: (1, number),
            bytes: 10,
            modified: (1, 2),
            changed: (1, 2),
        })
    }

    fn looks(watch: &mut Watch, stamps: &[Option<Stamp>]) -> Vec<Found> {
        stamps.iter().map(|stamp| watch.look(*stamp)).collect()
    }

    #[test]
    fn file_is_read_twice_once_it_does_not_change() {
        use Found::{Nothing, Settled};
        let mut watch = Watch::default();
        let found = looks(&mut watch, &[stamp(1); 5]);
        assert_eq!(found, [Nothing, Settled, Settled, Nothing, Nothing]);
        assert_eq!(watch.pause(), CALM);
        let changing = [stamp(2), stamp(3), stamp(4)];
        assert_eq!(looks(&mut watch, &changing), [Nothing; 3]);
        assert_eq!(watch.pause(), CHANGING);
        let found = looks(&mut watch, &[stamp(4); 3]);
        assert_eq!(found, [Settled, Settled, Nothing]);
    }

    #[test]
    fn missing_file_is_reported_once_and_read_when_it_is_back() {
        use Found::{Missing, Nothing, Settled};
        let mut watch = Watch::default();
        looks(&mut watch, &[stamp(1); 5]);
        // A save by a rename: it is missing for a moment.
        let found = looks(&mut watch, &[None, stamp(1), stamp(1)]);
        assert_eq!(found, [Nothing, Nothing, Settled]);
        let found = looks(&mut watch, &[None; 60]);
        assert_eq!(found.iter().filter(|one| **one == Missing).count(), 1);
        assert_eq!(looks(&mut watch, &[stamp(1), stamp(1)]), [Nothing, Settled]);
    }
}
