use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    events_max: 8,
    bytes_max: 8 * 600,
    attempts_max: 3,
    retry_ms: 100,
    retry_max_ms: 250,
};

fn event(about: usize, number: usize) -> Event {
    caused(about, about, number, "{}")
}

/// An event about this user or room that this user caused.
fn caused(cause: usize, about: usize, number: usize, body: &str) -> Event {
    Event {
        id: number.to_string().into(),
        about: format!("1:{about}").into(),
        cause: format!("1:{cause}").into(),
        body: body.into(),
    }
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| &*event.id).collect()
}

/// The ids of all that waits, as they are sent.
fn drain(queue: &mut Queue) -> Vec<String> {
    let mut sent = Vec::new();
    while let Next::Send(event) = queue.next(u64::MAX) {
        queue.done(&event.about, 0);
        sent.push(event.id.into());
    }
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
    assert!(queue.lines.is_empty() && queue.due.is_empty() && queue.shares.is_empty());
    sent
}

#[test]
fn events_of_the_user_with_the_most_are_dropped_the_newest_first() {
    let mut queue = Queue::default();
    let mut push = |event| {
        let dropped = queue.push(event, &LIMITS, 0);
        let (events, bytes) = queue.shares.total();
        assert_eq!((events, bytes), (queue.len(), queue.bytes()));
        assert!(events <= LIMITS.events_max && bytes <= LIMITS.bytes_max);
        dropped
    };
    // User 0 causes events about four rooms, and more than there is room for.
    for number in 0..20 {
        let dropped = push(caused(0, number % 4, number, "{}"));
        let is_full = number >= LIMITS.events_max;
        assert_eq!(dropped.len(), usize::from(is_full));
        assert!(!is_full || dropped[0].id == number.to_string().into());
    }
    // One of the others takes the place of the newest that it has, also in a room of it.
    for (number, about, expected) in [(20, 9, "7"), (21, 1, "6"), (22, 9, "5"), (23, 9, "4")] {
        let dropped = push(caused(9, about, number, "{}"));
        assert_eq!(ids(&dropped), [expected]);
    }
    // Both have as many now, so each event more of theirs is dropped itself.
    for (cause, number) in [(9, 24), (0, 25)] {
        let dropped = push(caused(cause, cause, number, "{}"));
        assert_eq!(ids(&dropped), [number.to_string()]);
    }
    let left = ["0", "1", "2", "3", "20", "21", "22", "23"];
    assert_eq!(drain(&mut queue), left);
}

#[test]
fn bytes_are_shared_as_events_are_and_none_is_dropped_in_vain() {
    let mut queue = Queue::default();
    let limits = Limits {
        bytes_max: 10_000,
        ..LIMITS
    };
    let long = "x".repeat(2_000);
    for number in 0..3 {
        assert!(
            queue
                .push(caused(0, 0, number, &long), &limits, 0)
                .is_empty()
        );
    }
    assert!(queue.push(caused(1, 1, 3, "{}"), &limits, 0).is_empty());
    // As much as there may be, and more than all have together: nothing makes room.
    for bytes in [8_000, 20_000] {
        let body = "x".repeat(bytes);
        let dropped = queue.push(caused(2, 2, 4, &body), &limits, 0);
        assert_eq!(ids(&dropped), ["4"]);
    }
    let dropped = queue.push(caused(2, 2, 5, &"x".repeat(5_000)), &limits, 0);
    assert_eq!(ids(&dropped), ["2", "1"]);
    assert_eq!(drain(&mut queue), ["0", "3", "5"]);
}

#[test]
fn event_under_way_is_not_dropped_and_one_that_waits_for_its_repeat_is_the_last() {
    let mut queue = Queue::default();
    let limits = Limits {
        events_max: 3,
        ..LIMITS
    };
    for number in 0..3 {
        queue.push(caused(0, 0, number, "{}"), &limits, 0);
    }
    assert_eq!(queue.next(0), Next::Send(caused(0, 0, 0, "{}")));
    // Two of them wait, and are not more than two.
    let dropped = queue.push(caused(1, 1, 3, "{}"), &limits, 0);
    assert_eq!(ids(&dropped), ["2"]);
    assert_eq!(ids(&queue.push(caused(1, 1, 4, "{}"), &limits, 0)), ["4"]);
    // Two wait again; the one that was sent is the older one.
    queue.failed(&event(0, 0).about, &limits, (0.0, 0), 0);
    let dropped = queue.push(caused(2, 2, 5, "{}"), &limits, 0);
    assert_eq!(ids(&dropped), ["1"]);
    assert_eq!(queue.next(0), Next::Send(caused(1, 1, 3, "{}")));
    assert_eq!(queue.next(0), Next::Send(caused(2, 2, 5, "{}")));
    assert_eq!(queue.next(0), Next::Wait(100));
    for about in [1, 2] {
        queue.done(&event(about, 0).about, 0);
    }
    assert_eq!(drain(&mut queue), ["0"]);
}

/// A repeat that is dropped leaves nothing that is due, or the next event in its place.
#[test]
fn dropped_repeat_leaves_its_place_to_the_next_event() {
    for has_next in [false, true] {
        let mut queue = Queue::default();
        let limits = Limits {
            bytes_max: 5_000,
            ..LIMITS
        };
        let long = "x".repeat(3_000);
        queue.push(caused(0, 7, 0, &long), &limits, 0);
        queue.next(0);
        if has_next {
            queue.push(caused(1, 7, 1, "{}"), &limits, 0);
        }
        queue.failed(&event(7, 0).about, &limits, (0.0, 0), 0);
        let dropped = queue.push(caused(2, 8, 2, &"x".repeat(2_000)), &limits, 0);
        assert_eq!(ids(&dropped), ["0"]);
        assert_eq!(
            queue.next(0),
            Next::Send(caused(2, 8, 2, &"x".repeat(2_000)))
        );
        queue.done(&event(8, 0).about, 0);
        let next = if has_next {
            Next::Wait(100)
        } else {
            Next::Nothing
        };
        assert_eq!(queue.next(0), next);
        let left: &[&str] = if has_next { &["1"] } else { &[] };
        assert_eq!(drain(&mut queue), left);
    }
}

