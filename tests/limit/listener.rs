//! A listener with a connection of 10 Mbit/s is not closed by what one address publishes on
//! its channels, nor by what several addresses send on one channel or in one room, with the
//! limits that a server has by default.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use turntable_testkit::metric::{CLOSED_TOO_SLOW, limits_reached};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, DEADLINE, Frame, Server};

/// 10 Mbit/s, in bytes per ms.
const BYTES_PER_MS: usize = 1_250;
const PUBLISHERS: usize = 8;
const DURATION: Duration = Duration::from_secs(5);

/// A client from this address of the machine, whose kernel takes little beyond what it
/// reads where `is_small`.
fn connect(server: &Server, from: [u8; 4], is_small: bool) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if is_small {
        socket.set_recv_buffer_size(16_384).unwrap();
    }
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.write_all(handshake("/ws", "").as_bytes()).unwrap();
    let mut client = Client::after_handshake(stream);
    client.expect("idyou");
    client
}

/// Reads so many bytes per ms while `is_on`; returns what it has read.
fn read_paced(stream: &mut TcpStream, bytes_per_ms: usize, is_on: &AtomicBool) -> Vec<u8> {
    let begin = Instant::now();
    let mut buffer = vec![0; 65_536];
    let mut read = Vec::new();
    stream.set_nonblocking(true).unwrap();
    while is_on.load(Ordering::Relaxed) {
        let allowed = begin.elapsed().as_millis() as usize * bytes_per_ms;
        let room = allowed.saturating_sub(read.len()).min(buffer.len());
        match stream.read(&mut buffer[..room]) {
            Ok(0) if room > 0 => break,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    stream.set_nonblocking(false).unwrap();
    read
}

/// Where publishers send, with data of so many bytes.
#[derive(Debug, Clone, Copy)]
enum To {
    /// Channels in turn.
    Channels(&'static [&'static str]),
    /// Actions in a room, which each of them is in.
    Room(&'static str),
}

impl To {
    fn enter(self, client: &mut Client, user: &str) {
        match self {
            Self::Channels(channels) => {
                for channel in channels {
                    client.request("joinchannel", json!({"channel": channel}));
                }
            }
            Self::Room(room) => {
                client.command("joingame", json!({"channel": room, "self": user}));
                while client.next()["command"] != "joined" {}
            }
        }
    }

    /// The command of this number.
    fn command(self, number: usize, user: &str, data: &str) -> Value {
        match self {
            Self::Channels(channels) => {
                let channel = channels[number % channels.len()];
                let publish = json!({"channel": channel, "data": data});
                json!({"command": "publish", "data": publish, "id": "sent"})
            }
            Self::Room(room) => {
                let action = json!({"timestamp": 0, "from": user, "data": data});
                let game = json!({"channel": room, "actions": [action]});
                json!({"command": "game", "data": game, "id": "sent"})
            }
        }
    }
}

/// Publishes for a while, as fast as the server takes it.
fn publish(client: &mut Client, user: &str, to: To, bytes: usize) {
    let begin = Instant::now();
    let data = "x".repeat(bytes);
    let mut number = 0;
    while begin.elapsed() < DURATION {
        client.send(to.command(number, user, &data));
        number += 1;
        let answer = loop {
            let message = client.next();
            // A `game` that passes comes back to its sender, as to all.
            let actions = message["data"]["actions"].as_array();
            let mut actions = actions.into_iter().flatten();
            if message["id"] == "sent" || actions.any(|action| action["from"] == user) {
                break message;
            }
        };
        if answer["command"] == "error" {
            assert_eq!(answer["data"]["code"], "rate_limited", "{answer}");
            let retry_ms = answer["data"]["details"]["retry_ms"].as_u64().unwrap();
            std::thread::sleep(Duration::from_millis(retry_ms));
        }
    }
}

/// A listener with 10 Mbit/s stays while clients of these addresses publish what they can,
/// and `limit` is what holds them back.
fn stays_open(server: &Server, addresses: &[[u8; 4]], to: To, bytes: usize, limit: &str) {
    stays_open_at(server, BYTES_PER_MS, addresses, (to, bytes), limit);
}

/// The same of a listener that reads so many bytes per ms. Returns it, and what it has read.
fn stays_open_at(
    server: &Server,
    bytes_per_ms: usize,
    addresses: &[[u8; 4]],
    (to, bytes): (To, usize),
    limit: &str,
) -> (Client, Vec<u8>) {
    let mut listener = connect(server, [127, 0, 0, 1], true);
    listener.identify("2:1");
    to.enter(&mut listener, "2:1");
    let mut publishers = Vec::new();
    for (number, from) in (0..PUBLISHERS).zip(addresses.iter().cycle()) {
        let user = format!("1:{number}");
        let mut client = connect(server, *from, false);
        client.identify(&user);
        if let To::Room(_) = to {
            to.enter(&mut client, &user);
        }
        publishers.push((client, user));
    }
    let is_on = AtomicBool::new(true);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_paced(&mut listener.stream, bytes_per_ms, &is_on));
        let threads: Vec<_> = publishers
            .iter_mut()
            .map(|(client, user)| scope.spawn(move || publish(client, user, to, bytes)))
            .collect();
        let published: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        is_on.store(false, Ordering::Relaxed);
        published.into_iter().for_each(|done| done.unwrap());
        reader.join().unwrap()
    });
    println!("read {} bytes", read.len());
    assert_eq!(server.metric(CLOSED_TOO_SLOW), 0.0);
    let refused = server.metric(&limits_reached(limit));
    assert!(refused > 0.0, "the publishers were slowed down");
    (listener, read)
}

