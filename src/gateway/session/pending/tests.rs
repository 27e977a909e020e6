#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use super::*;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::delivery::frame::{Frame, Message};
use crate::gateway::testing::{Noted, begin, connect, entry, gateway, user};
use crate::gateway::turn::Timer;
use crate::portal::checker::Identity;
use turntable_core::key::SlotKey as _;
use turntable_core::packet::Presence;

fn answer(session: SessionSlot, id: &str) -> Awaited {
    Awaited::answer(session, "publish", RequestId(id.into()))
}

#[test]
fn two_commands_of_one_id_are_two_answers() {
    let session = SessionSlot::new(1, 0);
    let mut pending = Pending::default();
    let first = pending.add(answer(session, "1"));
    let second = pending.add(answer(session, "1"));
    pending.answered(session, &RequestId("1".into()));
    assert!(pending.remove(first).is_none());
    assert!(pending.remove(second).is_some());
    assert!(pending.by_session.is_empty());
}

#[test]
fn ended_session_awaits_nothing() {
    let (one, other) = (SessionSlot::new(1, 0), SessionSlot::new(1, 1));
    let mut pending = Pending::default();
    pending.add(answer(one, "1"));
    let other_ticket = pending.add(answer(other, "1"));
    pending.forget(one);
    assert_eq!(pending.awaited.len(), 1);
    assert!(pending.remove(other_ticket).is_some());
}

#[test]
fn answers_of_ended_sessions_take_no_memory() {
    let mut pending = Pending::default();
    let session = |number| SessionSlot::new(number, number);
    for number in 0..10_000 {
        pending.add(answer(session(number), "1"));
    }
    for number in 1..10_000 {
        pending.forget(session(number));
    }
    assert!(pending.awaited.capacity() < 100);
    assert!(pending.by_session.capacity() < 100);
}

#[test]
fn lookup_is_complete_with_its_last_user() {
    let mut pending = Pending::default();
    let ticket = pending.add(Awaited::Lookup {
        session: SessionSlot::new(0, 0),
        id: None,
        missing: 2,
        found: Vec::new(),
    });
    let entry = LookupEntry {
        state: Default::default(),
        last_seen_ms: None,
        devices: 0,
        note: None,
        profile: Vec::new(),
    };
    let user = UserId::parse("1:1").unwrap();
    assert!(
        pending
            .found(ticket.number(), user.clone(), entry.clone())
            .is_none()
    );
    let whole = pending.found(ticket.number(), user, entry);
    assert!(matches!(whole, Some(Awaited::Lookup { found, .. }) if found.len() == 2));
}

/// What waits for a connection's client, but for its session's messages.
fn direct(gateway: &mut Gateway, connection: ConnKey) -> Vec<String> {
    let connection = gateway.connections.get_mut(connection).unwrap();
    let frames = connection.queue.take_direct();
    let texts = frames.iter().filter_map(Frame::as_message);
    texts.map(Message::text).map(str::to_owned).collect()
}

#[test]
fn late_admission_is_refused_with_the_id_of_its_command() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let connection = connect(&mut gateway);
    let id = RequestId("7".into());
    gateway.identify(connection, Identity::new(user("1:1")), 0, None, Some(id));
    gateway.run();
    let waiting = gateway.connections.get(connection).unwrap();
    let Phase::Identifying(session) = waiting.phase else {
        panic!("the connection waits");
    };
    let _ = direct(&mut gateway, connection);
    gateway.answer_is_late(Ticket::new(gateway.pending.last));
    gateway.run();
    let [answer] = &direct(&mut gateway, connection)[..] else {
        panic!("one answer");
    };
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    assert_eq!(answer["id"], 7);
    assert_eq!(answer["data"]["code"], "unavailable");
    assert_eq!(answer["data"]["command"], "idme");
    // The avatar's answer comes after all: nothing is there for it.
    gateway.step(session, Input::Admitted, Details::default());
    gateway.run();
    assert!(direct(&mut gateway, connection).is_empty());
}

/// What waits in a session's outbox, as JSON.
fn waiting(gateway: &mut Gateway, session: SessionSlot) -> Vec<serde_json::Value> {
    let outbox = &entry(gateway, session).session.outbox;
    let messages = outbox.waiting().filter_map(Frame::as_message);
    let values = messages.map(|message| serde_json::from_str(message.text()).unwrap());
    values.collect()
}

