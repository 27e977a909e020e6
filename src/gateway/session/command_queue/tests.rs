#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use tokio::sync::oneshot;

use super::*;
use crate::gateway::intake::USERS_AT_ONCE;
use crate::gateway::peers::Target;
use crate::gateway::session::life::Details;
use crate::gateway::submit::Sequence;
use crate::gateway::testing::{Noted, begin, connect, crowd, entry, gateway, path, user};
use crate::gateway::work::Next;
use turntable_core::call::{AvatarCall, Call};
use turntable_core::id::UserId;
use turntable_core::key::ConnKey;
use turntable_core::packet::{ClientMessage, ClientPacket, Presence, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::CloseReason;
use turntable_core::session::life::Input;

const MANY: usize = 1_000;

/// More work than a turn has.
const TOO_MUCH: usize = 100_000;

fn users(realm: &str, count: usize) -> Vec<UserId> {
    let names = (0..count).map(|number| format!("{realm}:{number}"));
    names.map(|name| user(&name)).collect()
}

fn message(packet: ClientPacket, id: &str) -> Command {
    let id = Some(RequestId(id.into()));
    Ok(ClientMessage { id, packet })
}

/// A command of the client whose connection carries a session.
fn send(gateway: &mut Gateway, session: SessionSlot, packet: ClientPacket) {
    let connection = entry(gateway, session).session.connection().unwrap();
    gateway.push_effects([Effect::Command(connection, message(packet, "1"), 10)]);
    gateway.run();
}

fn publish(channel: &str) -> ClientPacket {
    ClientPacket::Publish {
        channel: path(channel),
        data: Payload::from_json("1"),
    }
}

fn is_paused(gateway: &mut Gateway, connection: ConnKey) -> bool {
    let is_paused = gateway.with(connection, |connection, cx| cx.is_paused(connection));
    is_paused.unwrap()
}

/// One turn without input. Returns whether there is more to be done.
fn turn(gateway: &mut Gateway) -> bool {
    gateway.intake.begin_turn();
    gateway.go_on() != Next::None
}

fn turns_to_the_end(gateway: &mut Gateway) -> usize {
    (1..).find(|_| !turn(gateway)).unwrap()
}

/// What owners were called for since the last look: the realms of users that are watched,
/// and the channels that are published on.
fn called(owners: &Noted) -> Vec<String> {
    let calls = std::mem::take(&mut *owners.0.lock());
    let name = |call| match call {
        Call::Avatar(user, AvatarCall::Watch { .. }) => Some(user.realm().to_owned()),
        Call::Avatar(user, AvatarCall::Unwatch { .. }) => Some(format!("-{}", user.realm())),
        Call::Channel(channel, _) => Some(channel.as_str().to_owned()),
        _ => None,
    };
    calls.into_iter().filter_map(name).collect()
}

/// How often each comes in a row.
fn rows(called: &[String]) -> Vec<(&str, usize)> {
    let rows = called.chunk_by(|one, other| one == other);
    rows.map(|row| (&*row[0], row.len())).collect()
}

#[test]
fn parts_of_commands_that_name_many_users_take_turns() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let [a, b] = crowd(&mut gateway, 2).try_into().unwrap();
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    send(&mut gateway, a, ClientPacket::Subscribe(users("a", MANY)));
    send(&mut gateway, b, ClientPacket::Subscribe(users("b", MANY)));
    // The first part of each, and the next ones in turn.
    let mut all = called(&owners);
    assert_eq!(rows(&all), [("a", USERS_AT_ONCE), ("b", USERS_AT_ONCE)]);
    let mut turns = 0;
    while turn(&mut gateway) {
        let of_turn = called(&owners);
        let rows = rows(&of_turn);
        assert!(
            rows.iter().all(|(_, count)| *count == USERS_AT_ONCE),
            "{rows:?}"
        );
        assert!((2..=4).contains(&rows.len()), "{rows:?}");
        all.extend(of_turn);
        turns += 1;
    }
    all.extend(called(&owners));
    assert!(turns >= 6, "{turns}");
    let count = |realm: &str| all.iter().filter(|called| *called == realm).count();
    assert_eq!([count("a"), count("b")], [MANY; 2]);
}

#[test]
fn parts_wait_for_messages_that_wait_at_a_worker() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    called(&owners);
    let mailboxes = gateway.shared.mailboxes.clone();
    let calls = &mailboxes.of(gateway.id.worker).unwrap().calls;
    (0..1_000).for_each(|_| calls.put());
    send(
        &mut gateway,
        session,
        ClientPacket::Subscribe(users("a", MANY)),
    );
    assert_eq!(rows(&called(&owners)), [("a", USERS_AT_ONCE)]);
    // The calls before those of the command are handled first; it is not stopped.
    assert!((0..4).all(|_| turn(&mut gateway)));
    assert_eq!(rows(&called(&owners)), [("a", 2 * USERS_AT_ONCE)]);
    (0..1_000).for_each(|_| calls.take());
    assert!(turn(&mut gateway));
    assert_eq!(rows(&called(&owners)), [("a", 4 * USERS_AT_ONCE)]);
}

