//! Frames that carry no message: answered within a rate, and closed beyond it.

use std::io::Write;
use std::time::Duration;

use turntable_testkit::engineio::websocket;
use turntable_testkit::metric::{RECEIVED_BYTES, limits_reached};
use turntable_testkit::{Client, Frame, Opcode, Server};

const MIB: usize = 1024 * 1024;

/// Sends as much as the server takes.
fn flood(client: &mut Client, bytes: &[u8]) {
    let timeout = Some(Duration::from_millis(500));
    client.stream.set_write_timeout(timeout).unwrap();
    let _ = client.stream.write_all(bytes);
}

#[test]
fn pings_within_the_rate_are_answered() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client.send_raw(&Frame::new(Opcode::PING, "here").masked().repeat(200));
    for _ in 0..200 {
        assert_eq!(client.frame(), Frame::new(Opcode::PONG, "here"));
    }
    client.expect_nothing_pending();
}

#[test]
fn flood_of_frames_without_message_is_closed() {
    let server = Server::start();
    let mut other = server.user("1:2");
    let floods = [
        Frame::new(Opcode::PING, "").masked(),
        Frame::new(Opcode::PONG, "unsolicited").masked(),
        Frame::fragment(Opcode::CONTINUATION, "").masked(),
    ];
    for frame in &floods {
        for is_identified in [false, true] {
            let mut client = match is_identified {
                true => server.user("1:1"),
                false => server.connect(),
            };
            if frame == &floods[2] {
                client.send_frame(&Frame::fragment(Opcode::TEXT, "x"));
            }
            // In several segments: a single one may be more than a burst.
            flood(&mut client, &frame.repeat(20_000));
            assert_eq!(client.close_code(), 4007);
        }
    }
    assert_eq!(server.metric(&limits_reached("limits.control")), 6.0);
    other.expect_nothing_pending();
}

#[test]
fn flood_of_engine_packets_is_closed() {
    let server = Server::start();
    for packet in ["3", "6"] {
        let (mut client, _) = websocket(server.address, "/socket.io/");
        flood(&mut client, &Frame::text(packet).masked().repeat(1_000));
        assert_eq!(client.close_code(), 4007);
    }
    assert_eq!(server.metric(&limits_reached("limits.control")), 2.0);
}

#[test]
fn closed_flood_is_not_read_on() {
    let server = Server::start();
    let mut client = server.user("1:1");
    let pings = Frame::new(Opcode::PING, vec![7; 125]).masked();
    for _ in 0..32 {
        flood(&mut client, &pings.repeat(MIB / pings.len()));
    }
    assert_eq!(client.close_code(), 4007);
    let received = server.metric(RECEIVED_BYTES) as usize;
    assert!(received < 3 * MIB, "{received} bytes of 32 MiB");
}
