//! Commands that were sent in this session and that the server has not confirmed
//! (docs/protocol.md, Repeating commands).
//!
//! Both sides count them, beginning with 1 behind the session's first `welcome`. After a
//! resume exactly those behind `accepted` are sent again, so each is carried out once.

use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::Message;

/// A command that was sent.
#[derive(Debug)]
struct Sent {
    number: u64,
    frame: Message,
}

/// The commands without confirmation, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct SentLog {
    open: VecDeque<Sent>,
    /// The number of the last command.
    count: u64,
    bytes: usize,
}

impl SentLog {
    /// A command is sent; returns its number.
    pub(crate) fn add(&mut self, frame: Message) -> u64 {
        self.count += 1;
        self.bytes += frame.len();
        self.open.push_back(Sent {
            number: self.count,
            frame,
        });
        self.count
    }

    /// The number of the last command.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Commands without confirmation.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Their bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The server has taken the commands up to this number.
    pub(crate) fn taken(&mut self, number: u64) {
        while let Some(first) = self.open.front()
            && first.number <= number
        {
            self.bytes = self.bytes.saturating_sub(first.frame.len());
            self.open.pop_front();
        }
    }

    /// The session was resumed, of which the server has taken so many commands. Returns
    /// the frames to send again.
    pub(crate) fn resume(&mut self, accepted: u64) -> Vec<Message> {
        self.taken(accepted);
        // Both count alike; should they not, what is sent from now on is counted from here.
        self.count = accepted;
        for sent in &mut self.open {
            self.count += 1;
            sent.number = self.count;
        }
        self.open.iter().map(|sent| sent.frame.clone()).collect()
    }

    /// A new session begins: nothing was counted.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(frames: &[Message]) -> Vec<u64> {
        let number = |frame: &Message| frame.to_text().unwrap().parse().unwrap();
        frames.iter().map(number).collect()
    }

    #[test]
    fn confirmed_commands_are_forgotten_with_their_bytes() {
        let mut log = SentLog::default();
        for text in ["1", "2", "3"] {
            log.add(Message::text(text));
        }
        log.taken(2);
        assert_eq!((log.len(), log.bytes(), log.count()), (1, 1, 3));
        log.clear();
        assert_eq!((log.len(), log.bytes(), log.count()), (0, 0, 0));
    }

    proptest! {
        /// A server takes some of what is sent before each cut; in the end it has taken
        /// every command once, in order.
        #[test]
        fn each_command_arrives_once_over_cuts(
            rounds in proptest::collection::vec((0..20usize, 0..40usize, any::<bool>()), 1..20),
        ) {
            let (mut log, mut server, mut next) = (SentLog::default(), Vec::new(), 0);
            let mut wire: Vec<Message> = Vec::new();
            for (sends, arrives, confirms) in rounds {
                for _ in 0..sends {
                    next += 1;
                    let frame = Message::text(next.to_string());
                    prop_assert_eq!(log.add(frame.clone()), next);
                    wire.push(frame);
                }
                let arrived = arrives.min(wire.len());
                server.extend(texts(&wire[..arrived]));
                if confirms {
                    log.taken(server.len() as u64);
                }
                // The rest is lost with the connection.
                wire = log.resume(server.len() as u64);
                prop_assert_eq!(log.count(), next);
            }
            server.extend(texts(&wire));
            prop_assert_eq!(server, (1..=next).collect::<Vec<_>>());
        }
    }
}
