use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_000_000;
const GRACE: u64 = 500;

fn user(number: u64) -> UserId {
    UserId::parse(&format!("1:{number}")).unwrap()
}

fn key(number: u64) -> SessionKey {
    SessionKey::from_number(number)
}

fn listener(number: u64) -> Listener {
    Listener {
        user: user(number),
        dropped_ms: None,
        is_hidden: false,
    }
}

fn join(members: &mut Members, session: u64, of: u64, now_ms: u64) {
    members.join(key(session), listener(of), now_ms, GRACE);
}

fn names(change: Option<MemberUpdate>) -> Vec<(UserId, MemberChange)> {
    match change {
        Some(MemberUpdate::Names(names)) => names,
        other => panic!("{other:?}"),
    }
}

#[test]
fn user_joins_with_its_first_session_and_leaves_with_its_last() {
    let mut members = Members::new(10);
    join(&mut members, 1, 1, NOW);
    assert_eq!(
        names(members.take_change(NOW)),
        [(user(1), MemberChange::Joined)]
    );
    join(&mut members, 2, 1, NOW);
    join(&mut members, 1, 1, NOW);
    members.leave(key(1), NOW);
    assert_eq!(members.take_change(NOW), None);
    members.leave(key(2), NOW);
    members.leave(key(2), NOW);
    assert_eq!(
        names(members.take_change(NOW)),
        [(user(1), MemberChange::Left)]
    );
    assert!(members.users.is_empty() && members.sessions.is_empty());
}

#[test]
fn lost_connection_is_seen_after_the_grace_alone() {
    let mut members = Members::new(10);
    join(&mut members, 1, 1, NOW);
    members.take_change(NOW);
    members.detach(key(1), NOW, GRACE);
    assert_eq!(members.next_deadline_ms(), Some(NOW + GRACE));
    members.advance(NOW + GRACE - 1);
    assert_eq!(members.take_change(NOW + GRACE - 1), None);
    members.resume(key(1), NOW + GRACE - 1);
    assert_eq!(members.next_deadline_ms(), None);
    members.advance(NOW + GRACE);
    assert_eq!(members.take_change(NOW + GRACE), None);
    // It stays away this time, and comes back late.
    members.detach(key(1), NOW, GRACE);
    members.advance(NOW + GRACE);
    let left = members.take_change(NOW + GRACE);
    assert_eq!(names(left), [(user(1), MemberChange::Left)]);
    members.resume(key(1), NOW + GRACE + 1);
    let back = members.take_change(NOW + GRACE + 1);
    assert_eq!(names(back), [(user(1), MemberChange::Joined)]);
}

#[test]
fn hidden_user_is_listed_to_itself_alone() {
    let mut members = Members::new(10);
    let hidden = Listener {
        is_hidden: true,
        ..listener(1)
    };
    members.join(key(1), hidden, NOW, GRACE);
    join(&mut members, 2, 2, NOW);
    assert_eq!(
        names(members.take_change(NOW)),
        [(user(2), MemberChange::Joined)]
    );
    assert_eq!(members.list(None), MemberList::Names(vec![user(2)]));
    let own = MemberList::Names(vec![user(1), user(2)]);
    assert_eq!(members.list(Some(&user(1))), own);
    // Another session of the user hides it, too.
    join(&mut members, 3, 1, NOW);
    assert_eq!(members.take_change(NOW), None);
    members.hide(key(1), false, NOW);
    assert_eq!(
        names(members.take_change(NOW)),
        [(user(1), MemberChange::Joined)]
    );
}

#[test]
fn many_members_are_a_number_and_few_have_names_again() {
    let mut members = Members::new(4);
    for number in 1..=4 {
        join(&mut members, number, number, NOW);
        assert_eq!(names(members.take_change(NOW)).len(), 1);
    }
    join(&mut members, 5, 5, NOW);
    assert_eq!(members.take_change(NOW), Some(MemberUpdate::Count(5)));
    assert_eq!(members.list(Some(&user(5))), MemberList::Count(5));
    // At most once a second.
    join(&mut members, 6, 6, NOW + 1);
    assert_eq!(members.take_change(NOW + 1), None);
    assert_eq!(members.next_deadline_ms(), Some(NOW + COUNT_MS));
    let second = NOW + COUNT_MS;
    assert_eq!(members.take_change(second), Some(MemberUpdate::Count(6)));
    members.leave(key(1), second);
    members.leave(key(2), second);
    let third = second + COUNT_MS;
    assert_eq!(members.take_change(third), Some(MemberUpdate::Count(4)));
    members.leave(key(3), third);
    let all = names(members.take_change(third));
    assert_eq!(
        all,
        [4, 5, 6].map(|number| (user(number), MemberChange::Joined))
    );
    let mut counted = Members::new(0);
    join(&mut counted, 1, 1, NOW);
    assert_eq!(counted.take_change(NOW), Some(MemberUpdate::Count(1)));
    counted.leave(key(1), second);
    assert_eq!(counted.take_change(second), Some(MemberUpdate::Count(0)));
}

