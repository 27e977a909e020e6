//! Tunnels in the format `longpoll`: a request for each batch.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{DEADLINE, Server};

#[test]
fn consecutive_long_polls_get_everything_once() {
    let server = Server::start();
    let tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    let mut last = tunnel.last.clone();
    let (mut published, mut got) = (0, 0);
    while got < 60 {
        for _ in 0..(published * 7) % 5 + 1 {
            friend.request("publish", json!({"channel": "c", "data": published}));
            published += 1;
        }
        let query = format!("id={}&format=longpoll&after={last}", tunnel.id);
        let batch: Value = serde_json::from_str(&Stream::open(&server, &query).rest()).unwrap();
        let batch = batch.as_array().unwrap();
        assert_eq!(batch[0], json!({"tunnel": tunnel.id}));
        assert!(batch.len() > 1, "empty although datagrams waited");
        for datagram in &batch[1..] {
            assert_eq!(datagram["data"], got);
            last = datagram["id"].as_str().unwrap().to_owned();
            got += 1;
        }
    }
}

#[test]
fn long_poll_waits_and_ends_empty_after_timeout() {
    let server = Server::with(&[("tunnel.longpoll_ms", "200")]);
    let tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let query = format!("id={}&format=longpoll&after={}", tunnel.id, tunnel.last);
    let empty = Stream::open(&server, &query).rest();
    assert_eq!(empty, format!("[{{\"tunnel\":\"{}\"}}]", tunnel.id));
    // A waiting request gets the next datagram.
    let server = Server::start();
    let tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let query = format!("id={}&format=longpoll&after={}", tunnel.id, tunnel.last);
    let address = server.address;
    let waiting = {
        let mut socket = TcpStream::connect(address).unwrap();
        let text = format!("GET /tunnel?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        socket.write_all(text.as_bytes()).unwrap();
        socket
    };
    tunnel.publish("c", json!("news"));
    let mut text = String::new();
    waiting.set_read_timeout(Some(DEADLINE)).unwrap();
    (&waiting).read_to_string(&mut text).unwrap();
    assert!(
        text.contains("\"data\":\"news\",") && text.ends_with("}]"),
        "{text}"
    );
}

#[test]
fn long_poll_client_stays_online_between_requests() {
    let server = Server::with(&[("presence.grace_ms", "0"), ("tunnel.gap_ms", "600")]);
    let mut friend = server.user("1:2");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "offline"}));
    let query = "new=1&format=longpoll&user=1:1";
    let batch: Value = serde_json::from_str(&Stream::open(&server, query).rest()).unwrap();
    assert_eq!(batch[1]["data"]["command"], "idyou");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    friend.expect_none();
    // No further request follows in time.
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
}