#[test]
fn snapshot_of_many_users_is_one_message_behind_all_parts() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    let before = entry(&mut gateway, session).session.outbox.numbered();
    gateway.intake.names(TOO_MUCH);
    let all = users("a", MANY);
    send(&mut gateway, session, ClientPacket::Subscribe(all.clone()));
    for user in &all[..USERS_AT_ONCE] {
        gateway.presence(user, Presence::Online);
    }
    gateway.write_snapshots();
    let sent = |gateway: &mut Gateway| entry(gateway, session).session.outbox.numbered() - before;
    assert_eq!(sent(&mut gateway), 0, "the others are not known");
    turns_to_the_end(&mut gateway);
    for user in &all[USERS_AT_ONCE..] {
        gateway.presence(user, Presence::Offline);
    }
    gateway.write_snapshots();
    assert_eq!(sent(&mut gateway), 2, "the states, and the reply");
    let frames = entry(&mut gateway, session).session.outbox.waiting();
    let texts = frames.map(|frame| frame.as_message().unwrap().text().to_owned());
    let texts: Vec<String> = texts.collect();
    let states = texts[0].matches("online").count() + texts[0].matches("offline").count();
    assert_eq!(states, MANY);
    assert!(texts[1].contains(r#""command":"reply""#), "{}", texts[1]);
}

#[test]
fn commands_behind_one_of_many_users_wait_for_it() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    send(
        &mut gateway,
        session,
        ClientPacket::Subscribe(users("a", 200)),
    );
    let connection = entry(&mut gateway, session).session.connection().unwrap();
    assert!(is_paused(&mut gateway, connection), "it is not read");
    let (taken, mut is_taken) = oneshot::channel();
    let commands = vec![
        message(publish("first"), "2"),
        message(publish("second"), "3"),
    ];
    gateway.queue_request(session, commands, (TakenSender(taken), 10));
    send(&mut gateway, session, publish("third"));
    assert!(is_taken.try_recv().is_err());
    assert_eq!(rows(&called(&owners)), [("a", USERS_AT_ONCE)]);
    turns_to_the_end(&mut gateway);
    let all = called(&owners);
    let last = 200 - USERS_AT_ONCE;
    let expected = [("a", last), ("first", 1), ("second", 1), ("third", 1)];
    assert_eq!(rows(&all), expected);
    assert_eq!(is_taken.try_recv(), Ok(Taken::Yes));
    assert!(!is_paused(&mut gateway, connection));
    assert!(entry(&mut gateway, session).queue.is_none());
}

#[test]
fn commands_of_one_request_take_turns_with_those_of_others() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let sessions = crowd(&mut gateway, 2);
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    for (session, channel) in sessions.into_iter().zip(["a", "b"]) {
        let commands = (0..100).map(|_| message(publish(channel), "1")).collect();
        let (taken, _) = oneshot::channel();
        gateway.queue_request(session, commands, (TakenSender(taken), 10));
        gateway.run();
    }
    assert_eq!(called(&owners), Vec::<String>::new(), "this turn is spent");
    turns_to_the_end(&mut gateway);
    let all = called(&owners);
    let expected = [32, 32, 32, 4]
        .iter()
        .flat_map(|count| [("a", *count), ("b", *count)]);
    assert_eq!(rows(&all), expected.collect::<Vec<_>>());
}

#[test]
fn command_of_many_users_goes_on_without_a_connection_and_behind_a_resume() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    send(
        &mut gateway,
        session,
        ClientPacket::Subscribe(users("a", MANY)),
    );
    let connection = entry(&mut gateway, session).session.connection().unwrap();
    gateway.lose(connection);
    gateway.run();
    turn(&mut gateway);
    let connection = connect(&mut gateway);
    let input = Input::Resume {
        connection,
        received: Some(0),
        attempt: None,
    };
    gateway.step(session, input, Details::default());
    gateway.run();
    assert!(is_paused(&mut gateway, connection));
    turns_to_the_end(&mut gateway);
    assert_eq!(rows(&called(&owners)), [("a", MANY)]);
    assert!(!is_paused(&mut gateway, connection));
}

#[test]
fn session_that_ends_takes_its_commands_with_it() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    send(
        &mut gateway,
        session,
        ClientPacket::Subscribe(users("a", MANY)),
    );
    let (taken, mut is_taken) = oneshot::channel();
    let commands = vec![message(publish("never"), "2")];
    gateway.queue_request(session, commands, (TakenSender(taken), 10));
    gateway.step(session, Input::End(CloseReason::Kicked), Details::default());
    gateway.run();
    assert!(!turn(&mut gateway));
    let all = called(&owners);
    assert_eq!(rows(&all), [("a", USERS_AT_ONCE), ("-a", USERS_AT_ONCE)]);
    assert_eq!(
        is_taken.try_recv(),
        Err(oneshot::error::TryRecvError::Closed)
    );
}

#[test]
fn request_that_ends_its_session_is_taken() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let session = begin(&mut gateway);
    let (taken, mut is_taken) = oneshot::channel();
    let commands = vec![message(ClientPacket::Bye, "1")];
    gateway.queue_request(session, commands, (TakenSender(taken), 10));
    gateway.run();
    assert!(!gateway.sessions.holds(session));
    assert_eq!(is_taken.try_recv(), Ok(Taken::Yes));
}