#[test]
fn changes_over_the_rate_wait_and_what_is_undone_is_not_sent() {
    let mut members = Members::new(1_000);
    for number in 0..50 {
        join(&mut members, number, number, NOW);
        assert!(members.take_change(NOW).is_some());
    }
    join(&mut members, 100, 100, NOW);
    join(&mut members, 101, 101, NOW);
    assert_eq!(members.take_change(NOW), None);
    members.leave(key(100), NOW);
    let due_ms = members.next_deadline_ms().unwrap();
    assert!((NOW + 1..NOW + 200).contains(&due_ms), "{due_ms}");
    let late = members.take_change(due_ms);
    assert_eq!(names(late), [(user(101), MemberChange::Joined)]);
}

#[test]
fn saved_members_are_those_that_were_there() {
    let mut members = Members::new(10);
    join(&mut members, 1, 1, NOW);
    join(&mut members, 2, 2, NOW);
    members.detach(key(2), NOW, GRACE);
    let saved = members.save(NOW + 100, GRACE);
    let mut again = Members::new(10);
    for (key, listener) in saved {
        again.join(key, listener, NOW + 100, GRACE);
    }
    again.note_sent();
    assert_eq!(again.next_deadline_ms(), Some(NOW + GRACE));
    again.advance(NOW + GRACE);
    assert_eq!(again.list(None), MemberList::Names(vec![user(1)]));
}

/// What happens to a session.
#[derive(Debug, Clone)]
enum Step {
    Join(u64, u64),
    Leave(u64),
    Detach(u64),
    Resume(u64),
    Hide(u64, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let session = || 0..6u64;
    prop_oneof![
        3 => (session(), 0..4u64).prop_map(|(session, user)| Step::Join(session, user)),
        1 => session().prop_map(Step::Leave),
        1 => session().prop_map(Step::Detach),
        1 => session().prop_map(Step::Resume),
        1 => (session(), any::<bool>()).prop_map(|(session, hidden)| Step::Hide(session, hidden)),
        2 => (1..400u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// A listener that applies every change has the members as they are.
    #[test]
    fn applied_changes_are_the_list(steps in proptest::collection::vec(step(), 1..80)) {
        let mut members = Members::new(3);
        let mut now_ms = NOW;
        let mut known = MemberList::Names(Vec::new());
        for step in steps {
            match step {
                Step::Join(session, user) => join(&mut members, session, user, now_ms),
                Step::Leave(session) => members.leave(key(session), now_ms),
                Step::Detach(session) => members.detach(key(session), now_ms, GRACE),
                Step::Resume(session) => members.resume(key(session), now_ms),
                Step::Hide(session, hidden) => members.hide(key(session), hidden, now_ms),
                Step::Wait(ms) => now_ms += ms,
            }
            members.advance(now_ms);
            known = apply(known, members.take_change(now_ms));
        }
        now_ms += GRACE + COUNT_MS;
        members.advance(now_ms);
        known = apply(known, members.take_change(now_ms));
        prop_assert_eq!(known, members.list(None));
        prop_assert!(members.changes.is_empty());
    }
}

fn apply(known: MemberList, change: Option<MemberUpdate>) -> MemberList {
    let Some(change) = change else {
        return known;
    };
    let changes = match change {
        MemberUpdate::Count(count) => return MemberList::Count(count),
        MemberUpdate::Names(changes) => changes,
    };
    let mut names: BTreeSet<UserId> = match known {
        MemberList::Names(names) => names.into_iter().collect(),
        MemberList::Count(_) => BTreeSet::new(),
    };
    for (user, change) in changes {
        match change {
            MemberChange::Joined => names.insert(user),
            _ => names.remove(&user),
        };
    }
    MemberList::Names(names.into_iter().collect())
}