#[test]
fn subscription_that_is_not_complete_in_time_is_refused_and_reported_later() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    let id = RequestId("3".into());
    gateway.subscribe(session, vec![user("1:8")], Some(id));
    gateway.answer_is_late(Ticket::new(gateway.pending.last));
    let sent = waiting(&mut gateway, session);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (&sent[0]["command"], &sent[0]["id"]),
        (&"error".into(), &3.into())
    );
    assert_eq!(sent[0]["data"]["code"], "unavailable");
    assert_eq!(sent[0]["data"]["command"], "subscribe");
    gateway.presence(&user("1:8"), Presence::Online);
    gateway.write_snapshots();
    let sent = waiting(&mut gateway, session);
    let commands: Vec<_> = sent.iter().map(|message| &message["command"]).collect();
    assert_eq!(commands, ["error", "userchange"]);
    assert!(gateway.pending.awaited.is_empty());
}

#[test]
fn identification_again_is_refused_in_time_too() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let session = begin(&mut gateway);
    let again = ClientPacket::IdMe {
        user: Some(user("1:1")),
        credentials: None,
        attributes: Vec::new(),
        status: None,
    };
    gateway.dispatch(
        session,
        again,
        Some(RequestId("4".into())),
        Charged::NOTHING,
    );
    gateway.answer_is_late(Ticket::new(gateway.pending.last));
    let sent = waiting(&mut gateway, session);
    assert_eq!(sent[0]["data"]["command"], "idme");
    assert_eq!(sent[0]["id"], 4);
}

#[test]
fn command_is_answered_once_however_late_its_owner_is() {
    use turntable_core::delivery::Delivery;
    use turntable_core::frame::SharedFrame;
    use turntable_core::id::MessageId;

    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let session = begin(&mut gateway);
    let to = gateway.sessions.caller(session).unwrap().place;
    let frame = || {
        let text = br#"{"command":"gamestate"}"#;
        let frame = [&[0x81, text.len() as u8][..], text].concat();
        SharedFrame::new(frame.as_slice().into(), MessageId::from(1))
    };
    let late = |gateway: &mut Gateway, command, id: &str| {
        let id = RequestId(id.into());
        let ticket = gateway.await_answer(Awaited::answer(session, command, id));
        gateway.answer_is_late(ticket);
    };
    late(&mut gateway, "joingame", "1");
    late(&mut gateway, "publish", "2");
    gateway.deliver(Delivery::Send {
        to,
        frame: frame(),
        id: Some(RequestId("1".into())),
    });
    let error = ErrorBody::new(ErrorCode::NotFound, "no channel").of("publish");
    gateway.deliver(Delivery::Refuse {
        to,
        error: Box::new(error),
        id: Some(RequestId("2".into())),
        joining: None,
    });
    let sent = waiting(&mut gateway, session);
    let ids: Vec<_> = sent.iter().map(|message| message["id"].clone()).collect();
    // What the client has of the room is sent, for no command.
    assert_eq!(ids, [1.into(), 2.into(), serde_json::Value::Null]);
    assert_eq!(sent[2]["command"], "gamestate");
}

#[test]
fn late_snapshot_does_not_answer_its_subscribe_again() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let session = begin(&mut gateway);
    let id = RequestId("1".into());
    gateway.subscribe(session, vec![user("1:9")], Some(id.clone()));
    assert_eq!(entry(&mut gateway, session).subscribed.len(), 1);
    let ticket = gateway.pending.by_session[&session][0];
    gateway.answer_is_late(ticket);
    assert!(entry(&mut gateway, session).subscribed.is_empty());
}

/// Whether a connection's deadline was awaited again; the others are a gateway's own.
fn is_awaited(gateway: &mut Gateway, key: ConnKey) -> bool {
    let mut due = Vec::new();
    let now_ms = clock::now_ms() + gateway.settings.session.identify_timeout_ms;
    gateway.wheel.turn(now_ms + 100, &mut due);
    let is_of = |timer: &Timer| matches!(timer, Timer::Identify(known) if *known == key);
    due.iter().any(is_of)
}

#[test]
fn claim_that_waits_for_its_avatar_outlives_the_deadline() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let key = connect(&mut gateway);
    gateway.identify(key, Identity::new(user("1:1")), 0, None, None);
    gateway.run();
    gateway.identification_is_due(key);
    gateway.run();
    let connection = gateway.connections.get(key).unwrap();
    assert!(connection.is_claimed(), "it is not closed");

    // The avatar does not answer in time: the client may claim again, and has as long.
    gateway.answer_is_late(Ticket::new(gateway.pending.last));
    gateway.run();
    let connection = gateway.connections.get(key).unwrap();
    assert!(connection.is_greeting());
    assert!(is_awaited(&mut gateway, key));
    gateway.identification_is_due(key);
    gateway.run();
    let connection = gateway.connections.get(key);
    assert!(connection.is_none_or(Connection::is_closing));
}
