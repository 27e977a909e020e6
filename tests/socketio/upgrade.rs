//! Upgrades of an Engine.IO session from polling to a WebSocket.

use serde_json::json;

use turntable_testkit::engineio::{Polling, packets};
use turntable_testkit::metric::CONNECTIONS;
use turntable_testkit::socketio::Socket;
use turntable_testkit::{Frame, Server};

/// Where the conformance mode echoes messages.
const ECHO: &str = "/engine.io/";

fn echo_server() -> Server {
    Server::with(&[("socketio.conformance", "true")])
}

#[test]
fn session_upgrades_from_polling_to_websocket() {
    let server = echo_server();
    // The session and the WebSocket are on the same worker or on two.
    for _ in 0..4 {
        let polling = Polling::open(server.address, ECHO);
        // Answered the same whether it is taken before the probe or after it.
        let waiting = polling.start_poll();
        let mut probe = polling.probe();
        probe.send_text("2probe");
        assert_eq!(probe.text(), "3probe");
        assert_eq!(packets(&waiting.answer()), ["6"], "the waiting poll ends");
        assert_eq!(polling.poll(), ["6"], "and so does a further one");
        // Waiting packets are sent on the WebSocket after the upgrade.
        polling.push(&["4before", "bAQID"]);
        probe.send_text("5");
        assert_eq!(probe.text(), "4before");
        assert_eq!(probe.frame().payload, [1, 2, 3]);
        probe.send_text("4after");
        assert_eq!(probe.text(), "4after");
        let response = polling.get();
        assert_eq!(
            (response.status, response.json()["code"].clone()),
            (400, 3.into())
        );
        assert_eq!(polling.post("4x").json()["code"], 3);
        let mut second = polling.probe();
        assert_eq!(second.close_code(), 1002, "upgraded already");
        probe.send_text("4still");
        assert_eq!(probe.text(), "4still");
    }
}

#[test]
fn upgrade_with_messages_in_one_segment_works() {
    let server = echo_server();
    let polling = Polling::open(server.address, ECHO);
    let mut probe = polling.probe();
    let mut bytes = Vec::new();
    for text in ["2probe", "5", "4one", "4two"] {
        bytes.extend(Frame::text(text).masked());
    }
    probe.send_raw(&bytes);
    for text in ["3probe", "4one", "4two"] {
        assert_eq!(probe.text(), text);
    }
    server.await_metric(CONNECTIONS, 1.0);
}

#[test]
fn closed_probe_leaves_session_on_polling() {
    let server = echo_server();
    let polling = Polling::open(server.address, ECHO);
    let mut probe = polling.probe();
    probe.send_text("2probe");
    assert_eq!(probe.text(), "3probe");
    drop(probe);
    server.await_metric(CONNECTIONS, 1.0);
    polling.push(&["4here"]);
    assert_eq!(polling.poll(), ["4here"]);
    let mut probe = polling.probe();
    probe.send_text("2probe");
    assert_eq!(probe.text(), "3probe");
}

#[test]
fn probe_follows_session_to_another_worker() {
    let server = Server::start();
    // The resumed session is on the same worker or on the other one.
    for round in 0..8 {
        let (_old, welcome) = Socket::user(server.address, "websocket", "1:1");
        let polling = Polling::open(server.address, "/socket.io/");
        let mut probe = polling.probe();
        probe.send_text("2probe");
        assert_eq!(probe.text(), "3probe");
        let auth = json!({"session": welcome["session"], "received": 0});
        polling.push(&[&format!("40{auth}")]);
        probe.send_text("5");
        assert!(probe.text().starts_with("40{"), "round {round}");
        assert_eq!(probe.text(), r#"42["idyou",{}]"#);
        let welcome = probe.text();
        assert!(welcome.starts_with(r#"42["welcome""#), "{welcome}");
        probe.send_text(r#"423["time",{"t0":1}]"#);
        let answer = probe.text();
        assert!(answer.starts_with(r#"433[{"t0":1,"#), "{answer}");
    }
    // Every connection was released.
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn closing_probe_makes_room_for_another() {
    let server = Server::start();
    // The resumed session is on the same worker or on the other one.
    for round in 0..8 {
        let (_old, welcome) = Socket::user(server.address, "websocket", "1:1");
        let polling = Polling::open(server.address, "/socket.io/");
        let mut dead = polling.probe();
        dead.send_text("2probe");
        assert_eq!(dead.text(), "3probe");
        dead.send_text("4not yet");
        assert_eq!(dead.text(), "1");
        // Without an answer it stays for a while.
        assert_eq!(dead.frame().close_code(), Some(1002));
        let auth = json!({"session": welcome["session"], "received": 0});
        polling.push(&[&format!("40{auth}")]);
        let mut polled = Vec::new();
        while !polled
            .iter()
            .any(|packet: &String| packet.starts_with(r#"42["welcome""#))
        {
            polled.extend(polling.poll());
        }
        assert!(
            !polled.contains(&"6".to_owned()),
            "round {round}: {polled:?}"
        );
        let waiting = polling.start_poll();
        polling.push(&[r#"42["time",{"t0":1}]"#]);
        let answer = packets(&waiting.answer());
        assert!(
            answer[0].starts_with(r#"42["time""#),
            "round {round}: {answer:?}"
        );
        let mut probe = polling.probe();
        probe.send_text("2probe");
        assert_eq!(probe.text(), "3probe", "round {round}");
        probe.send_text("5");
        probe.send_text(r#"423["time",{"t0":1}]"#);
        let answer = probe.text();
        assert!(answer.starts_with(r#"433[{"t0":1,"#), "{answer}");
    }
}
