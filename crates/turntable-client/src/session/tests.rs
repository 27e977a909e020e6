#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::{Value, json};
use turntable_core::id::ChannelId;
use turntable_core::packet::JoinChannel;

use super::*;

const SECRET: &str = "AbCdEfGhIjKlMnOpQrStUg";

fn session() -> Session {
    Session::new(Encoding::Json, true)
}

fn call(done: Option<Done>) -> Command {
    Command {
        packet: ClientPacket::Call {
            f: "forum:read".into(),
            args: None,
            user: None,
        },
        answers: None,
        done,
    }
}

/// A message of the server.
fn say(session: &mut Session, command: &str, data: &Value, id: Option<u64>) -> Vec<Effect> {
    let mut message = json!({"command": command, "data": data});
    if let Some(id) = id {
        message["id"] = id.into();
    }
    session.message(&message.to_string(), 0);
    session.take_effects()
}

fn welcome(resumed: bool, accepted: u64) -> Value {
    json!({"user": "1:1", "session": SECRET, "resumed": resumed, "accepted": accepted,
        "heartbeat_ms": 20_000, "limits": {"max_message_bytes": 200}})
}

/// The frames among the effects.
fn written(effects: &[Effect]) -> Vec<Value> {
    let written = effects.iter().filter_map(|effect| match effect {
        Effect::Write(frame) => Some(serde_json::from_str(frame.to_text().unwrap()).unwrap()),
        _ => None,
    });
    written.collect()
}

fn identified() -> Session {
    let mut session = session();
    assert!(matches!(
        say(&mut session, "idyou", &json!({}), None)[..],
        [Effect::Identify]
    ));
    let claim = Claim {
        user: UserId::parse("1:1").ok(),
        attributes: Vec::new(),
    };
    session.identify(&claim, None);
    let claim = json!({"command": "idme", "data": {"user": "1:1"}});
    assert_eq!(written(&session.take_effects()), [claim]);
    say(&mut session, "welcome", &welcome(false, 0), None);
    assert!(session.has_room());
    session
}

fn cut(session: &mut Session) -> Option<Ended> {
    session.lost(&Disconnection::lost("cut"))
}

#[test]
fn resume_repeats_what_the_server_did_not_take() {
    let mut session = identified();
    for _ in 0..3 {
        assert!(session.send(call(None), 0).is_none());
    }
    let sent = written(&session.take_effects());
    assert_eq!(sent.len(), 3);
    say(&mut session, "reply", &json!(1), Some(1));
    assert_eq!(cut(&mut session), None);
    assert!(!session.has_room());
    let resume = written(&say(&mut session, "idyou", &json!({}), None));
    let data = json!({"session": SECRET, "received": 1, "attempt": 1});
    assert_eq!(resume, [json!({"command": "resume", "data": data})]);
    let repeated = written(&say(&mut session, "welcome", &welcome(true, 2), None));
    assert_eq!(repeated, sent[2..]);
}

#[test]
fn all_messages_behind_the_first_welcome_are_counted() {
    let mut session = identified();
    say(&mut session, "userchange", &json!({}), None);
    say(&mut session, "confetti", &json!({}), None);
    session.message("no message", 0);
    say(&mut session, "welcome", &welcome(true, 0), Some(9));
    assert_eq!(session.received, 4);
    cut(&mut session);
    say(&mut session, "idyou", &json!({}), None);
    say(&mut session, "welcome", &welcome(true, 0), None);
    assert_eq!(session.received, 4);
}

#[test]
fn answers_reach_those_who_wait() {
    let mut session = identified();
    let (done, mut answer) = oneshot::channel();
    assert!(session.send(call(Some(done)), 0).is_none());
    say(&mut session, "reply", &json!({"posts": []}), Some(1));
    assert_eq!(answer.try_recv().unwrap().unwrap().get(), r#"{"posts":[]}"#);
    let (done, mut answer) = oneshot::channel();
    assert!(session.send(call(Some(done)), 0).is_none());
    let refused = json!({"code": "service_down", "message": "no"});
    say(&mut session, "error", &refused, Some(2));
    let error = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ServiceDown));
    assert_eq!(session.sent.len(), 0);
}

