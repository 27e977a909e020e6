//! Requests of a poll, without the HTTP server and with owners that never answer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::*;
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::admission::ConnectionLimits;
use crate::gateway::drain::Drain;
use crate::gateway::session::memory::RequestAnswer;
use crate::gateway::testing::{Noted, begin, crowd, entry, gateway, user};
use crate::gateway::transport::Dispatch;
use crate::gateway::transport::websocket::{Purpose, WebSocket};
use crate::gateway::work::Next;
use turntable_core::budget::Relief;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::packet::ClientMessage;

type Answer = oneshot::Receiver<Result<RequestAnswer, Refused>>;

/// A request with one call that waits for its owner.
fn request(id: &str) -> (Request, Answer) {
    let (respond, answer) = oneshot::channel();
    let message = ClientMessage {
        id: Some(RequestId(id.into())),
        packet: ClientPacket::Lookup(vec![user("1:2")]),
    };
    let request = PollRequest {
        commands: vec![Ok(message)],
        batch: None,
        received: None,
        resume_id: None,
        respond,
    };
    (Request::Poll(Box::new(request)), answer)
}

/// A numbered request without calls, which is answered at once.
fn numbered(gateway: &mut crate::gateway::Gateway, key: ConnKey, batch: u64) -> Answer {
    let (respond, answer) = oneshot::channel();
    let request = PollRequest {
        commands: Vec::new(),
        batch: Some(batch),
        received: None,
        resume_id: None,
        respond,
    };
    gateway.with(key, |connection, cx| {
        Dispatch::on_request(connection, Request::Poll(Box::new(request)), cx);
    });
    gateway.run();
    gateway.with(key, Dispatch::flush);
    gateway.run();
    answer
}

#[test]
fn dropped_answer_is_an_error_and_its_request_is_not_carried_out_again() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let slot = begin(&mut gateway);
    let key = entry(&mut gateway, slot).session.connection().unwrap();
    let first = numbered(&mut gateway, key, 1).try_recv().unwrap().unwrap();
    gateway.survey();
    let metrics = gateway.shared.metrics.clone();
    let bytes = metrics.answers(gateway.id.worker);
    assert_eq!(bytes.get(), first.body.len() as i64);
    gateway.relieve(Relief::Half, 1, 9);
    let again = numbered(&mut gateway, key, 1).try_recv().unwrap();
    assert_eq!(again.unwrap(), first);
    gateway.relieve(Relief::All, 1, 9);
    gateway.survey();
    assert_eq!(bytes.get(), 0);
    let again = numbered(&mut gateway, key, 1).try_recv().unwrap();
    match again {
        Err(Refused::Error(error)) => assert_eq!(error.code, ErrorCode::SessionExpired),
        other => panic!("{other:?}"),
    }
    assert!(numbered(&mut gateway, key, 2).try_recv().unwrap().is_ok());
    let stale = numbered(&mut gateway, key, 1).try_recv().unwrap();
    assert!(matches!(stale, Err(Refused::Stale)));
}

#[test]
fn connection_whose_socket_takes_nothing_goes_with_its_session_for_memory() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    for is_blocked in [true, false] {
        let session = begin(&mut gateway);
        let entry = entry(&mut gateway, session);
        let key = entry.session.connection().unwrap();
        entry.session.outbox.push(Frame::raw(&[b' '; 20_000]));
        let connection = gateway.connections.get_mut(key).unwrap();
        // It closes in order, which a poll does not have to.
        connection.transport = Transport::WebSocket(WebSocket::new(Purpose::Sessions, Vec::new()));
        connection.queue.set_blocked(is_blocked);
        assert!(gateway.relieve(Relief::All, 1, clock::now_ms()));
        assert!(!gateway.sessions.holds(session));
        assert_eq!(gateway.connections.holds(key), !is_blocked);
    }
}

#[test]
fn later_request_does_not_put_off_the_answer_to_an_earlier_one() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let slot = begin(&mut gateway);
    let key = entry(&mut gateway, slot).session.connection().unwrap();
    let answer_ms = gateway.settings.transport.poll.answer_ms;
    let begin_ms = clock::now_ms();
    let [(first, mut first_answer), (second, mut second_answer)] = ["1", "2"].map(request);
    for (request, at_ms) in [(first, begin_ms), (second, begin_ms + answer_ms / 2)] {
        gateway.with_at(key, at_ms, |connection, cx| {
            Dispatch::on_request(connection, request, cx);
        });
        gateway.run();
    }
    let mut time_is = |after_ms: u64| {
        gateway.with_at(key, begin_ms + after_ms, |connection, cx| {
            Dispatch::on_timer(connection, ANSWER, cx);
            Dispatch::flush(connection, cx);
        });
        gateway.run();
    };
    time_is(answer_ms - 1);
    assert!(first_answer.try_recv().is_err(), "it waits for its call");
    time_is(answer_ms);
    assert!(first_answer.try_recv().unwrap().is_ok());
    // The second one is carried out from now on, and has a time of its own.
    time_is(answer_ms + 1);
    assert!(second_answer.try_recv().is_err());
    time_is(2 * answer_ms);
    assert!(second_answer.try_recv().unwrap().is_ok());
}

