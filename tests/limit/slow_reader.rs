//! Clients that stop reading: closed at the limit of their outbox, while memory
//! stays bounded and everybody else receives everything.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use turntable_testkit::metric::{CLOSED_TOO_SLOW, CONNECTIONS, SENT_BYTES};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, DEADLINE, Frame, Opcode, Server, session};

const MIB: u64 = 1024 * 1024;
/// A few hundred of these fill the buffers of any socket.
const PAYLOAD: usize = 60_000;

fn on_channel(server: &Server, user: &str) -> Client {
    let mut client = server.user(user);
    client.command("joinchannel", json!({"channel": "busy"}));
    client.expect("joined");
    client
}

/// Publishes `count` messages, numbered from `from`, and awaits each answer.
fn publish(publisher: &mut Client, from: usize, count: usize) {
    let filler = "x".repeat(PAYLOAD);
    for number in from..from + count {
        let data = json!({"number": number, "filler": filler});
        publisher.request("publish", json!({"channel": "busy", "data": data}));
    }
}

#[test]
fn stalled_readers_are_closed_and_others_receive_in_time() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let mut publisher = server.user("1:1");
    let mut stopped: Vec<Client> = (0..5)
        .map(|n| on_channel(&server, &format!("2:{n}")))
        .collect();
    let mut readers: Vec<Client> = (0..2)
        .map(|n| on_channel(&server, &format!("3:{n}")))
        .collect();
    let before = server.resident_bytes();
    let mut slowest = Duration::ZERO;
    let mut offset = None;
    // Far more than the sockets' buffers and the outboxes hold together.
    for number in 0..900 {
        let start = Instant::now();
        publish(&mut publisher, number, 1);
        for reader in &mut readers {
            let message = reader.expect("message");
            assert_eq!(message["data"]["number"], number);
        }
        slowest = slowest.max(start.elapsed());
        let next = number as u64;
        let first = *offset.get_or_insert(next);
        assert_eq!(first, 0);
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(
        grown < 24 * MIB,
        "{} MiB for 5 stalled readers",
        grown / MIB
    );
    assert!(
        slowest < Duration::from_secs(2),
        "{slowest:?} for one message"
    );
    server.await_metric(CLOSED_TOO_SLOW, 5.0);
    // They read on: first the messages that were sent, then the close code.
    for client in &mut stopped {
        assert_eq!(client.close_code(), 4003);
    }
    server.await_metric(CONNECTIONS, 3.0);
}

#[test]
fn messages_before_slow_reader_close_have_no_gap() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let mut publisher = server.user("1:1");
    let mut slow = on_channel(&server, "2:1");
    publish(&mut publisher, 0, 400);
    server.await_metric(CLOSED_TOO_SLOW, 1.0);
    let mut next = 0;
    let code = loop {
        let frame = slow.frame();
        if let Some(code) = frame.close_code() {
            break code;
        }
        let message: Value = serde_json::from_slice(&frame.payload).unwrap();
        assert_eq!(
            message["data"]["data"]["number"], next,
            "in order, complete"
        );
        next += 1;
    };
    assert_eq!(code, 4003);
    assert!((1..400).contains(&next), "{next} messages");
}

#[test]
fn closed_slow_reader_resumes_on_busy_channel() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("session.replay_bytes_max", "8388608"),
    ]);
    let mut publisher = server.user("1:1");
    let mut slow = server.connect();
    let session = slow.identify("2:1")["session"].clone();
    slow.command("joinchannel", json!({"channel": "busy"}));
    slow.expect("joined");
    let mut published = 0;
    while server.metric(CLOSED_TOO_SLOW) < 1.0 {
        publish(&mut publisher, published, 10);
        published += 10;
    }
    let mut next = 0;
    while slow.frame().close_code().is_none() {
        next += 1;
    }
    // Publishing goes on before the resume and while missed messages are read.
    publish(&mut publisher, published, 20);
    let (mut resumed, answer) = session::resume(&server, &session, 1 + next);
    assert_eq!(answer["data"]["resumed"], true, "{answer}");
    publish(&mut publisher, published + 20, 20);
    for number in next..published as u64 + 40 {
        let message = resumed.expect("message");
        assert_eq!(message["data"]["number"], number);
    }
}

/// A client that tells the kernel to take little for it, and never reads.
fn stalled_on_channel(server: &Server, user: &str) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(32_768).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(handshake("/ws", "").as_bytes()).unwrap();
    let mut client = Client::after_handshake(stream);
    client.expect("idyou");
    client.identify(user);
    client.command("joinchannel", json!({"channel": "busy"}));
    client.expect("joined");
    client
}

#[test]
fn kernel_holds_little_for_stalled_reader() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let mut publisher = server.user("1:1");
    let stalled = stalled_on_channel(&server, "2:1");
    let before = server.metric(SENT_BYTES);
    let mut published = 0;
    while server.metric(CLOSED_TOO_SLOW) < 1.0 {
        publish(&mut publisher, published, 1);
        published += 1;
    }
    // What was written, the publisher's answers included; 1 MiB more waited.
    let written = server.metric(SENT_BYTES) - before;
    assert!(written < 1_000_000.0, "{written} bytes in the kernel");
    assert!(published < 40, "{published} messages of {PAYLOAD} bytes");
    // The kernel's memory is counted, and so are its overhead and the reader's close.
    let until = Instant::now() + DEADLINE;
    let mut counted = 0.0;
    while counted < 100_000.0 {
        assert!(Instant::now() < until, "{counted} bytes");
        std::thread::sleep(Duration::from_millis(50));
        counted = server.metric("turntable_send_buffer_bytes");
    }
    assert!(counted < 1_000_000.0, "{counted} bytes");
    drop(stalled);
    server.await_metric("turntable_send_buffer_bytes", 0.0);
}