#[test]
fn command_that_nobody_waits_for_any_more_is_not_sent() {
    let mut session = identified();
    let (done, answer) = oneshot::channel();
    drop(answer);
    assert!(session.send(call(Some(done)), 0).is_none());
    assert!(session.take_effects().is_empty());
}

#[test]
fn message_over_the_limit_of_the_server_is_not_sent() {
    let mut session = identified();
    let (done, mut answer) = oneshot::channel();
    let mut large = call(Some(done));
    large.packet = ClientPacket::Reply {
        result: Payload::from_json(&format!("\"{}\"", "x".repeat(200))),
    };
    assert!(session.send(large, 0).is_none());
    let error = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TooLarge));
    assert!(session.take_effects().is_empty());
}

#[test]
fn lost_session_answers_calls_and_restores_desired_state() {
    let mut session = identified();
    let (done, mut answer) = oneshot::channel();
    assert!(session.send(call(Some(done)), 0).is_none());
    let (joined, mut join_answer) = oneshot::channel();
    let join = Command {
        packet: ClientPacket::JoinChannel(JoinChannel {
            below: Vec::new(),
            channel: ChannelId::parse("chat").unwrap(),
            subpaths: false,
            since: None,
            history: None,
        }),
        answers: None,
        done: Some(joined),
    };
    assert!(session.send(join, 0).is_none());
    cut(&mut session);
    say(&mut session, "idyou", &json!({}), None);
    let expired = json!({"code": "session_expired", "message": "gone"});
    let effects = say(&mut session, "error", &expired, None);
    assert!(matches!(effects[..], [Effect::Identify]));
    say(&mut session, "welcome", &welcome(false, 0), None);
    assert!(matches!(
        answer.try_recv().unwrap(),
        Err(Error::SessionLost)
    ));
    // The join is sent again, and its caller still waits.
    let again = session.restoring().unwrap();
    assert!(join_answer.try_recv().is_err() && session.restoring().is_none());
    assert!(session.send(again, 0).is_none());
    let sent = written(&session.take_effects());
    assert_eq!(sent[0]["command"], "joinchannel");
    let id = sent[0]["id"].as_u64();
    let data = json!({"channel": "chat", "epoch": "e", "offset": 3, "recovered": false});
    say(&mut session, "joined", &data, id);
    assert!(join_answer.try_recv().unwrap().is_ok());
}

#[test]
fn refused_claims_end_unless_they_pass() {
    let claim = |session: &mut Session, code: &str, details: Value| {
        say(session, "idyou", &json!({}), None);
        let error = json!({"code": code, "message": "no", "details": details});
        say(session, "error", &error, None)
    };
    let invalid = json!({"reason": "invalid"});
    let effects = claim(&mut session(), "unauthorized", invalid);
    assert!(matches!(effects[..], [Effect::End(Ended::Refused(_))]));
    let busy = claim(&mut session(), "rate_limited", json!({"retry_ms": 70}));
    assert!(matches!(
        busy[..],
        [Effect::Drop {
            wait_ms: Some(70),
            ..
        }]
    ));
    // Expired credentials are requested once more.
    let mut again = session();
    let expired = json!({"reason": "expired"});
    let effects = claim(&mut again, "unauthorized", expired.clone());
    assert!(matches!(effects[..], [Effect::Identify]));
    let error = json!({"code": "unauthorized", "message": "no", "details": expired});
    let effects = say(&mut again, "error", &error, None);
    assert!(matches!(effects[..], [Effect::End(_)]));
}

#[test]
fn terminal_close_codes_end_the_session_with_what_the_server_said() {
    let mut session = identified();
    let kicked = json!({"code": "forbidden", "message": "out", "details": {"reason": "kicked"}});
    say(&mut session, "error", &kicked, None);
    let end = Disconnection {
        code: Some(4005),
        text: String::new(),
    };
    let Some(Ended::Disconnected { name, refusal, .. }) = session.lost(&end) else {
        panic!("not the end");
    };
    assert_eq!(name, "kicked");
    assert_eq!(refusal.unwrap().reason(), Some("kicked"));
    assert!(session.secret.is_none());
}