const ONE: &[[u8; 4]] = &[[127, 0, 0, 1]];
const TWO: &[[u8; 4]] = &[[127, 0, 0, 2], [127, 0, 0, 3]];

#[test]
fn listener_at_ten_mbits_stays_while_one_address_floods_two_channels() {
    let to = To::Channels(&["a", "b"]);
    stays_open(&Server::start(), ONE, to, 10_000, "limits.address_publish");
}

/// With a tenth of everything: small messages are so many that a machine which has other things
/// to do takes no flood of the full rate.
#[test]
fn listener_at_one_mbit_stays_under_a_flood_of_small_messages() {
    let (to, limit) = (To::Channels(&["a", "b"]), "limits.address_publish");
    let server = Server::with(&[
        (limit, "{ per_second = 78643, burst = 52428 }"),
        ("session.outbox_bytes_max", "104857"),
    ]);
    stays_open_at(&server, BYTES_PER_MS / 10, ONE, (to, 40), limit);
}

#[test]
fn listener_at_ten_mbits_stays_while_two_addresses_flood_one_channel() {
    let to = To::Channels(&["a"]);
    stays_open(&Server::start(), TWO, to, 10_000, "channel.bytes");
}

/// The next message of what was read, or of the connection.
fn next_of(bytes: &mut Vec<u8>, stream: &mut TcpStream) -> Value {
    let mut buffer = [0; 16_384];
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    loop {
        if let Some(frame) = Frame::take(bytes) {
            return serde_json::from_slice(&frame.payload).unwrap();
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "it is closed");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// Together they send 12.6 Mbit/s, and 1 MiB at once.
#[test]
fn listener_at_ten_mbits_stays_while_two_addresses_flood_two_channels() {
    let to = To::Channels(&["a", "b"]);
    stays_open(&Server::start(), TWO, to, 10_000, "limits.address_publish");
}

#[test]
fn listener_at_half_of_what_is_sent_misses_messages_and_stays() {
    let server = Server::start();
    let (to, limit) = (To::Channels(&["a", "b"]), "limits.address_publish");
    let (mut listener, mut bytes) = stays_open_at(&server, 750, TWO, (to, 10_000), limit);
    // It reads on: what was left out is a gap of the offsets, and it was notified.
    listener.send(json!({"command": "time", "data": {"t0": 1}}));
    let (mut last, mut missing, mut notified) = (HashMap::new(), 0, 0);
    loop {
        let message = next_of(&mut bytes, &mut listener.stream);
        match message["command"].as_str().unwrap() {
            "message" => {
                let channel = message["data"]["channel"].as_str().unwrap().to_owned();
                let offset = message["data"]["offset"].as_u64().unwrap();
                let before = last.insert(channel, offset).unwrap_or(0);
                missing += offset - before - 1;
            }
            "error" => {
                assert_eq!(message["data"]["code"], "rate_limited");
                assert_eq!(message["data"]["command"], "joinchannel");
                notified += 1;
            }
            "time" => break,
            other => panic!("{other}"),
        }
    }
    assert!(missing > 0, "it was sent more than it can read");
    assert!(notified > 0, "{missing} messages");
}

#[test]
fn listener_at_ten_mbits_stays_while_two_addresses_flood_one_room() {
    stays_open(&Server::start(), TWO, To::Room("r"), 10_000, "room.bytes");
}

/// A listener gets the sum of its channels: the bytes of each, times how many it is on,
/// have to fit its connection.
#[test]
fn listener_of_two_channels_stays_where_each_has_half_of_its_rate() {
    let half = "{ per_second = 393216, burst = 262144 }";
    let server = Server::with(&[("channel.bytes", half)]);
    let to = To::Channels(&["a", "b"]);
    stays_open(&server, TWO, to, 10_000, "channel.bytes");
}
