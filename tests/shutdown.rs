//! The end of a server: everybody is sent away in order, and in time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Opcode, Server};

#[test]
fn a_terminated_server_sends_everybody_away_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::with(&[("server.echo", "true")]);
        let (mut user, mut nobody, mut echo) =
            (server.user("1:1"), server.connect(), server.echo());
        server.signal(signal);
        let goaway = user.expect("goaway");
        assert!(goaway["reason"].is_string(), "{goaway}");
        assert!(goaway["reconnect_ms"].as_u64().unwrap() > 0);
        user.expect_close(1001);
        nobody.expect_close(1001);
        echo.expect_close(1001);
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    }
}

#[test]
fn a_server_without_connections_ends_at_once() {
    let mut server = Server::with(&[("server.shutdown_ms", "60000")]);
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(TcpStream::connect(server.address).is_err());
    assert!(TcpStream::connect(server.management).is_err());
}

#[test]
fn clients_that_do_not_go_hold_it_up_for_so_long_only() {
    let mut server = Server::with(&[("server.shutdown_ms", "700")]);
    let mut deaf = server.user("1:1");
    let start = Instant::now();
    server.signal("TERM");
    deaf.expect("goaway");
    let close = deaf.frame();
    assert_eq!(
        (close.opcode, close.close_code()),
        (Opcode::CLOSE, Some(1001))
    );
    // Not answered, not closed.
    assert_eq!(server.wait().code(), Some(0));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(600), "{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(deaf.frame_or_end(), None);
}

#[test]
fn while_it_stops_it_is_alive_but_not_ready() {
    let server = Server::with(&[("server.shutdown_ms", "60000")]);
    assert_eq!(server.manage("/health/ready").status, 200);
    let mut deaf = server.user("1:1");
    server.signal("TERM");
    deaf.expect("goaway");
    let ready = server.manage("/health/ready");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json(), json!({"status": "draining"}));
    assert_eq!(server.manage("/health/live").status, 200);
}

#[test]
fn a_blocked_reader_does_not_hold_up_the_end() {
    let mut server = Server::with(&[
        ("server.shutdown_ms", "500"),
        ("limits.publish.per_second", "0"),
    ]);
    let mut stopped = server.user("2:1");
    stopped.command("joinchannel", json!({"channel": "busy"}));
    stopped.expect("joined");
    let mut publisher = server.user("1:1");
    let filler = "x".repeat(60_000);
    for _ in 0..150 {
        publisher.ask("publish", json!({"channel": "busy", "data": filler}));
    }
    server.signal("TERM");
    publisher.expect("goaway");
    publisher.expect_close(1001);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_next_server_may_have_the_same_address_at_once() {
    let mut first = Server::start();
    let mut client = first.user("1:1");
    first.signal("TERM");
    assert_eq!(client.close_code(), 1001);
    first.wait();
    let listen = first.address.to_string();
    let second = Server::with(&[("server.listen", &listen)]);
    assert_eq!(second.address, first.address);
    second.user("1:1");
}
