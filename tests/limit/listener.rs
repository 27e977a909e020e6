//! A listener with a connection of 10 Mbit/s, on several channels, is not closed by what
//! one address publishes, with the limits that a server has by default.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use turntable_testkit::metric::{CLOSED_TOO_SLOW, limits_reached};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Server};

/// 10 Mbit/s, in bytes per ms.
const BYTES_PER_MS: usize = 1_250;
const PUBLISHERS: usize = 8;
const DURATION: Duration = Duration::from_secs(5);

/// A client whose kernel takes little beyond what it reads.
fn with_small_buffer(server: &Server) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16_384).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(handshake("/ws", "").as_bytes()).unwrap();
    let mut client = Client::after_handshake(stream);
    client.expect("idyou");
    client
}

/// Reads at its rate while `is_on`; returns how much.
fn read_paced(stream: &mut TcpStream, is_on: &AtomicBool) -> usize {
    let begin = Instant::now();
    let mut buffer = vec![0; 65_536];
    let mut read = 0;
    stream.set_nonblocking(true).unwrap();
    while is_on.load(Ordering::Relaxed) {
        let allowed = begin.elapsed().as_millis() as usize * BYTES_PER_MS;
        let room = allowed.saturating_sub(read).min(buffer.len());
        match stream.read(&mut buffer[..room]) {
            Ok(0) if room > 0 => break,
            Ok(count) => read += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    read
}

/// Publishes messages of so many bytes on both channels for a while, as fast as the server
/// takes them.
fn publish(mut client: Client, bytes: usize) {
    let begin = Instant::now();
    let data = "x".repeat(bytes);
    for channel in ["a", "b"].into_iter().cycle() {
        if begin.elapsed() > DURATION {
            return;
        }
        let publish = json!({"channel": channel, "data": data});
        client.send(json!({"command": "publish", "data": publish, "id": 1}));
        let answer = client.next();
        if answer["command"] == "error" {
            assert_eq!(answer["data"]["code"], "rate_limited", "{answer}");
            let retry_ms = answer["data"]["details"]["retry_ms"].as_u64().unwrap();
            std::thread::sleep(Duration::from_millis(retry_ms));
        }
    }
}

/// Whether a listener of two channels stays while one address publishes on both.
fn stays_open(bytes: usize) {
    let server = Server::start();
    let mut listener = with_small_buffer(&server);
    listener.identify("2:1");
    for channel in ["a", "b"] {
        listener.request("joinchannel", json!({"channel": channel}));
    }
    let publishers: Vec<Client> = (0..PUBLISHERS)
        .map(|number| server.user(&format!("1:{number}")))
        .collect();
    let is_on = AtomicBool::new(true);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_paced(&mut listener.stream, &is_on));
        let threads: Vec<_> = publishers
            .into_iter()
            .map(|client| scope.spawn(move || publish(client, bytes)))
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        is_on.store(false, Ordering::Relaxed);
        reader.join().unwrap()
    });
    println!("read {read} bytes");
    assert_eq!(server.metric(CLOSED_TOO_SLOW), 0.0);
    let refused = server.metric(&limits_reached("limits.address_publish"));
    assert!(refused > 0.0, "the publishers were held back");
}

#[test]
fn listener_at_ten_mbits_stays_while_one_address_floods_two_channels() {
    stays_open(10_000);
}

#[test]
fn listener_at_ten_mbits_stays_under_a_flood_of_small_messages() {
    stays_open(40);
}
