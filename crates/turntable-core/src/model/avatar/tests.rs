//! A user's sessions, states, invites and attributes.

use super::*;
use crate::id::UserId;

fn session(slot: u32) -> SessionKey {
    SessionKey::from_number(slot.into())
}

fn settings() -> PresenceSettings {
    PresenceSettings::default()
}

fn online(slots: u32) -> Avatar {
    let mut avatar = Avatar::new(None);
    for slot in 0..slots {
        avatar.attach(session(slot), 8).unwrap();
    }
    avatar.refresh(0, &settings());
    avatar
}

fn say(avatar: &mut Avatar, slot: u32, status: Status) -> Option<Presence> {
    avatar
        .set_status(session(slot), status, None, &settings())
        .unwrap();
    avatar.refresh(1, &settings())
}

fn room() -> ChannelId {
    ChannelId::parse("CStrike").unwrap()
}

#[test]
fn the_first_session_brings_a_user_online_and_the_second_changes_nothing() {
    let mut avatar = Avatar::new(None);
    avatar.attach(session(0), 8).unwrap();
    assert_eq!(avatar.refresh(0, &settings()), Some(Presence::Online));
    avatar.attach(session(1), 8).unwrap();
    assert_eq!(avatar.refresh(0, &settings()), None);
    avatar.remove(session(0), 5);
    assert_eq!(avatar.refresh(5, &settings()), None);
    avatar.remove(session(1), 6);
    assert_eq!(avatar.refresh(6, &settings()), Some(Presence::Offline));
    assert_eq!(avatar.entry().last_seen_ms, Some(6));
    assert!(avatar.is_unused());
}

#[test]
fn a_drop_is_seen_when_its_grace_is_over_and_not_if_it_returns() {
    let mut avatar = online(1);
    avatar.detach(session(0), 100, 50);
    assert_eq!(avatar.refresh(149, &settings()), None);
    assert_eq!(avatar.next_deadline_ms(149), Some(150));
    avatar.resume(session(0));
    assert_eq!(avatar.refresh(151, &settings()), None);
    avatar.detach(session(0), 200, 50);
    assert_eq!(avatar.refresh(250, &settings()), Some(Presence::Offline));
    assert_eq!(avatar.entry().last_seen_ms, Some(200));
    avatar.resume(session(0));
    assert_eq!(avatar.refresh(260, &settings()), Some(Presence::Online));
}

#[test]
fn the_most_available_session_wins_and_invisible_hides_all() {
    let mut avatar = online(2);
    assert_eq!(say(&mut avatar, 0, Status::Busy), None);
    assert_eq!(say(&mut avatar, 1, Status::Idle), Some(Presence::Busy));
    assert_eq!(
        say(&mut avatar, 1, Status::Invisible),
        Some(Presence::Offline)
    );
    assert_eq!(avatar.entry().devices, 0);
    assert_eq!(say(&mut avatar, 1, Status::Online), Some(Presence::Online));
    assert_eq!(avatar.entry().devices, 2);
}

#[test]
fn a_player_reads_busy_unless_it_said_otherwise() {
    let mut avatar = online(1);
    avatar.set_playing(&room(), true);
    assert_eq!(avatar.refresh(1, &settings()), Some(Presence::Busy));
    assert_eq!(say(&mut avatar, 0, Status::Online), Some(Presence::Online));
    avatar.set_playing(&room(), false);
    assert_eq!(avatar.refresh(2, &settings()), None);
    avatar.set_playing(&room(), true);
    assert_eq!(avatar.refresh(3, &settings()), Some(Presence::Busy));
    let quiet = PresenceSettings {
        busy_in_game: false,
        ..settings()
    };
    assert_eq!(avatar.refresh(4, &quiet), Some(Presence::Online));
}

#[test]
fn invites_are_stored_bounded_and_void_in_time() {
    let mut avatar = Avatar::new(None);
    let invite = |room: &str, until_ms| StoredInvite {
        channel: ChannelId::parse(room).unwrap(),
        from: UserId::parse("1:1").unwrap(),
        until_ms,
    };
    for (room, until_ms) in [("a", 50), ("b", 60), ("c", 10), ("b", 70)] {
        avatar.store_invite(invite(room, until_ms), 2);
    }
    assert!(!avatar.is_unused());
    assert_eq!(avatar.take_invites(20), [invite("b", 70)]);
    assert!(avatar.is_unused());
}

#[test]
fn a_watched_user_without_a_session_needs_no_avatar_even_with_attributes() {
    use crate::key::{GatewayId, NodeId, WorkerId};
    let gateway = GatewayId {
        node: NodeId(0),
        boot: 1,
        worker: WorkerId(0),
    };
    let mut avatar = online(1);
    avatar.watchers.add(gateway);
    assert!(!avatar.is_unused());
    avatar.remove(session(0), 5);
    assert!(avatar.is_unused());
    // The store has them.
    let one = Some(Payload::from_json("1"));
    avatar.set_attributes(vec![("a".into(), one)], 10).unwrap();
    assert!(avatar.is_unused());
}

