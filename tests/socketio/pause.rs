//! Packets behind one that has to be waited for: CONNECT, DISCONNECT, `idme`.

use std::collections::VecDeque;

use serde_json::json;

use turntable_testkit::engineio::{Polling, websocket};
use turntable_testkit::socketio::Socket;
use turntable_testkit::{Client, Frame, Server};

/// Sends these packets in one segment.
fn send_together(client: &mut Client, packets: &[&str]) {
    let frames = packets.iter().map(|packet| Frame::text(packet).masked());
    client.send_raw(&frames.collect::<Vec<_>>().concat());
}

#[test]
fn closed_namespace_does_not_end_pause_of_another() {
    let server = Server::with(&[
        ("server.workers", "1"),
        ("socketio.namespaces", r#"["/lobby"]"#),
    ]);
    let (main, welcome) = Socket::user(server.address, "websocket", "1:1");
    let mut client = main.into_websocket();
    let mut other = server.connect();
    // Its first event, that it can be written, is taken.
    other.expect_nothing_pending();
    // The server finds both inputs in one turn, and the avatar answers behind
    // that turn: the main namespace is replaced while the other one is being
    // identified.
    server.freeze();
    send_together(
        &mut client,
        &[
            r#"40/lobby,{"user":"1:2"}"#,
            r#"42/lobby,1["time",{"t0":1}]"#,
        ],
    );
    let resume = json!({"session": welcome["session"], "received": 0});
    other.command("resume", resume);
    server.await_arrival(&client);
    server.await_arrival(&other);
    server.thaw();
    assert_eq!(other.expect("welcome")["resumed"], true);
    client.send_text(r#"42/lobby,2["time",{"t0":2}]"#);
    let mut packets = Vec::new();
    while packets
        .last()
        .is_none_or(|packet: &String| !packet.starts_with("43/lobby,2["))
    {
        packets.push(client.text());
    }
    assert_eq!(packets[0], "41", "the main namespace was replaced");
    let has_answer = packets
        .iter()
        .any(|packet| packet.starts_with("43/lobby,1["));
    assert!(has_answer, "{packets:?}");
}

#[test]
fn bye_behind_connect_follows_welcome() {
    let server = Server::start();
    let (mut client, _) = websocket(server.address, "/socket.io/");
    send_together(&mut client, &[r#"40{"user":"1:1"}"#, r#"42["bye",{}]"#]);
    assert!(client.text().starts_with("40{"));
    assert_eq!(client.text(), r#"42["idyou",{}]"#);
    let welcome = client.text();
    assert!(welcome.starts_with(r#"42["welcome""#), "{welcome}");
    assert_eq!(client.text(), "41");
}

#[test]
fn namespace_is_answered_behind_one_that_was_refused() {
    let server = Server::with(&[
        ("portal.realms", r#"["1"]"#),
        ("socketio.namespaces", r#"["/lobby"]"#),
    ]);
    let (mut client, _) = websocket(server.address, "/socket.io/");
    send_together(
        &mut client,
        &[
            r#"40{"user":"2:1"}"#,
            r#"40/lobby,{"user":"1:1"}"#,
            r#"42/lobby,1["time",{"t0":1}]"#,
        ],
    );
    assert!(client.text().starts_with("44{"));
    assert!(client.text().starts_with("40/lobby,{"));
    let packets: Vec<String> = (0..3).map(|_| client.text()).collect();
    assert!(packets[2].starts_with("43/lobby,1["), "{packets:?}");
}

#[test]
fn many_pairs_of_connect_and_disconnect_are_taken_in_order() {
    let server = Server::with(&[
        ("limits.call.per_second", "0"),
        ("socketio.packets_max", "1000"),
    ]);
    let mut packets = ["40", "41"].repeat(400);
    packets.extend(["40", r#"42["time",{"t0":7}]"#]);
    let (mut client, _) = websocket(server.address, "/socket.io/");
    send_together(&mut client, &packets);
    let polling = Polling::open(server.address, "/socket.io/");
    polling.push(&packets);
    let mut polled = VecDeque::new();
    let mut next_polled = || {
        if polled.is_empty() {
            polled.extend(polling.poll());
        }
        polled.pop_front().unwrap()
    };
    let mut next: [&mut dyn FnMut() -> String; 2] = [&mut || client.text(), &mut next_polled];
    for next in &mut next {
        let mut connects = 0;
        loop {
            let packet = next();
            connects += usize::from(packet.starts_with("40{"));
            if packet.starts_with(r#"42["time",{"t0":7,"#) {
                break;
            }
        }
        assert_eq!(connects, 401);
    }
}

#[test]
fn connects_over_the_rate_are_refused() {
    let server = Server::with(&[
        ("limits.call", "{ per_second = 1, burst = 2 }"),
        ("session.error_burst", "3"),
        ("session.errors_per_second", "1"),
    ]);
    let (mut client, _) = websocket(server.address, "/socket.io/");
    send_together(&mut client, &["40", "41", "40", "41", "40"]);
    let mut accepted = 0;
    let refused = loop {
        let packet = client.text();
        if packet.starts_with("44{") {
            break packet;
        }
        accepted += usize::from(packet.starts_with("40{"));
    };
    assert_eq!(accepted, 2);
    assert!(refused.contains("rate_limited"), "{refused}");
    // As each refused CONNECT, it is charged like an error.
    send_together(&mut client, &["40"; 5]);
    assert_eq!(client.close_code(), 4006);
}