#[test]
fn repeats_wait_twice_as_long_each_time_and_end() {
    let mut queue = Queue::default();
    assert!(queue.push(event(1, 1), &LIMITS, 0).is_empty());
    let mut now_ms = 0;
    for (wait_ms, expected) in [
        (100, Failed::Again),
        (200, Failed::Again),
        (0, Failed::GivenUp),
    ] {
        assert_eq!(queue.next(now_ms), Next::Send(event(1, 1)));
        assert_eq!(queue.next(now_ms), Next::Nothing);
        let failed = queue.failed(&event(1, 1).about, &LIMITS, (0.0, 0), now_ms);
        assert_eq!(failed, expected);
        now_ms += wait_ms;
        if failed == Failed::Again {
            assert_eq!(queue.next(now_ms - 1), Next::Wait(now_ms));
        }
    }
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
    assert_eq!(LIMITS.wait_ms(60, 0.0), 250);
    assert_eq!(LIMITS.wait_ms(1, 1.0), 50);
}

#[test]
fn receiver_may_ask_for_more_time_within_the_limit() {
    let mut queue = Queue::default();
    queue.push(event(1, 1), &LIMITS, 0);
    queue.next(0);
    queue.failed(&event(1, 1).about, &LIMITS, (1.0, 10_000), 0);
    assert_eq!(queue.next(0), Next::Wait(250));
}

#[derive(Debug, Clone)]
enum Step {
    /// The user that causes it, and what it is about.
    Push(usize, usize),
    Next,
    Done(usize),
    Failed(usize),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, 0..3usize).prop_map(|(cause, about)| Step::Push(cause, about)),
        4 => Just(Step::Next),
        3 => (0..3usize).prop_map(Step::Done),
        2 => (0..3usize).prop_map(Step::Failed),
        2 => (0..200u64).prop_map(Step::Later),
    ]
}

proptest! {
    /// Whatever fails: events about one object are sent in their order and one at a
    /// time, no event is sent more often than allowed, the bounds hold, what is dropped
    /// is not under way, and every other event is delivered or given up in the end.
    #[test]
    fn order_and_bounds_hold(steps in prop::collection::vec(step(), 0..200)) {
        let (mut queue, mut now_ms, mut pushed) = (Queue::default(), 0, 0);
        let mut waiting: [VecDeque<usize>; 3] = Default::default();
        let mut under_way = [None::<usize>; 3];
        let mut attempts: HashMap<usize, u32> = HashMap::new();
        let drain = (0..60).map(|round| match round % 3 {
            0 => Step::Next,
            1 => Step::Later(300),
            _ => Step::Done(round),
        });
        let drain = drain.flat_map(|step| match step {
            Step::Done(_) => vec![Step::Done(0), Step::Done(1), Step::Done(2)],
            step => vec![step],
        });
        for step in steps.into_iter().chain(drain) {
            match step {
                Step::Push(cause, about) => {
                    pushed += 1;
                    waiting[about].push_back(pushed);
                    let event = caused(cause, about, pushed, "{}");
                    let was_full = queue.len() == 8 || queue.bytes() > 7 * 512;
                    let dropped = queue.push(event, &LIMITS, now_ms);
                    prop_assert!(dropped.len() <= usize::from(was_full));
                    for event in dropped {
                        let number: usize = event.id.parse().unwrap();
                        prop_assert!(!under_way.contains(&Some(number)));
                        for waiting in &mut waiting {
                            waiting.retain(|known| *known != number);
                        }
                    }
                }
                Step::Next => if let Next::Send(sent) = queue.next(now_ms) {
                    let about = (0..3).find(|n| event(*n, 0).about == sent.about).unwrap();
                    prop_assert_eq!(under_way[about], None);
                    let number = sent.id.parse().unwrap();
                    prop_assert_eq!(waiting[about].front(), Some(&number));
                    under_way[about] = Some(number);
                    let count = attempts.entry(number).or_default();
                    *count += 1;
                    prop_assert!(*count <= LIMITS.attempts_max);
                },
                Step::Done(about) => if under_way[about].take().is_some() {
                    queue.done(&event(about, 0).about, now_ms);
                    waiting[about].pop_front();
                },
                Step::Failed(about) => if under_way[about].take().is_some() {
                    let about_text = event(about, 0).about;
                    let failed = queue.failed(&about_text, &LIMITS, (0.5, 0), now_ms);
                    if failed == Failed::GivenUp {
                        waiting[about].pop_front();
                    }
                },
                Step::Later(ms) => now_ms += ms,
            }
            let count: usize = waiting.iter().map(VecDeque::len).sum();
            prop_assert_eq!(queue.len(), count);
            let droppable = count - under_way.iter().flatten().count();
            prop_assert_eq!(queue.shares.total().0, droppable);
            prop_assert!(count <= LIMITS.events_max && queue.bytes() <= LIMITS.bytes_max);
        }
        prop_assert_eq!((queue.len(), queue.bytes()), (0, 0));
        prop_assert!(queue.lines.is_empty() && queue.due.is_empty());
        prop_assert!(queue.shares.is_empty());
    }
}
