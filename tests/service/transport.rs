//! The same over polls and Socket.IO, in both roles.

use std::time::Instant;

use serde_json::json;

use turntable_testkit::DEADLINE;
use turntable_testkit::poll::{PollClient, entries, post, result};
use turntable_testkit::socketio::Socket;

use crate::{call, next, provider, server, user};

#[test]
fn poll_calls_a_service() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    user(&server, "1:2", "forum").bye();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let called = next(&mut forum);
            forum.send(json!({"command": "reply", "data": {"post": 3}, "id": called["id"]}));
        });
        let mel = PollClient::user(&server, "1:1");
        let batch = json!([{"f": "forum:createPost", "args": {"title": "t"}, "id": "a"}]);
        let entries = mel.poll(&batch);
        assert_eq!(result(&entries, "a"), json!({"post": 3}));
    });
}

#[test]
fn poll_provides_a_service() {
    let server = server();
    let header = |session: &str| format!("Turntable-Session: {session}\r\n");
    let user = json!({"user": "service:forum", "credentials": {"token": "secret"}});
    let begin = json!([{"f": "$av:idme", "args": user, "id": 1}]);
    let begun = post(&server, "/poll", "", &begin.to_string());
    let session = begun.header("Turntable-Session").unwrap().to_owned();
    let services = json!({"services": {"forum": ["createPost"]}});
    let provide = json!([{"f": "$av:provide", "args": services, "id": 2}]);
    let provided = post(&server, "/poll", &header(&session), &provide.to_string());
    let provided = result(&entries(&provided), 2);
    assert_eq!(provided, json!({"services": ["forum"], "own": []}));

    let mut mel = crate::user(&server, "1:1", "forum");
    for (number, answer) in [
        json!({"r": {"post": 3}}),
        json!({"error": {"code": "refused", "message": "no"}}),
    ]
    .into_iter()
    .enumerate()
    {
        call(&mut mel, "forum:createPost", json!("x"), number as u64);
        let until = Instant::now() + DEADLINE;
        let called = loop {
            assert!(Instant::now() < until);
            let waiting = entries(&post(&server, "/poll", &header(&session), "[]"));
            let mut calls = waiting.into_iter().filter(|e| e["f"] == "forum:createPost");
            if let Some(called) = calls.next() {
                break called;
            }
        };
        assert_eq!(called["user"], "1:1");
        let mut entry = answer.clone();
        entry["id"] = called["id"].clone();
        post(&server, "/poll", &header(&session), &entry.to_string());
        let got = next(&mut mel);
        assert_eq!(got["id"], number);
        match answer.get("r") {
            Some(result) => assert_eq!(got["data"], *result),
            None => assert_eq!(got["data"]["code"], "refused"),
        }
    }
}

#[test]
fn socketio_calls_with_an_acknowledgement_and_provides_with_one() {
    let server = server();
    let auth = json!({"user": "service:forum", "credentials": {"token": "secret"}});
    let mut forum = Socket::connect(server.address, "websocket", auth);
    forum.expect("idyou");
    forum.expect("welcome");
    forum.request("provide", json!({"services": {"forum": ["createPost"]}}));
    let (mut mel, _) = Socket::user(server.address, "websocket", "1:1");
    mel.send_packet(r#"42900["call",{"f":"forum:createPost","args":{"title":"t"}}]"#);
    let called = loop {
        let packet = forum.packet();
        if packet.contains("createPost\",\"args") {
            break packet;
        }
    };
    // A number in front of the event wants an acknowledgement.
    let (ack, event) = called.strip_prefix("42").unwrap().split_once('[').unwrap();
    assert!(ack.parse::<u64>().is_ok(), "{called}");
    assert!(event.contains(r#""user":"1:1""#), "{called}");
    forum.send_packet(&format!("43{ack}[{{\"post\":3}}]"));
    let answer = loop {
        let packet = mel.packet();
        if packet.starts_with("43") {
            break packet;
        }
    };
    assert_eq!(answer, r#"43900[{"post":3}]"#);
}