#[test]
fn what_fits_the_buffer_of_the_kernel_counts_too() {
    let server = Server::start();
    let mut publisher = server.user("1:1");
    let stalled = stalled_on_channel(&server, "2:1");
    // Less than the kernel takes: no outbox is behind.
    publish(&mut publisher, 0, 4);
    let until = Instant::now() + DEADLINE;
    while server.metric("turntable_send_buffer_bytes") < 60_000.0 {
        assert!(Instant::now() < until, "nothing is counted");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(stalled);
    server.await_metric("turntable_send_buffer_bytes", 0.0);
}

#[test]
fn presence_is_merged_while_reader_is_blocked() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("limits.presence.per_second", "0"),
        ("session.outbox_bytes_max", "1073741824"),
        ("presence.coalesce_ms", "0"),
    ]);
    let mut publisher = server.user("1:1");
    let mut friend = server.user("3:1");
    let mut blocked = on_channel(&server, "2:1");
    blocked.subscribe(&["3:1", "3:2"]);
    publish(&mut publisher, 0, 300);
    for _ in 0..300 {
        friend.request("status", json!("busy"));
        friend.request("status", json!("idle"));
    }
    let _other = server.user("3:2");
    let (mut messages, mut changes, mut state) = (0, 0, json!({}));
    while messages < 300 || state != json!({"3:1": "idle", "3:2": "online"}) {
        let message = blocked.next();
        match message["command"].as_str().unwrap() {
            "message" => messages += 1,
            "userchange" => {
                changes += 1;
                for (user, now) in message["data"].as_object().unwrap() {
                    state[user] = now.clone();
                }
            }
            other => panic!("{other}"),
        }
    }
    assert!(changes <= 20, "{changes} messages for 601 changes");
    blocked.expect_none();
}

#[test]
fn userchange_that_waited_names_its_user_after_a_resume() {
    let server = Server::with(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("session.outbox_bytes_max", "1073741824"),
        ("session.replay_bytes_max", "67108864"),
        ("server.workers", "1"),
    ]);
    let mut publisher = server.user("1:1");
    let _friend = server.user("3:1");
    // Its gateway knows the state of 3:1 at once.
    let mut watcher = server.user("4:1");
    watcher.subscribe(&["3:1"]);
    let mut slow = server.connect();
    let session = slow.identify("2:1")["session"].clone();
    slow.command("joinchannel", json!({"channel": "busy"}));
    slow.expect("joined");
    publish(&mut publisher, 0, 300);
    // The snapshot of 3:1 waits behind all that when its number becomes that of 3:2.
    slow.command("subscribe", json!(["3:1"]));
    server.await_metric("turntable_commands_total{name=\"subscribe\"}", 2.0);
    slow.command("unsubscribe", json!(["3:1"]));
    server.await_metric("turntable_commands_total{name=\"unsubscribe\"}", 1.0);
    watcher.request("unsubscribe", json!(["3:1"]));
    slow.send(json!({"command": "subscribe", "data": ["3:2"], "id": "last"}));
    server.await_metric("turntable_commands_total{name=\"subscribe\"}", 3.0);
    let (mut received, mut before) = (1, None);
    loop {
        let message = slow.next();
        if message["id"] == "last" {
            break;
        }
        if message["command"] == "userchange" && before.is_none() {
            assert_eq!(message["data"], json!({"3:1": "online"}));
            before = Some(received);
        }
        received += 1;
    }
    slow.drop_connection();
    let (mut resumed, answer) = session::resume(&server, &session, before.unwrap());
    assert_eq!(answer["data"]["resumed"], true, "{answer}");
    assert_eq!(
        resumed.expect("userchange"),
        json!({}),
        "not watched any more"
    );
    assert_eq!(resumed.expect("userchange"), json!({"3:2": "offline"}));
    assert_eq!(resumed.next()["id"], "last");
}

#[test]
fn unread_echo_is_limited() {
    let server = Server::with(&[("server.echo", "true")]);
    let mut client = server.echo();
    let before = server.resident_bytes();
    let frame = Frame::new(Opcode::BINARY, vec![7; PAYLOAD]).masked();
    // Bytes after the close are read and dropped, or refused.
    client
        .stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    for _ in 0..1_000 {
        if client.stream.write_all(&frame).is_err() {
            break;
        }
    }
    server.await_metric(CLOSED_TOO_SLOW, 1.0);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "{} MiB", grown / MIB);
}

#[test]
fn unread_pongs_are_limited() {
    let server = Server::with(&[
        ("session.outbox_bytes_max", "131072"),
        ("limits.control.per_second", "0"),
    ]);
    let mut client = server.user("1:1");
    let mut other = server.user("1:2");
    let before = server.resident_bytes();
    let pings = Frame::new(Opcode::PING, vec![7; 125])
        .masked()
        .repeat(1_000);
    client
        .stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    for _ in 0..250 {
        if client.stream.write_all(&pings).is_err() {
            break;
        }
    }
    server.await_metric(CLOSED_TOO_SLOW, 1.0);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "{} MiB", grown / MIB);
    other.expect_nothing_pending();
}
