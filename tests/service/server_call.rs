//! Calls of the server itself: by the operator, and by a program that embeds the server.

use std::time::Duration;

use serde_json::json;

use crate::{beside, manage, next, offering};
use turntable::app::Running;
use turntable::config::load;
use turntable_core::id::UserId;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_testkit::{Client, Server};

#[test]
fn call_of_the_operator_has_the_deadline_of_its_function() {
    let keys = [
        ("functions.timeout_ms", "1000"),
        ("session.answer_timeout_ms", "100"),
    ];
    let server = Server::configured("", &keys);
    let mut mel = offering(&server, "1:2", "friends", &["newFriend"]);
    let body = json!({"userId": "1:2", "f": "friends:newFriend"});
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| manage(&server, "user/call", &body));
        let called = next(&mut mel);
        // Ten times as late as other questions end.
        let cancel = json!({"f": "$av:cancel", "args": {"id": called["id"]}});
        assert_eq!(next(&mut mel)["data"], cancel);
        let (status, answer) = answered.join().unwrap();
        assert_eq!((status, &answer["error"]["code"]), (408, &json!("timeout")));
    });
}

#[cfg(debug_assertions)]
#[test]
fn calls_of_the_server_are_answered_where_the_owner_is_lost() {
    let keys = [("test_faults", "1"), ("functions.timeout_ms", "600000")];
    let server = Server::configured("", &keys);
    let mut mel = offering(&server, "1:2", "friends", &["newFriend"]);
    let body = json!({"userId": "1:2", "f": "friends:newFriend"});
    std::thread::scope(|scope| {
        let first = scope.spawn(|| manage(&server, "user/call", &body));
        next(&mut mel);
        let mut other = server.user("1:1");
        let fault = json!({"f": "fault:service", "args": "1:2 friends"});
        other.request("call", fault);
        let (status, answer) = manage(&server, "user/call", &body);
        let expected = (503, &json!("unavailable"));
        assert_eq!((status, &answer["error"]["code"]), expected, "in its hands");
        let (status, answer) = first.join().unwrap();
        assert_eq!((status, &answer["error"]["code"]), expected, "given out");
    });
    // What she offers is known again.
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| manage(&server, "user/call", &body));
        let called = next(&mut mel);
        mel.send(json!({"command": "reply", "data": "done", "id": called["id"]}));
        assert_eq!(answered.join().unwrap(), (200, json!("done")));
    });
}

#[actix_rt::test]
async fn program_asks_for_a_deadline_of_a_call() {
    let keys = "[server]\nlisten = \"127.0.0.1:0\"\n[management]\nlisten = \"127.0.0.1:0\"\n\
                [session]\nanswer_timeout_ms = 100\n[functions]\ntimeout_ms = 100\n\
                [services.forum]\nproviders = [\"service:forum\"]\ntimeout_ms = 600000\n";
    let config = load::compose(Some(("c.toml", keys)), &[], &|_| unreachable!()).unwrap();
    let running = Running::start(config).unwrap();
    let address = running.server;
    let connect = move |user: &'static str, service: &'static str| {
        let mut client = Client::greeted(address);
        client.identify(user);
        client.request("provide", json!({"services": {service: ["f"]}}));
        client
    };
    let mel = beside(move || connect("1:2", "own")).await;
    let avatar = running.avatar(&UserId::parse("1:2").unwrap());
    let long = avatar.call_within("own:f", None, Duration::from_secs(600));
    let answer = async {
        let (id, mut mel) = beside(move || {
            let mut mel = mel;
            (next(&mut mel)["id"].clone(), mel)
        })
        .await;
        // Another call ends at the usual deadline, when the first would have.
        let usual = avatar.call("own:f", None).await;
        assert_eq!(usual.unwrap_err().code, ErrorCode::Timeout);
        mel.send(json!({"command": "reply", "data": 7, "id": id}));
        mel
    };
    let (answered, _mel) = tokio::join!(long, answer);
    assert_eq!(answered, Ok(Payload::from_json("7")));
    let _forum = beside(move || connect("service:forum", "forum")).await;
    let short = Duration::from_millis(50);
    let short = running.call_service_within("forum:f", None, short).await;
    assert_eq!(short.unwrap_err().code, ErrorCode::Timeout);
    running.stop(Duration::from_millis(100)).await;
}