#[test]
fn exchange_confirms_acknowledges_and_finds_the_dead() {
    let mut session = identified();
    assert!(session.send(call(None), 0).is_none());
    session.take_effects();
    assert_eq!(session.next_ms(), Some(10_000));
    session.tick(10_000, 77);
    let exchange = json!({"command": "time", "data": {"t0": 77, "received": 0}});
    assert_eq!(written(&session.take_effects()), [exchange]);
    say(
        &mut session,
        "time",
        &json!({"t0": 77, "t1": 1, "t2": 2}),
        None,
    );
    assert_eq!(session.sent.len(), 0);
    session.tick(20_000, 78);
    session.take_effects();
    session.tick(session.next_ms().unwrap(), 79);
    assert!(matches!(session.take_effects()[..], [Effect::Drop { .. }]));
}

#[test]
fn calls_and_cancels_are_effects() {
    let mut session = identified();
    let call = json!({"f": "forum:read", "args": [1], "user": "1:2"});
    let effects = say(&mut session, "call", &call, Some(5));
    let [Effect::Call { f, args, id, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    let args = args.as_ref().map(|args| args.get());
    assert_eq!(
        (f.as_str(), args, *id),
        ("forum:read", Some("[1]"), Some(5))
    );
    let cancel = json!({"f": "$av:cancel", "args": {"id": 5}});
    let effects = say(&mut session, "call", &cancel, None);
    assert!(matches!(effects[..], [Effect::Cancel(5)]));
}

#[test]
fn credentials_are_renewed_before_they_expire() {
    let mut session = session();
    say(&mut session, "idyou", &json!({}), None);
    let mut data = welcome(false, 0);
    data["expires_in"] = 100.into();
    say(&mut session, "welcome", &data, None);
    session.tick(79_000, 0);
    let effects = session.take_effects();
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Renew)));
    say(&mut session, "time", &json!({"t0": 0}), None);
    session.tick(80_000, 0);
    let effects = session.take_effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Renew)));
    session.renew(Some(json!({"token": "t"}).into()), 80_000);
    let renewal = &written(&session.take_effects())[0];
    assert_eq!(renewal["command"], "authenticate");
}

fn join_command(path: &str, done: Option<Done>) -> Command {
    Command {
        packet: ClientPacket::JoinChannel(JoinChannel {
            below: Vec::new(),
            channel: ChannelId::parse(path).unwrap(),
            subpaths: false,
            since: None,
            history: None,
        }),
        answers: None,
        done,
    }
}

/// The session is lost, and another one begins.
fn begin_again(session: &mut Session) {
    cut(session);
    say(session, "idyou", &json!({}), None);
    let expired = json!({"code": "session_expired", "message": "gone"});
    say(session, "error", &expired, None);
    say(session, "welcome", &welcome(false, 0), None);
}

/// Sends what a new session gets. Returns the frames.
fn restore(session: &mut Session) -> Vec<Value> {
    while let Some(command) = session.restoring() {
        assert!(session.send(command, 0).is_none());
    }
    written(&session.take_effects())
}

#[test]
fn all_callers_of_one_join_get_its_answer_in_the_next_session() {
    let mut session = identified();
    let waits: Vec<_> = (0..3)
        .map(|_| {
            let (done, answer) = oneshot::channel();
            assert!(session.send(join_command("chat", Some(done)), 0).is_none());
            answer
        })
        .collect();
    session.take_effects();
    begin_again(&mut session);
    for sent in restore(&mut session) {
        assert_eq!(sent["command"], "joinchannel");
        let data = json!({"channel": "chat", "epoch": "e", "offset": 3, "recovered": false});
        say(&mut session, "joined", &data, sent["id"].as_u64());
    }
    for mut answer in waits {
        assert!(answer.try_recv().unwrap().is_ok());
    }
    // It is one join in the session after that.
    begin_again(&mut session);
    assert_eq!(restore(&mut session).len(), 1);
}

