//! The `userchange` messages that were sent to a session, retained for a resume.
//!
//! Most sessions get hardly anything else, and as frames they would be most of
//! a user's memory. Here a message is a list of changes, four bytes each: the
//! user's number in the worker's table and the state that was sent.

use turntable_core::key::UserNumber;
use turntable_core::packet::Presence;

/// A user's number and the state that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change(u32);

const STATE_BITS: u32 = 2;

impl Change {
    /// A change of a user without watchers here.
    const NOBODY: Self = Self(u32::MAX);

    /// The user of that number is in this state.
    pub(crate) const fn new(number: UserNumber, presence: Presence) -> Self {
        Self(number.to_bits() << STATE_BITS | presence as u32)
    }

    /// The user's number.
    pub(crate) const fn number(self) -> UserNumber {
        UserNumber::from_bits(self.0 >> STATE_BITS)
    }

    /// The state.
    pub(crate) const fn presence(self) -> Presence {
        match self.0 & 3 {
            0 => Presence::Offline,
            1 => Presence::Idle,
            2 => Presence::Busy,
            _ => Presence::Online,
        }
    }
}

/// Messages, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChangeLog {
    changes: Vec<Change>,
    /// Where in `changes` each message ends.
    ends: Vec<u16>,
}

impl ChangeLog {
    /// Adds a message. Returns `false` where the log is too long for it.
    pub(crate) fn push(&mut self, message: &[Change]) -> bool {
        let Ok(end) = u16::try_from(self.changes.len() + message.len()) else {
            return false;
        };
        // Doubling would waste as much as the messages take.
        make_room(&mut self.changes, message.len());
        self.changes.extend_from_slice(message);
        make_room(&mut self.ends, 1);
        self.ends.push(end);
        true
    }

    /// How many messages there are.
    pub(crate) fn messages(&self) -> usize {
        self.ends.len()
    }

    /// The memory they take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.changes.len() * size_of::<Change>()
            + self.ends.len() * size_of::<u16>()
    }

    /// Forgets the first `count` messages.
    pub(crate) fn forget(&mut self, count: usize) {
        let count = count.min(self.ends.len());
        let Some(last) = count.checked_sub(1).and_then(|at| self.ends.get(at)) else {
            return;
        };
        let end = *last;
        self.ends.drain(..count);
        for known in &mut self.ends {
            *known -= end;
        }
        self.changes.drain(..usize::from(end));
    }

    /// Drops the changes of the users of these numbers (sorted).
    pub(crate) fn scrub(&mut self, numbers: &[UserNumber]) {
        scrub(&mut self.changes, numbers);
    }

    /// The messages, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Change]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = usize::from(*end);
            let message = self.changes.get(start..end).unwrap_or_default();
            start = end;
            message
        })
    }
}

/// Drops the changes of the users of these numbers (sorted): the numbers may
/// become other users'.
pub(crate) fn scrub(changes: &mut [Change], numbers: &[UserNumber]) {
    for change in changes {
        if numbers.binary_search(&change.number()).is_ok() {
            *change = Change::NOBODY;
        }
    }
}

/// Bytes of the smallest piece of memory that allocators give out, and the step to the next.
const PIECE: (usize, usize) = (24, 16);

fn make_room<T>(vec: &mut Vec<T>, count: usize) {
    if vec.capacity() - vec.len() < count {
        let wanted = (vec.len() + count + vec.len() / 8) * size_of::<T>();
        // What a piece has beyond that costs nothing, and the next messages need no other.
        let (least, step) = PIECE;
        let piece = least + wanted.saturating_sub(least).next_multiple_of(step);
        vec.reserve_exact(piece / size_of::<T>() - vec.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let all = [
            Presence::Offline,
            Presence::Idle,
            Presence::Busy,
            Presence::Online,
        ];
        let snapshot: Vec<Change> = all
            .into_iter()
            .zip(0..)
            .map(|(presence, number)| Change::new(UserNumber::from_bits(number), presence))
            .collect();
        let change = [Change::new(
            UserNumber::from_bits((1 << 30) - 1),
            Presence::Busy,
        )];
        let mut log = ChangeLog::default();
        for message in [snapshot.as_slice(), &change, &[], &change] {
            assert!(log.push(message));
        }
        assert_eq!(log.messages(), 4);
        assert!(log.iter().eq([snapshot.as_slice(), &change, &[], &change]));
        log.forget(2);
        assert!(log.iter().eq([&[][..], &change]));
        let presence: Vec<Presence> = snapshot.iter().map(|change| change.presence()).collect();
        assert_eq!(presence, all);
        assert_eq!(
            change.map(Change::number),
            [UserNumber::from_bits((1 << 30) - 1)]
        );
        log.scrub(&[
            UserNumber::from_bits(3),
            UserNumber::from_bits((1 << 30) - 2),
        ]);
        assert!(log.iter().eq([&[][..], &change]));
        log.push(&[
            Change::new(UserNumber::from_bits(3), Presence::Idle),
            Change::new(UserNumber::from_bits(4), Presence::Idle),
        ]);
        log.scrub(&[UserNumber::from_bits(3)]);
        let last: Vec<UserNumber> = log
            .iter()
            .flatten()
            .skip(1)
            .map(|change| change.number())
            .collect();
        assert_eq!(last, [Change::NOBODY.number(), UserNumber::from_bits(4)]);
        log.forget(9);
        assert_eq!(log.messages(), 0);
    }

    #[test]
    fn log_has_a_bound() {
        let mut log = ChangeLog::default();
        let message = vec![Change::new(UserNumber::from_bits(1), Presence::Online); 60_000];
        assert!(log.push(&message));
        assert!(!log.push(&message));
        assert_eq!(log.messages(), 1);
    }
}