#[test]
fn commands_of_one_request_take_turns_with_those_of_another() {
    let owners = Arc::new(Noted::default());
    let mut gateway = gateway(0, &owners);
    let sessions = crowd(&mut gateway, 2);
    let message = ClientMessage {
        id: None,
        packet: ClientPacket::Unsubscribe(Vec::new()),
    };
    for session in &sessions {
        let key = entry(&mut gateway, *session).session.connection().unwrap();
        let request = PollRequest {
            commands: vec![Ok(message.clone()); 640],
            batch: None,
            received: None,
            resume_id: None,
            respond: oneshot::channel().0,
        };
        gateway.with(key, |connection, cx| {
            Dispatch::on_request(connection, Request::Poll(Box::new(request)), cx);
        });
        gateway.run();
    }
    let taken = |gateway: &mut crate::gateway::Gateway| -> Vec<u64> {
        let of = |session: &SessionSlot| entry(gateway, *session).session.accepted();
        sessions.iter().map(of).collect()
    };
    let mut rounds = vec![taken(&mut gateway)];
    loop {
        gateway.intake.begin_turn();
        let has_more = gateway.go_on() != Next::None;
        rounds.push(taken(&mut gateway));
        if !has_more {
            break;
        }
    }
    // No turn carries out more than its part, and both get on.
    for turn in rounds.windows(2) {
        let [before, after] = [&turn[0], &turn[1]].map(|round| round.iter().sum::<u64>());
        assert!(after - before <= 256, "{rounds:?}");
    }
    assert!(rounds[0].iter().sum::<u64>() <= 256, "{rounds:?}");
    assert!(rounds[2][1] > 0 && rounds[2][0] < 640, "{rounds:?}");
    assert_eq!(rounds.last().unwrap(), &[640, 640]);
}

#[test]
fn poll_neither_leaves_nor_arrives() {
    let limits = Arc::new(ConnectionLimits::default());
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let permit = limits.admit(address, 1, 1).unwrap();
    let mut poll = Poll::connection(SessionId::random().unwrap(), permit, 0);
    assert_eq!(poll.transport.group(None), None);
    assert!(poll.transport.arrive(None).is_none());
    let websocket = WebSocket::new(Purpose::Sessions, Vec::new());
    let mut websocket = Transport::WebSocket(websocket);
    assert!(websocket.group(None).is_some());
    assert!(websocket.arrive(None).is_some());
}

/// A numbered request with so many lookups, and its answer.
fn lookups(
    gateway: &mut Gateway,
    session: SessionSlot,
    commands: usize,
    id: Option<RequestId>,
) -> Answer {
    let (respond, answer) = oneshot::channel();
    let message = ClientMessage {
        id,
        packet: ClientPacket::Lookup(vec![user("1:2")]),
    };
    let request = PollRequest {
        commands: vec![Ok(message); commands],
        batch: Some(1),
        received: None,
        resume_id: None,
        respond,
    };
    let connection = entry(gateway, session).session.connection().unwrap();
    gateway.with(connection, |connection, cx| {
        Dispatch::on_request(connection, Request::Poll(Box::new(request)), cx);
    });
    gateway.run();
    answer
}

const SAVING: Drain = Drain {
    spread_ms: 0,
    is_ending: true,
    is_saving: true,
};

#[test]
fn poll_with_a_request_under_way_is_answered_that_it_goes_away_before_sessions_are_saved() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let sessions = crowd(&mut gateway, 2);
    let id = Some(RequestId("1".into()));
    let mut answer = lookups(&mut gateway, sessions[0], 1, id);
    assert!(answer.try_recv().is_err(), "its call waits");
    gateway.begin_drain(SAVING);
    let answer = answer.try_recv().unwrap().unwrap();
    let answer = std::str::from_utf8(&answer.body).unwrap();
    assert!(
        answer.contains("$av:close") && !answer.contains("goaway"),
        "{answer}"
    );
    for session in sessions {
        let entry = entry(&mut gateway, session);
        assert_eq!(entry.session.connection(), None);
        assert_eq!(entry.session.outbox.waiting_len(), 0, "no goaway waits");
    }
}

#[test]
fn commands_of_a_request_are_carried_out_before_sessions_are_saved() {
    let mut gateway = gateway(0, &Arc::new(Noted::default()));
    let session = begin(&mut gateway);
    let mut answer = lookups(&mut gateway, session, 640, None);
    gateway.begin_drain(SAVING);
    gateway.drain_rest();
    let taken = |gateway: &mut Gateway| entry(gateway, session).session.accepted();
    assert!(taken(&mut gateway) < 640);
    assert!(answer.try_recv().is_err(), "some of its commands wait");
    loop {
        gateway.intake.begin_turn();
        let next = gateway.go_on();
        gateway.flush();
        if next == Next::None {
            break;
        }
    }
    assert_eq!(taken(&mut gateway), 640);
    let answer = answer.try_recv().unwrap().unwrap();
    assert!(answer.body.windows(9).any(|part| part == b"$av:close"));
}