#[test]
fn an_unchanged_attribute_is_no_change_and_the_bound_refuses_all() {
    let mut avatar = Avatar::default();
    let value = |text: &str| Some(Payload::from_json(text));
    let set = vec![("a".into(), value("1")), ("b".into(), value("2"))];
    assert_eq!(avatar.set_attributes(set.clone(), 10).unwrap(), set);
    assert!(avatar.set_attributes(set, 10).unwrap().is_empty());
    let gone = vec![("a".into(), None), ("zz".into(), None)];
    assert_eq!(
        avatar.set_attributes(gone, 10).unwrap(),
        [("a".into(), None)]
    );
    assert!(
        avatar
            .set_attributes(vec![("c".into(), value("\"0123456789\""))], 10)
            .is_err()
    );
    assert_eq!(avatar.attributes().len(), 1);
}

#[test]
fn sessions_of_one_user_are_bounded() {
    let mut avatar = online(2);
    assert!(avatar.attach(session(2), 2).is_err());
    avatar.detach(session(1), 5, 50);
    assert_eq!(avatar.oldest_dropped(), Some(session(1)));
    avatar.attach(session(0), 2).unwrap();
}

#[test]
fn many_attributes_at_once_take_no_time() {
    let many = |value: Option<Payload>| -> AttributeChanges {
        (0..100_000)
            .map(|n| (n.to_string().into(), value.clone()))
            .collect()
    };
    // Comparing each with all the others takes minutes: the runner's timeout
    // is the assertion.
    let mut avatar = Avatar::new(None);
    let set = many(Some(Payload::from_json("1")));
    assert!(avatar.set_attributes(set.clone(), 10).is_err());
    avatar.set_attributes(set, usize::MAX).unwrap();
    avatar.set_attributes(many(None), usize::MAX).unwrap();
    assert!(avatar.attributes().is_empty());
}

/// The session of that slot, as its gateway announces it.
fn announced(slot: u32, dropped_ms: Option<u64>, backup: AvatarBackup) -> AnnouncedSession {
    use crate::key::{Caller, GatewayId, NodeId, Place, SessionSlot, SlotKey as _, WorkerId};
    let gateway = GatewayId {
        node: NodeId(0),
        boot: 1,
        worker: WorkerId(0),
    };
    let slot_key = SessionSlot::new(slot, 0);
    AnnouncedSession {
        caller: Caller {
            key: session(slot),
            place: Place {
                gateway,
                slot: slot_key,
            },
        },
        dropped_ms,
        is_idle: false,
        backup,
    }
}

#[test]
fn a_replacement_is_seen_as_the_avatar_before_it() {
    let mut lost = online(3);
    say(&mut lost, 1, Status::Idle);
    lost.set_playing(&room(), true);
    say(&mut lost, 2, Status::Online);
    let changes = vec![("a".into(), Some(Payload::from_json("1")))];
    lost.set_attributes(changes, 100).unwrap();
    let note = Some(Payload::from_json("\"n\""));
    lost.set_status(session(1), Status::Idle, note, &settings())
        .unwrap();
    lost.detach(session(2), 900, 500);
    assert_eq!(lost.refresh(1_000, &settings()), None);

    let mut replacement = Avatar::new(None);
    for (slot, dropped_ms) in [(0, None), (1, None), (2, Some(100)), (1, None)] {
        let session = announced(slot, dropped_ms, lost.backup(session(slot)));
        replacement.announced(session, 1_000, 500);
    }
    replacement.set_playing(&room(), true);
    assert_eq!(replacement.refresh(1_000, &settings()), Some(lost.shown()));
    assert_eq!(replacement.entry(), lost.entry());
    assert_eq!(replacement.attributes(), lost.attributes());
    for avatar in [&mut lost, &mut replacement] {
        // Without the one that dropped, the one that set no status counts.
        assert_eq!(avatar.next_deadline_ms(1_000), Some(1_400));
        assert_eq!(avatar.refresh(1_400, &settings()), Some(Presence::Busy));
        avatar.remove(session(0), 1_500);
        assert_eq!(avatar.refresh(1_500, &settings()), Some(Presence::Idle));
    }
}

#[test]
fn to_leave_a_room_that_one_is_not_in_changes_nothing() {
    let mut avatar = online(1);
    avatar.set_playing(&room(), true);
    say(&mut avatar, 0, Status::Online);
    let other = ChannelId::parse("other").unwrap();
    assert!(!avatar.set_playing(&other, false));
    assert_eq!(avatar.refresh(2, &settings()), None);
    assert!(avatar.set_playing(&room(), false));
}

#[test]
fn newer_session_takes_the_place_of_a_dropped_or_the_oldest_one() {
    let mut avatar = Avatar::new(None);
    for number in 1..=3 {
        avatar.attach(session(number), 8).unwrap();
    }
    assert_eq!(avatar.in_the_way(session(4), 4), None);
    assert_eq!(avatar.in_the_way(session(4), 3), Some(session(1)));
    assert_eq!(avatar.in_the_way(session(4), 1), Some(session(1)));
    avatar.detach(session(2), 0, 1_000);
    assert_eq!(avatar.in_the_way(session(4), 3), Some(session(2)));
    // A session is not in its own way.
    assert_eq!(avatar.in_the_way(session(3), 3), None);
    assert_eq!(Avatar::new(None).in_the_way(session(1), 1), None);
}
