//! The last `userchange` messages of a round: what watchers of one user get is written once.
//!
//! Most of a round's messages have a change or two, and all watchers of a user get the same.
//! A few are enough, as the watchers of a user come one behind another.

use crate::gateway::delivery::change_log::Change;
use crate::gateway::delivery::frame::Frame;

/// So many messages are looked at, the last ones first.
const MESSAGES: usize = 8;
/// Messages of more changes have one receiver, as good as always.
const CHANGES: usize = 8;

/// The messages.
#[derive(Debug, Default)]
pub(crate) struct RoundFrames {
    frames: Vec<Frame>,
    /// Where the next one is put.
    next: usize,
}

impl RoundFrames {
    /// The message of these changes: the one that was written, or the one that `write`
    /// makes.
    pub(crate) fn of(&mut self, changes: &[Change], write: impl FnOnce() -> Frame) -> Frame {
        if changes.len() > CHANGES {
            return write();
        }
        let is_same = |frame: &&Frame| frame.as_changes() == Some(changes);
        let (behind, before) = self.frames.split_at(self.next.min(self.frames.len()));
        let mut last_first = behind.iter().rev().chain(before.iter().rev());
        if let Some(frame) = last_first.find(is_same) {
            return frame.clone();
        }
        let frame = write();
        match self.frames.get_mut(self.next) {
            Some(oldest) => *oldest = frame.clone(),
            None => self.frames.push(frame.clone()),
        }
        self.next = (self.next + 1) % MESSAGES;
        frame
    }

    /// Forgets all: the round is over, or a number may be another user's from now on.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.next = 0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::key::UserNumber;
    use turntable_core::packet::Presence;

    fn changes(numbers: &[u32], presence: Presence) -> Vec<Change> {
        let change = |number: &u32| Change::new(UserNumber::from_bits(*number), presence);
        numbers.iter().map(change).collect()
    }

    /// The message of `changes`, and whether it was made now.
    fn of(frames: &mut RoundFrames, changes: &[Change]) -> (*const u8, bool) {
        let mut is_new = false;
        let frame = frames.of(changes, || {
            is_new = true;
            Frame::changes(changes, |_, out| out.extend_from_slice(b"{}"))
        });
        (frame.as_message().unwrap().text().as_ptr(), is_new)
    }

    #[test]
    fn same_changes_are_written_once_until_the_round_is_over() {
        let mut frames = RoundFrames::default();
        let (online, offline) = (
            changes(&[1], Presence::Online),
            changes(&[1], Presence::Offline),
        );
        let (first, is_new) = of(&mut frames, &online);
        assert!(is_new);
        assert!(of(&mut frames, &offline).1, "another state");
        assert!(of(&mut frames, &changes(&[1, 2], Presence::Online)).1);
        assert_eq!(of(&mut frames, &online), (first, false));
        frames.clear();
        assert!(of(&mut frames, &online).1);
    }

    #[test]
    fn last_messages_are_remembered_and_long_ones_are_not() {
        let mut frames = RoundFrames::default();
        let all = |number| changes(&[number], Presence::Busy);
        for number in 0..3 * MESSAGES as u32 {
            assert!(of(&mut frames, &all(number)).1);
        }
        let last = 2 * MESSAGES as u32..3 * MESSAGES as u32;
        assert!(last.clone().all(|number| !of(&mut frames, &all(number)).1));
        assert!(
            of(&mut frames, &all(last.start - 1)).1,
            "it is too long ago"
        );
        let long: Vec<u32> = (0..=CHANGES as u32).collect();
        let long = changes(&long, Presence::Busy);
        assert!(of(&mut frames, &long).1 && of(&mut frames, &long).1);
    }
}
