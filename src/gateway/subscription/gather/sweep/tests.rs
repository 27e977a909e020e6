use super::*;
use turntable_core::id::MessageId;
use turntable_core::key::SlotKey as _;

fn path(text: &str) -> ChannelId {
    ChannelId::parse(text).unwrap()
}

fn frame(number: u64) -> SharedFrame {
    let id = MessageId::from(u128::from(number));
    SharedFrame::new(b"\x81\x02{}".as_slice().into(), id)
}

fn numbers(frames: &[SharedFrame]) -> Vec<u128> {
    frames.iter().map(|frame| frame.id().0).collect()
}

fn joined() -> Joined {
    Joined {
        frame: frame(0),
        replay: None,
        id: None,
    }
}

fn found(channel: &str, offset: u64, count: u64) -> Found {
    Found {
        channel: path(channel),
        epoch: "e".into(),
        offset,
        has_value: false,
        messages: (offset + 1 - count..=offset).map(frame).collect(),
    }
}

fn history(history: u32) -> PastBelow {
    PastBelow {
        since: Vec::new(),
        history,
    }
}

/// A sweep that so many sessions wait for.
fn sweep(pasts: &[PastBelow]) -> (Sweep, Vec<Subscriber>) {
    let mut sweep = Sweep::new(path("a"));
    let sessions = pasts.iter().zip(1..).map(|(past, number)| {
        let session = SessionSlot::new(number, 1);
        sweep.join(session, past.clone(), joined());
        Subscriber::from(session)
    });
    let sessions = sessions.collect();
    (sweep, sessions)
}

/// The past by path, and what follows it.
fn sent(sweep: &mut Sweep, session: Subscriber, max: usize) -> (Vec<Vec<u128>>, Vec<u128>) {
    let joiner = sweep.leave(session).unwrap();
    let messages = sweep.messages(&joiner, &FxHashSet::default(), max);
    let past = messages.past.iter().map(|past| numbers(past)).collect();
    (past, numbers(&messages.live))
}

#[test]
fn each_path_has_one_order() {
    let (mut sweep, sessions) = sweep(&[history(2)]);
    let publications = [("a/b", 7), ("a/b", 8), ("a/c", 21), ("a/b", 9), ("a/b", 10)];
    for (channel, offset) in publications {
        let (number, _) = sweep.note(&path(channel), Some(offset), &frame(offset));
        assert!(sweep.keep(sessions[0], number));
    }
    assert_eq!(sweep.ask(1), 2);
    sweep.listed(2);
    sweep.found(found("a/c", 20, 2));
    assert!(!sweep.is_complete());
    sweep.found(found("a/b", 9, 2));
    assert!(sweep.is_complete());
    let (past, live) = sent(&mut sweep, sessions[0], 10);
    // 7 came before the two that are retained; 8 and 9 came twice.
    assert_eq!(past, [vec![7, 8, 9], vec![19, 20]]);
    assert_eq!(live, [21, 10]);
}

#[test]
fn each_session_gets_what_it_wants_of_the_same_answers() {
    let since = |offset, epoch: &str| PastBelow {
        since: vec![(
            path("a/b"),
            Position {
                epoch: epoch.into(),
                offset,
            },
        )],
        history: 1,
    };
    let pasts = [
        history(0),
        history(2),
        history(9),
        since(6, "e"),
        since(9, "e"),
        // Not all behind it is retained; another life; not published yet.
        since(4, "e"),
        since(6, "other"),
        since(10, "e"),
    ];
    let (mut sweep, sessions) = sweep(&pasts);
    assert_eq!(sweep.ask(1), u32::MAX);
    sweep.listed(1);
    sweep.found(found("a/b", 9, 4));
    let expected: [&[u128]; 8] = [
        &[],
        &[8, 9],
        &[6, 7, 8, 9],
        &[7, 8, 9],
        &[],
        &[9],
        &[9],
        &[9],
    ];
    for (session, expected) in sessions.into_iter().zip(expected) {
        let (past, _) = sent(&mut sweep, session, 10);
        assert_eq!(past.concat(), expected);
    }
}

#[test]
fn value_of_a_path_is_for_all() {
    let (mut sweep, sessions) = sweep(&[history(0), history(2)]);
    sweep.ask(1);
    sweep.listed(1);
    sweep.found(Found {
        has_value: true,
        ..found("a/b", 9, 4)
    });
    assert_eq!(sent(&mut sweep, sessions[0], 10).0, [vec![9]]);
    assert_eq!(sent(&mut sweep, sessions[1], 10).0, [vec![8, 9]]);
}

#[test]
fn publications_are_for_the_sessions_that_would_have_got_them() {
    let (mut sweep, sessions) = sweep(&[history(1), history(1)]);
    sweep.ask(1);
    sweep.listed(1);
    let (number, _) = sweep.note(&path("a/b"), Some(5), &frame(5));
    assert!(sweep.keep(sessions[1], number));
    assert!(!sweep.keep(Subscriber::new(77), number));
    sweep.found(found("a/b", 4, 1));
    assert_eq!(sent(&mut sweep, sessions[0], 10), (vec![vec![4]], vec![]));
    assert_eq!(sent(&mut sweep, sessions[1], 10), (vec![vec![4]], vec![5]));
    assert!(sweep.is_over());
}

#[test]
fn paths_beyond_the_limit_and_named_ones_send_no_past() {
    let (mut sweep, sessions) = sweep(&[history(9), history(9)]);
    sweep.ask(1);
    sweep.listed(3);
    let (number, _) = sweep.note(&path("a/d"), Some(3), &frame(3));
    for session in &sessions {
        assert!(sweep.keep(*session, number));
    }
    for channel in ["a/d", "a/b", "a/c"] {
        sweep.found(found(channel, 3, 1));
    }
    let (past, live) = sent(&mut sweep, sessions[0], 2);
    assert_eq!((past.len(), live), (2, vec![3]));
    let joiner = sweep.leave(sessions[1]).unwrap();
    let named: FxHashSet<&str> = ["a/b", "a/d"].into_iter().collect();
    let messages = sweep.messages(&joiner, &named, 10);
    assert_eq!((messages.past.len(), messages.live.len()), (1, 1));
}

#[test]
fn too_many_bytes_are_reported_once() {
    let (mut sweep, _) = sweep(&[history(1)]);
    let long = SharedFrame::new(vec![b'x'; 100_000].into(), MessageId::from(1));
    let note = |sweep: &mut Sweep| {
        let mut note = || sweep.note(&path("a/b"), Some(1), &long).1;
        [note(), note(), note(), note()]
    };
    // While it waits for another sweep, that one bounds it.
    assert_eq!(note(&mut sweep), [false; 4]);
    sweep.ask(1);
    assert_eq!(note(&mut sweep), [false, false, true, false]);
}
