//! Tests of the outbox.

use super::*;
use proptest::prelude::*;

/// Messages by number; those divisible by three are condensed.
#[derive(Debug, Clone)]
struct Sample {
    numbers: Vec<u64>,
    is_small: bool,
}

impl Sample {
    fn new(number: u64) -> Self {
        Self {
            numbers: vec![number],
            is_small: false,
        }
    }

    fn restore(self, frames: &mut VecDeque<Self>) {
        frames.extend(self.numbers.into_iter().map(Self::new));
    }
}

impl OutboxFrame for Sample {
    fn length(&self) -> usize {
        if self.is_small {
            self.numbers.len()
        } else {
            10
        }
    }

    fn condenses(&self) -> bool {
        self.numbers.iter().any(|number| number % 3 != 0)
    }

    fn condense(mut self, before: Option<&mut Self>) -> Option<Self> {
        match before {
            Some(before) if before.is_small => {
                before.numbers.append(&mut self.numbers);
                None
            }
            _ => {
                self.is_small = true;
                Some(self)
            }
        }
    }

    fn messages(&self) -> u64 {
        self.numbers.len() as u64
    }

    fn forget(&mut self, count: u64) {
        self.numbers.drain(..count as usize);
    }
}

fn filled(frames: u64) -> Outbox<Sample> {
    let mut outbox = Outbox::default();
    (1..=frames).for_each(|number| outbox.push(Sample::new(number)));
    outbox
}

fn waiting(outbox: &Outbox<Sample>) -> Vec<u64> {
    outbox
        .waiting()
        .flat_map(|sample| sample.numbers.iter().copied())
        .collect()
}

#[test]
fn written_messages_can_be_requested_again() {
    let mut outbox = filled(5);
    outbox.written(3, 1000);
    assert_eq!(waiting(&outbox), [4, 5]);
    assert!(outbox.rewind(1, Sample::restore));
    assert_eq!(waiting(&outbox), [2, 3, 4, 5]);
    assert_eq!(outbox.waiting_bytes(), 40);
}

#[test]
fn messages_over_the_replay_limit_are_dropped() {
    // Retained: 1 and 2 in two bytes, 3 in ten, 4 and 5 in two.
    let mut outbox = filled(5);
    outbox.written(5, 12);
    assert!(!outbox.rewind(1, Sample::restore), "2 was dropped with 1");
    assert!(outbox.rewind(2, Sample::restore));
    assert_eq!(waiting(&outbox), [3, 4, 5]);
}

#[test]
fn unwritten_messages_cannot_be_acknowledged() {
    let mut outbox = filled(5);
    outbox.written(2, 1000);
    assert!(!outbox.acknowledge(3));
    assert!(!outbox.rewind(4, Sample::restore));
    assert!(outbox.acknowledge(2));
    assert_eq!(waiting(&outbox), [3, 4, 5]);
}

#[test]
fn forgotten_messages_cannot_be_requested_and_waiting_ones_stay() {
    let mut outbox = filled(5);
    outbox.written(3, 1000);
    outbox.forget_retained();
    assert_eq!((outbox.retained_bytes, outbox.retained().count()), (0, 0));
    assert_eq!(outbox.acknowledged(), None);
    assert!(!outbox.can_rewind(2));
    assert!(outbox.rewind(3, Sample::restore));
    assert_eq!(waiting(&outbox), [4, 5]);
    assert_eq!(outbox.numbered(), 5);
    let mut empty = filled(0);
    empty.forget_retained();
    assert_eq!(empty.acknowledged(), Some(0));
}

#[test]
fn client_with_more_than_a_late_request_comes_back() {
    let mut outbox = filled(5);
    outbox.written(4, 1000);
    // A request of a lost connection, which was on its way for long.
    assert!(outbox.rewind(1, Sample::restore));
    outbox.written(1, 1000);
    assert!(
        outbox.acknowledge(3),
        "it has them of the connection before"
    );
    assert!(!outbox.acknowledge(5));
    assert!(!outbox.can_rewind(5));
    assert!(outbox.rewind(4, Sample::restore));
    assert_eq!(waiting(&outbox), [5]);
    assert_eq!((outbox.waiting_bytes(), outbox.retained_bytes), (10, 0));
    assert_eq!((outbox.sent(), outbox.numbered()), (4, 5));
}

#[test]
fn condensed_messages_are_acknowledged_one_by_one() {
    let mut outbox = filled(2);
    outbox.written(2, 1000);
    assert_eq!(outbox.frames.len(), 1, "one frame for both");
    assert!(outbox.acknowledge(1));
    assert_eq!(outbox.numbered(), 2);
    assert!(outbox.rewind(1, Sample::restore));
    assert_eq!(waiting(&outbox), [2]);
}

proptest! {
    /// Any order of pushes, writes, acknowledgements and disconnections: the client
    /// gets 1, 2, 3, ... without gaps or duplicates.
    #[test]
    fn client_receives_every_message_once(
        steps in proptest::collection::vec((0u8..4, 0u64..6), 1..200)
    ) {
        let mut outbox = Outbox::default();
        let (mut pushed, mut got) = (0u64, 0u64);
        for (step, amount) in steps {
            match step {
                0 => for _ in 0..amount {
                    pushed += 1;
                    outbox.push(Sample::new(pushed));
                },
                1 => {
                    // Written and received.
                    let batch: Vec<u64> =
                        waiting(&outbox).into_iter().take(amount as usize).collect();
                    outbox.written(batch.len(), usize::MAX);
                    for number in batch {
                        prop_assert_eq!(number, got + 1);
                        got = number;
                    }
                }
                2 => {
                    // Written and lost with the connection.
                    outbox.written(amount as usize, usize::MAX);
                    prop_assert!(outbox.rewind(got, Sample::restore));
                }
                _ => prop_assert!(outbox.acknowledge(got)),
            }
            prop_assert_eq!(outbox.numbered(), pushed);
            prop_assert_eq!(
                outbox.retained_bytes,
                outbox.frames.iter().take(outbox.cursor()).map(OutboxFrame::length).sum::<usize>()
            );
            prop_assert_eq!(
                outbox.waiting_bytes,
                outbox.waiting().map(OutboxFrame::length).sum::<usize>()
            );
        }
    }
}