#[test]
fn refused_second_join_does_not_end_the_first() {
    let mut session = identified();
    assert!(session.send(join_command("chat", None), 0).is_none());
    let data = json!({"channel": "chat", "epoch": "e", "offset": 3, "recovered": false});
    say(&mut session, "joined", &data, Some(1));
    let (done, mut answer) = oneshot::channel();
    assert!(session.send(join_command("chat", Some(done)), 0).is_none());
    let refused = json!({"code": "forbidden", "message": "no"});
    say(&mut session, "error", &refused, Some(2));
    assert!(answer.try_recv().unwrap().is_err());
    session.take_effects();
    begin_again(&mut session);
    let sent = restore(&mut session);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["data"]["since"], json!({"epoch": "e", "offset": 3}));
}

#[test]
fn room_that_is_full_meanwhile_is_given_up_and_holds_nothing_up() {
    let mut session = identified();
    assert!(session.send(join_command("chat", None), 0).is_none());
    session.take_effects();
    begin_again(&mut session);
    let sent = restore(&mut session);
    let busy = json!({"code": "unavailable", "message": "later"});
    say(&mut session, "error", &busy, sent[0]["id"].as_u64());
    let sent = restore(&mut session);
    assert_eq!(sent.len(), 1, "it is sent again");
    let full = json!({"code": "too_many", "message": "full", "details": {"max": 8}});
    let effects = say(&mut session, "error", &full, sent[0]["id"].as_u64());
    assert!(matches!(effects[..], [Effect::Event(Event::Refused(_))]));
    assert_eq!(restore(&mut session), [] as [Value; 0]);
    begin_again(&mut session);
    assert_eq!(restore(&mut session), [] as [Value; 0]);
}

#[test]
fn command_that_waited_for_its_rate_comes_behind_the_restored_state() {
    let mut session = identified();
    assert!(session.send(join_command("chat", None), 0).is_none());
    session.take_effects();
    for _ in 0..2 {
        begin_again(&mut session);
        let (done, mut answer) = oneshot::channel();
        session.requeue(call(Some(done)));
        // Another loss, before anything was sent.
        begin_again(&mut session);
        let commands: Vec<Value> = restore(&mut session);
        let names: Vec<_> = commands.iter().map(|sent| &sent["command"]).collect();
        assert_eq!(names, ["joinchannel", "call"]);
        say(&mut session, "reply", &json!(1), commands[1]["id"].as_u64());
        assert!(answer.try_recv().unwrap().is_ok());
    }
}

#[test]
fn welcome_says_over_how_long_clients_come_back_after_a_crash() {
    for reconnect_ms in [None, Some(30_000)] {
        let mut session = session();
        say(&mut session, "idyou", &json!({}), None);
        let mut data = welcome(false, 0);
        if let Some(ms) = reconnect_ms {
            data["reconnect_ms"] = json!(ms);
        }
        let effects = say(&mut session, "welcome", &data, None);
        let online = effects.iter().find_map(|effect| match effect {
            Effect::Online(online) => Some(online.reconnect_ms),
            _ => None,
        });
        assert_eq!(online, Some(reconnect_ms.unwrap_or(0)));
    }
}

#[test]
fn messages_that_were_left_out_are_a_gap_before_the_next_one() {
    let mut session = identified();
    assert!(session.send(join_command("chat", None), 0).is_none());
    let data = json!({"channel": "chat", "epoch": "e", "offset": 3, "recovered": false});
    say(&mut session, "joined", &data, Some(1));
    let mut events = |offset: u64| -> Vec<Event> {
        let data = json!({"channel": "chat", "id": "01JD0000000000000000000000", "offset": offset,
            "time": 1, "data": null});
        let effects = say(&mut session, "message", &data, None).into_iter();
        let events = effects.filter_map(|effect| match effect {
            Effect::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    };
    assert!(matches!(events(4)[..], [Event::Message(_)]));
    let gap = Event::Gap {
        channel: ChannelId::parse("chat").unwrap(),
        last: 4,
        next: 8,
    };
    assert!(matches!(&events(8)[..], [first, Event::Message(_)] if *first == gap));
    // One of the history, and the next one.
    assert!(matches!(events(6)[..], [Event::Message(_)]));
    assert!(matches!(events(9)[..], [Event::Message(_)]));
}
