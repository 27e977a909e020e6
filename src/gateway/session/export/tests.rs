#![allow(clippy::unwrap_used)]

mod number;
mod shared;

use std::sync::Arc;

use super::*;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::delivery::presence::Occasion;
use crate::gateway::session::memory::{RequestAnswer, ResumeFrom, UNNUMBERED_MAX};
use crate::gateway::testing::{Noted, begin, connect, entry, gateway, path, user};
use turntable_core::backup::RoomBackup;
use turntable_core::call::{Call, RoomCall};
use turntable_core::id::SessionId;
use turntable_core::model::member::Listener;
use turntable_core::packet::{ErrorBody, JoinChannel, JoinGame, Presence, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::life::Input;

fn lose(gateway: &mut Gateway, slot: SessionSlot) {
    let connection = entry(gateway, slot).session.connection().unwrap();
    gateway.lose(connection);
    gateway.run();
}

fn published(number: u32) -> Frame {
    let message = format!("message {number}");
    let error = ErrorBody::new(ErrorCode::Forbidden, message);
    Frame::message(&ServerPacket::Error(Box::new(error)), None)
}

fn written(entry: &mut SessionEntry, count: usize) {
    entry.session.outbox.written(count, 1_000_000);
}

fn through_json(export: &EntryExport) -> EntryExport {
    let read = serde_json::from_str(&serde_json::to_string(export).unwrap()).unwrap();
    assert_eq!(export, &read);
    read
}

/// What waits after a resume behind `received`.
fn resumed(gateway: &mut Gateway, slot: SessionSlot, received: u64) -> Vec<String> {
    let input = Input::Resume {
        connection: connect(gateway),
        received: Some(received),
        attempt: None,
    };
    gateway.step(slot, input, Details::default());
    gateway.run();
    let waiting = entry(gateway, slot).session.outbox.waiting();
    let texts = waiting.map(|frame| frame.as_message().unwrap().text().to_owned());
    texts.collect()
}

/// A session with messages of every kind, written and waiting.
fn lived(gateway: &mut Gateway) -> SessionSlot {
    // Other users come first, so that the numbers differ between gateways.
    for other in 0..gateway.id.worker.0 * 5 {
        let other = user(&format!("9:{other}"));
        gateway
            .subscriptions
            .watches
            .add(&other, Subscriber::new(77));
    }
    let slot = begin(gateway);
    gateway.subscribe(slot, vec![user("1:2"), user("1:3"), user("1:\"4")], None);
    for (id, presence) in [("1:2", Presence::Online), ("1:3", Presence::Busy)] {
        gateway.presence(&user(id), presence);
    }
    gateway.presence(&user("1:\"4"), Presence::Idle);
    gateway.write_snapshots();
    gateway.presence(&user("1:2"), Presence::Offline);
    gateway.write_changes(slot, Occasion::Round);
    entry(gateway, slot).session.outbox.push(published(1));
    written(entry(gateway, slot), 3);
    gateway.presence(&user("1:3"), Presence::Online);
    gateway.write_changes(slot, Occasion::Round);
    entry(gateway, slot).session.outbox.push(published(2));
    slot
}

#[test]
fn imported_session_resumes_as_the_original() {
    for received in 0..=3 {
        let owners = Arc::new(Noted::default());
        let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
        let slot = lived(&mut from);
        lose(&mut from, slot);
        let export = through_json(&from.export_session(slot).unwrap());
        let arrived = into.import_session(export).unwrap();
        let place = into.shared.peers.find(SessionId::from_bits([7; 16]));
        assert_eq!(place, Some(into.sessions.place(arrived)), "clients find it");
        let expected = resumed(&mut from, slot, received);
        assert_eq!(expected.len() as u64, 5 - received);
        assert_eq!(resumed(&mut into, arrived, received), expected);
        assert_eq!(
            expected.last(),
            resumed(&mut into, arrived, received).last()
        );
    }
}

#[test]
fn retained_presence_takes_no_more_memory_than_before() {
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let slot = lived(&mut from);
    let export = from.export_session(slot).unwrap();
    assert_eq!(export.session.outbox.written, 3);
    let arrived = into.import_session(export).unwrap();
    let retained = |gateway: &mut Gateway, slot| -> Vec<usize> {
        let outbox = &entry(gateway, slot).session.outbox;
        outbox.retained().map(|frame| frame.length()).collect()
    };
    assert_eq!(retained(&mut into, arrived), retained(&mut from, slot));
}

#[test]
fn presence_that_changed_on_the_way_is_sent() {
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let slot = lived(&mut from);
    from.presence(&user("1:\"4"), Presence::Busy);
    lose(&mut from, slot);
    // One user is known at the new gateway in another state, one is not known.
    for (id, presence) in [("1:2", Presence::Online), ("1:\"4", Presence::Busy)] {
        into.subscriptions
            .watches
            .add(&user(id), Subscriber::new(77));
        into.presence(&user(id), presence);
    }
    owners.0.lock().clear();
    let export = through_json(&from.export_session(slot).unwrap());
    let arrived = into.import_session(export).unwrap();
    let watch = Call::Avatar(user("1:3"), AvatarCall::Watch { gateway: into.id });
    assert_eq!(
        *owners.0.lock(),
        [watch],
        "only unknown users are requested"
    );
    resumed(&mut into, arrived, 3);
    assert_eq!(entry(&mut into, arrived).unknown, 1);
    into.presence(&user("1:3"), Presence::Online);
    into.write_snapshots();
    let waiting = entry(&mut into, arrived).session.outbox.waiting();
    let last = waiting
        .last()
        .unwrap()
        .as_message()
        .unwrap()
        .text()
        .to_owned();
    let expected = r#"{"1:2":"online","1:\"4":"busy","1:3":"online"}"#;
    assert_eq!(
        last,
        format!(r#"{{"command":"userchange","data":{expected}}}"#)
    );
}

#[test]
fn transport_memory_goes_along() {
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let slot = begin(&mut from);
    let sent = entry(&mut from, slot);
    sent.remember_unnumbered();
    let frames = [published(1).alone(), published(2).alone(), published(3)];
    let numbered = frames.clone().map(|frame| frame.as_message().unwrap().id());
    for frame in frames {
        sent.session.outbox.push(frame);
    }
    written(sent, 2);
    let unnumbered = published(9);
    let unnumbered = unnumbered.as_message().unwrap();
    sent.note_unnumbered(unnumbered, 0);
    sent.memory.as_mut().unwrap().answered = Some(Answered {
        batch: 4,
        received: Some(2),
        body: Some(RequestAnswer {
            body: "[]".into(),
            waiting: 3,
        }),
    });
    let export = through_json(&from.export_session(slot).unwrap());
    let arrived = into.import_session(export).unwrap();
    let arrived = entry(&mut into, arrived);
    for (id, received) in numbered.into_iter().zip([Some(1), Some(2), None]) {
        let from = ResumeFrom::Message(id);
        assert_eq!(arrived.received(from), received);
    }
    let from = ResumeFrom::Message(unnumbered.id());
    assert_eq!(arrived.received(from), Some(2));
    let answered = arrived.memory.as_ref().unwrap().answered.as_ref().unwrap();
    assert_eq!((answered.batch, answered.received), (4, Some(2)));
    let answer = answered.body.as_ref().unwrap();
    assert_eq!((&answer.body[..], answer.waiting), (&b"[]"[..], 3));
}

#[test]
fn rooms_channels_and_awaited_answers_go_along() {
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let slot = begin(&mut from);
    let join = ClientPacket::JoinGame(JoinGame {
        channel: path("r"),
        member: user("1:1"),
        invite: Vec::new(),
        team: None,
        game: None,
    });
    let settings = from.settings.clone();
    let session = &mut entry(&mut from, slot).session;
    session.count(Some(&join));
    let admitted = session.admit(&join, clock::now_ms(), &settings.session, &settings.limits);
    admitted.unwrap();
    from.entered(slot, Topic::Room(path("r")));
    let id = RequestId("7".into());
    let join = JoinChannel {
        below: Vec::new(),
        channel: path("c"),
        subpaths: true,
        since: None,
        history: None,
    };
    let packet = ClientPacket::JoinChannel(join.clone());
    from.await_owner(
        slot,
        &packet,
        Some(&id),
        crate::gateway::session::share::Charged::NOTHING,
    );
    from.join_channel(slot, join, Some(id.clone()));
    from.entered(slot, Topic::Below(path("c")));
    let backup = RoomBackup {
        game: "strike".into(),
        team: Some("red".into()),
    };
    let stored = Backup::Room(path("r"), backup.clone());
    entry(&mut from, slot).store_backup(stored);

    owners.0.lock().clear();
    let mut export = through_json(&from.export_session(slot).unwrap());
    export.rooms.push(path("not/its"));
    let arrived = into.import_session(export).unwrap();
    let topics = into.subscriptions.topics.of(arrived.into());
    assert_eq!(topics, [Topic::Room(path("r"))]);
    let backups = entry(&mut into, arrived).backups.as_ref().unwrap();
    assert_eq!(backups.room(&path("r")), Some(&backup));
    let below = Call::Below {
        channel: path("c"),
        gateway: into.id,
        wanted: true,
    };
    assert_eq!(*owners.0.lock(), [below], "the channel is joined again");
    owners.0.lock().clear();
    let calls = into.subscriptions.below_is_known(&path("c"));
    into.call_owners(calls);
    let join = ChannelCall::Join {
        address: None,
        caller: into.sessions.caller(arrived).unwrap(),
        listener: Listener {
            dropped_ms: Some(0),
            ..into.listener(arrived).unwrap()
        },
        subpaths: true,
        past: turntable_core::model::channel::Past::default(),
        id: None,
    };
    let mut calls = std::mem::take(&mut *owners.0.lock());
    if let [Call::Channel(_, ChannelCall::Join { listener, .. })] = calls.as_mut_slice() {
        // The time goes on meanwhile.
        listener.dropped_ms = listener.dropped_ms.map(|_| 0);
    }
    assert_eq!(calls, [Call::Channel(path("c"), join)]);
    assert!(into.subscriptions.channels.has(&path("c")));
    let awaited: Vec<_> = into.pending.commands(arrived).collect();
    assert_eq!(awaited, [("joinchannel", &id)]);
    assert_eq!(entry(&mut into, arrived).session.accepted(), 1);
    owners.0.lock().clear();
    resumed(&mut into, arrived, 0);
    let caller = into.sessions.caller(arrived).unwrap();
    let user = user("1:1");
    let expected = [
        Call::Avatar(user.clone(), AvatarCall::Resume { caller }),
        Call::Room(path("r"), RoomCall::Resume { caller, user }),
    ];
    assert_eq!(*owners.0.lock(), expected, "owners learn of the new place");
}

#[test]
fn refused_value_leaves_nothing_behind() {
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let slot = lived(&mut from);
    let good = from.export_session(slot).unwrap();
    owners.0.lock().clear();
    let changes: [&dyn Fn(&mut EntryExport); 7] = [
        &|export| export.session.outbox.messages = vec!["{}".into()],
        &|export| export.session.outbox.messages = vec!["no JSON".into()],
        &|export| {
            let text = r#"{"command":"userchange","data":{"1:2":"away"}}"#;
            export.session.outbox.messages = vec![text.into()];
        },
        &|export| export.states.clear(),
        &|export| export.changed = vec![user("1:2"); 100_000],
        &|export| export.unnumbered = Some(vec![(1, 1); UNNUMBERED_MAX + 1]),
        &|export| {
            export.answered = Some(AnsweredExport {
                batch: 1,
                received: None,
                body: Some("x".repeat(10_000_000).into()),
                waiting: 0,
            });
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut export = good.clone();
        export.session.outbox.written = 0;
        export.ids.clear();
        change(&mut export);
        assert!(into.import_session(export).is_err(), "{number}");
        assert_eq!(into.subscriptions.watches.number(&user("1:2")), None);
        assert_eq!(into.sessions.iter().count(), 0);
    }
    assert!(owners.0.lock().is_empty());
    from.step(slot, Input::End(CloseReason::Kicked), Details::default());
    from.run();
    assert_eq!(from.export_session(slot), None);
}

#[test]
fn imported_session_sees_nobody_before_it_is_known_whom_it_may() {
    use turntable_core::model::settings::WatchPolicy;
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let slot = lived(&mut from);
    let export = from.export_session(slot).unwrap();
    let mut settings = (*into.settings).clone();
    settings.presence.watch = WatchPolicy::Mutual;
    into.settings = Arc::new(settings);
    owners.0.lock().clear();
    let arrived = into.import_session(export).unwrap();
    assert_eq!(entry(&mut into, arrived).hidden().len(), 3);
    let is_asked = |call: &Call| match call {
        Call::Avatar(of, AvatarCall::Watching { users, .. }) => {
            *of == user("1:1") && users.len() == 3
        }
        _ => false,
    };
    assert!(owners.0.lock().iter().any(is_asked));
    into.presence(&user("1:2"), Presence::Online);
    into.seeing(arrived, &user("1:2"), true);
    let session = entry(&mut into, arrived);
    assert_eq!(session.hidden().len(), 2);
    assert!(session.has_changes());
}

#[test]
fn renewed_session_has_other_roles_and_leaves_what_they_do_not_allow() {
    use crate::portal::permission::PermissionBook;
    use turntable_core::model::permission::{RoleSettings, Roles};
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let mut roles = RoleSettings::embedded();
    roles.insert("visitor".to_owned(), RoleSettings::default());
    let mut settings = (*gateway.settings).clone();
    settings.permissions = Arc::new(PermissionBook::new(Roles::new(roles)));
    gateway.settings = Arc::new(settings);
    let slot = begin(&mut gateway);
    let join = JoinChannel {
        channel: path("c"),
        subpaths: false,
        since: None,
        history: None,
        below: Vec::new(),
    };
    gateway.join_channel(slot, join, None);
    gateway.add_functions(slot, &["forum".into()]);
    assert_eq!(entry(&mut gateway, slot).session.channels().len(), 1);
    gateway.grant(slot, &["visitor".into()]);
    let session = &entry(&mut gateway, slot).session;
    assert_eq!(session.channels().len(), 0);
    let permissions = session.permissions.as_ref().unwrap();
    assert_eq!(permissions.roles(), ["visitor".into()]);
    assert_eq!(permissions.added().len(), 1);
    let waiting = session.outbox.waiting();
    let texts = waiting.map(|frame| frame.as_message().unwrap().text().to_owned());
    let texts: Vec<String> = texts.collect();
    assert!(
        texts.iter().any(|text| text.contains("forbidden")),
        "{texts:?}"
    );
}

#[test]
fn credentials_and_roles_go_along() {
    use crate::gateway::turn::Timer;
    use crate::portal::checker::Identity;
    use crate::portal::permission::PermissionBook;
    use turntable_core::model::permission::{RoleSettings, Roles};
    let owners = Arc::new(Noted::default());
    let (mut from, mut into) = (gateway(1, &owners), gateway(0, &owners));
    let mut roles = RoleSettings::embedded();
    roles.insert("visitor".to_owned(), RoleSettings::default());
    let permissions = Arc::new(PermissionBook::new(Roles::new(roles)));
    for gateway in [&mut from, &mut into] {
        let mut settings = (*gateway.settings).clone();
        settings.permissions = permissions.clone();
        gateway.settings = Arc::new(settings);
    }
    let slot = begin(&mut from);
    let now_ms = clock::now_ms();
    let identity = Identity {
        roles: vec!["visitor".into()],
        expires_ms: Some(now_ms + 60_000),
        token: Some("the next".into()),
        is_provisional: true,
        ..Identity::new(user("1:1"))
    };
    from.establish(slot, identity);
    let export = through_json(&from.export_session(slot).unwrap());
    let arrived = into.import_session(export).unwrap();
    let session = &entry(&mut into, arrived).session;
    let original = &entry(&mut from, slot).session;
    assert_eq!(session.permissions, original.permissions);
    assert!(session.permissions.is_some() && session.is_provisional);
    let standing = session.standing.as_ref().unwrap();
    assert_eq!(standing.token.as_deref(), Some("the next"));
    let expires_ms = standing.expires_ms.unwrap();
    assert!((now_ms + 60_000..now_ms + 70_000).contains(&expires_ms));
    // Its end is awaited, with the time to renew them.
    let due_ms = expires_ms + into.shared.portal.settings().renewal_grace_ms;
    let mut due = Vec::new();
    into.wheel.turn(due_ms - 1_000, &mut due);
    let is_end = |timer: &Timer| matches!(timer, Timer::Credentials(of) if *of == arrived);
    assert!(!due.iter().any(is_end));
    into.wheel.turn(due_ms + 1_000, &mut due);
    assert!(due.iter().any(is_end));
}

#[test]
fn session_that_becomes_another_user_is_no_value_yet() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let slot = begin(&mut gateway);
    assert!(gateway.export_session(slot).is_some());
    entry(&mut gateway, slot).is_changing = true;
    assert_eq!(gateway.export_session(slot), None);
}