#[test]
fn users_that_are_to_be_watched_count_for_the_address() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let [a, b] = crowd(&mut gateway, 2).try_into().unwrap();
    let mut settings = (*gateway.settings).clone();
    settings.session.subscriptions_per_address_max = 1_500;
    gateway.settings = Arc::new(settings);
    gateway.intake.names(TOO_MUCH);
    send(&mut gateway, a, ClientPacket::Subscribe(users("a", MANY)));
    send(&mut gateway, b, ClientPacket::Subscribe(users("b", 600)));
    let frames = entry(&mut gateway, b).session.outbox.waiting();
    let last = frames
        .last()
        .unwrap()
        .as_message()
        .unwrap()
        .text()
        .to_owned();
    assert!(last.contains("too_many"), "{last}");
    turns_to_the_end(&mut gateway);
    send(&mut gateway, b, ClientPacket::Subscribe(users("b", 500)));
    assert!(!entry(&mut gateway, b).session.watching.is_empty());
}

#[test]
fn many_users_are_watched_no_more_in_parts() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    send(
        &mut gateway,
        session,
        ClientPacket::Subscribe(users("a", MANY)),
    );
    turns_to_the_end(&mut gateway);
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    send(
        &mut gateway,
        session,
        ClientPacket::Unsubscribe(users("a", MANY - 1)),
    );
    assert_eq!(rows(&called(&owners)), [("-a", USERS_AT_ONCE)]);
    turns_to_the_end(&mut gateway);
    assert_eq!(rows(&called(&owners)), [("-a", MANY - 1 - USERS_AT_ONCE)]);
    assert_eq!(entry(&mut gateway, session).session.watching.len(), 1);
}

#[test]
fn data_for_another_session_is_sent_behind_the_commands_before_it() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let [sender, receiver] = crowd(&mut gateway, 2).try_into().unwrap();
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    send(
        &mut gateway,
        sender,
        ClientPacket::Subscribe(users("a", MANY)),
    );
    let (taken, mut is_taken) = oneshot::channel();
    let direct = DirectSend {
        from: None,
        to: Target::Session(gateway.sessions.place(receiver)),
        function: "data",
        data: Payload::from_json("1"),
        sequence: Sequence::default(),
        taken: TakenSender(taken),
    };
    let before = entry(&mut gateway, receiver).session.outbox.numbered();
    gateway.queue_direct(sender, Box::new(direct));
    gateway.run();
    let sent = |gateway: &mut Gateway| entry(gateway, receiver).session.outbox.numbered() - before;
    assert_eq!(sent(&mut gateway), 0, "the subscribe is not over");
    assert!(is_taken.try_recv().is_err());
    turns_to_the_end(&mut gateway);
    assert_eq!(sent(&mut gateway), 1);
    assert_eq!(is_taken.try_recv(), Ok(Taken::Yes));
}

#[test]
fn lookup_that_took_too_long_goes_on_no_more() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    let count = gateway.settings.presence.lookup_max;
    assert!(count > USERS_AT_ONCE);
    gateway.intake.names(TOO_MUCH);
    let calls = |owners: &Noted| std::mem::take(&mut *owners.0.lock()).len();
    calls(&owners);
    send(
        &mut gateway,
        session,
        ClientPacket::Lookup(users("a", count)),
    );
    assert_eq!(calls(&owners), USERS_AT_ONCE);
    let tickets = gateway.pending.tickets().into_iter();
    tickets.for_each(|ticket| gateway.answer_is_late(ticket));
    gateway.run();
    turns_to_the_end(&mut gateway);
    assert_eq!(calls(&owners), 0);
    assert!(entry(&mut gateway, session).queue.is_none());
}

#[test]
fn request_beyond_what_may_wait_is_not_taken() {
    let mut queue = CommandQueue::default();
    assert!(
        queue.has_room(2 * COMMANDS_MAX, 2 * BYTES_MAX),
        "alone it may be any"
    );
    let command = || Waiting::Command(message(publish("a"), "1"), 0);
    (0..COMMANDS_MAX).for_each(|_| queue.push(command()));
    assert!(!queue.has_room(1, 1));
    queue.pop();
    assert!(queue.has_room(1, BYTES_MAX));
    queue.push(Waiting::Taken(TakenSender(oneshot::channel().0), BYTES_MAX));
    assert!(!queue.has_room(1, 1));
    while queue.pop().is_some() {}
    assert_eq!((queue.commands, queue.bytes), (0, 0));
}

#[test]
fn session_is_exported_when_its_commands_were_carried_out() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    called(&owners);
    gateway.intake.names(TOO_MUCH);
    send(
        &mut gateway,
        session,
        ClientPacket::Subscribe(users("a", MANY)),
    );
    assert!(gateway.export_session(session).is_none());
    turns_to_the_end(&mut gateway);
    assert_eq!(rows(&called(&owners)), [("a", MANY)]);
    assert!(gateway.export_session(session).is_some());
}
