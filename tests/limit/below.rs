//! Listeners above busy channels: all that is published below a path may be more than
//! they read, though each channel is within its rate.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;
use socket2::{Domain, Socket, Type};
use turntable_testkit::channel::{join, join_with_subpaths, publish};
use turntable_testkit::metric::{CLOSED_TOO_SLOW, limits_reached};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Server};

const PAYLOAD: usize = 60_000;

/// A client whose kernel takes little for it while it does not read.
fn slow_client(server: &Server, user: &str) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(32_768).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(handshake("/ws", "").as_bytes()).unwrap();
    let mut client = Client::after_handshake(stream);
    client.expect("idyou");
    client.identify(user);
    client
}

#[test]
fn listener_above_busy_channels_misses_messages_and_is_not_closed() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
    ]);
    let mut listener = slow_client(&server, "2:1");
    join_with_subpaths(&mut listener, "a");
    join(&mut listener, "b/own");
    let mut publisher = server.user("1:1");
    let filler = "x".repeat(PAYLOAD);
    let channels = 20;
    for channel in 0..channels {
        // Five are within the burst of a channel.
        for _ in 0..5 {
            publish(&mut publisher, &format!("a/{channel}"), json!(filler));
        }
    }
    // What the listener named is not left out.
    publish(&mut publisher, "a", json!("by name, with subpaths"));
    publish(&mut publisher, "b/own", json!("by name"));
    let (mut below, mut errors, mut by_name) = (0, 0, 0);
    while by_name < 2 {
        let message = listener.next();
        if message["command"] == "error" {
            assert_eq!(message["data"]["code"], "rate_limited");
            assert_eq!(message["data"]["command"], "joinchannel");
            errors += 1;
        } else if message["data"]["data"] == json!(filler) {
            below += 1;
        } else {
            by_name += 1;
        }
    }
    assert_eq!(errors, 1, "one for all that is left out");
    assert!((5..5 * channels).contains(&below), "{below} of 100");
    assert_eq!(server.metric(CLOSED_TOO_SLOW), 0.0);
    let reached = limits_reached("session.outbox_bytes_max");
    assert_eq!(server.metric(&reached), 1.0);
    // It has caught up.
    let answer = publish(&mut publisher, "a/0", json!("later"));
    let message = listener.expect("message");
    assert_eq!(message["data"], "later");
    assert_eq!(message["offset"], answer["offset"]);
    listener.expect_nothing_pending();
}
