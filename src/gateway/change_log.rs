//! The `userchange` messages that a session's client has got, kept in case it
//! comes back for them.
//!
//! Most sessions get hardly anything else, and as frames they would be most of
//! what a user costs. Here a message is the users it named, by their number in
//! the worker's table, and the state it told: four bytes for each.

use turntable_core::packet::Presence;

/// A user's number and the state that was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told(u32);

const STATE_BITS: u32 = 2;

impl Told {
    /// What was told of a user that does not matter any more.
    const NOBODY: Self = Self(u32::MAX);

    /// `presence` was told of the user of that number.
    #[must_use]
    pub const fn new(number: u32, presence: Presence) -> Self {
        Self(number << STATE_BITS | presence as u32)
    }

    /// The user's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 >> STATE_BITS
    }

    /// What was told.
    #[must_use]
    pub const fn presence(self) -> Presence {
        match self.0 & 3 {
            0 => Presence::Offline,
            1 => Presence::Idle,
            2 => Presence::Busy,
            _ => Presence::Online,
        }
    }
}

/// Messages behind each other.
#[derive(Debug, Clone, Default)]
pub struct ChangeLog {
    told: Vec<Told>,
    /// Where in `told` each message ends.
    ends: Vec<u16>,
}

impl ChangeLog {
    /// Adds a message. Returns `false` where the log is too long for it.
    pub fn push(&mut self, message: &[Told]) -> bool {
        let Ok(end) = u16::try_from(self.told.len() + message.len()) else {
            return false;
        };
        // Doubling would waste as much as the messages take.
        make_room(&mut self.told, message.len());
        self.told.extend_from_slice(message);
        make_room(&mut self.ends, 1);
        self.ends.push(end);
        true
    }

    /// How many messages there are.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.ends.len()
    }

    /// The memory they take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.told.len() * size_of::<Told>() + self.ends.len() * size_of::<u16>()
    }

    /// Forgets the first `count` messages.
    pub fn forget(&mut self, count: usize) {
        let count = count.min(self.ends.len());
        let Some(last) = count.checked_sub(1).and_then(|at| self.ends.get(at)) else {
            return;
        };
        let end = *last;
        self.ends.drain(..count);
        for known in &mut self.ends {
            *known -= end;
        }
        self.told.drain(..usize::from(end));
    }

    /// Forgets what was told of the users of these numbers (in order), which
    /// may become other users' numbers.
    pub fn scrub(&mut self, numbers: &[u32]) {
        for told in &mut self.told {
            if numbers.binary_search(&told.number()).is_ok() {
                *told = Told::NOBODY;
            }
        }
    }

    /// The messages, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &[Told]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = usize::from(*end);
            let message = self.told.get(start..end).unwrap_or_default();
            start = end;
            message
        })
    }
}

fn make_room<T>(vec: &mut Vec<T>, count: usize) {
    if vec.capacity() - vec.len() < count {
        vec.reserve_exact(count + vec.len() / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let all = [
            Presence::Offline,
            Presence::Idle,
            Presence::Busy,
            Presence::Online,
        ];
        let snapshot: Vec<Told> = all
            .into_iter()
            .zip(0..)
            .map(|(presence, number)| Told::new(number, presence))
            .collect();
        let change = [Told::new((1 << 30) - 1, Presence::Busy)];
        let mut log = ChangeLog::default();
        for message in [snapshot.as_slice(), &change, &[], &change] {
            assert!(log.push(message));
        }
        assert_eq!(log.messages(), 4);
        assert!(log.iter().eq([snapshot.as_slice(), &change, &[], &change]));
        log.forget(2);
        assert!(log.iter().eq([&[][..], &change]));
        let presence: Vec<Presence> = snapshot.iter().map(|told| told.presence()).collect();
        assert_eq!(presence, all);
        assert_eq!(change.map(Told::number), [(1 << 30) - 1]);
        log.scrub(&[3, (1 << 30) - 2]);
        assert!(log.iter().eq([&[][..], &change]));
        log.push(&[Told::new(3, Presence::Idle), Told::new(4, Presence::Idle)]);
        log.scrub(&[3]);
        let last: Vec<u32> = log
            .iter()
            .flatten()
            .skip(1)
            .map(|told| told.number())
            .collect();
        assert_eq!(last, [Told::NOBODY.number(), 4]);
        log.forget(9);
        assert_eq!(log.messages(), 0);
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut log = ChangeLog::default();
        let message = vec![Told::new(1, Presence::Online); 60_000];
        assert!(log.push(&message));
        assert!(!log.push(&message));
        assert_eq!(log.messages(), 1);
    }
}
