//! Many handshakes at one time: halves, a rate for each address, and turns of the addresses.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustls::StreamOwned;
use serde_json::json;

use super::{Own, WebSocket, ask, command, connect, failed, has_no_error, session, socket};
use turntable_testkit::metric::limits_reached;
use turntable_testkit::websocket::connect_from;

#[test]
fn half_handshakes_of_one_address_are_bounded() {
    let own = Own::new();
    let server = own.server(&[
        ("server.incomplete_bytes_per_address_max", "131072"),
        ("server.incomplete_bytes_max", "262144"),
    ]);
    // A record that is not whole: 16 KB are announced.
    let mut half = vec![0x16, 3, 1, 0x40, 0, 1];
    half.resize(15_000, 0);
    let clients: Vec<TcpStream> = (0..12)
        .map(|_| {
            let mut stream = socket(server.address);
            stream.write_all(&half).unwrap();
            stream
        })
        .collect();
    server.await_metric(&failed("incomplete_bytes_max"), 4.0);
    drop(clients);
    server.await_metric(&failed("closed"), 8.0);
    connect(server.address, &own.certificate)
        .write_all(b"GET")
        .unwrap();
}

/// Whether the first message of a handshake gets an answer. Nothing else follows, which costs
/// its sender no cryptography.
fn is_answered(address: SocketAddr, hello: &[u8]) -> bool {
    let mut stream = socket(address);
    // A reset may come before it is written, and before it is read.
    let _ = stream.write_all(hello);
    stream.read(&mut [0; 1_024]).unwrap_or(0) > 0
}

fn hello(own: &Own) -> Vec<u8> {
    let mut hello = Vec::new();
    let mut session = session(&own.certificate, &[]);
    session.write_tls(&mut hello).unwrap();
    hello
}

const FEW: (&str, &str) = ("limits.tls_handshake", "{ per_second = 1, burst = 3 }");

#[test]
fn handshakes_of_one_address_begin_at_a_rate() {
    let own = Own::new();
    let server = own.server(&[FEW]);
    let hello = hello(&own);
    let mut open = WebSocket::user(connect(server.address, &own.certificate), "1:mel");
    let answered = |_: &usize| is_answered(server.address, &hello);
    let passed = (0..20).filter(answered).count();
    // Those of a slow machine are refilled.
    assert!((2..10).contains(&passed), "{passed}");
    let refused = (20 - passed) as f64;
    assert_eq!(server.metric(&limits_reached(FEW.0)), refused);
    assert_eq!(server.metric(&failed("rate_limited")), refused);
    // Neither those that are open nor other addresses notice.
    open.send(&command("subscribe", &json!(["1:mel"])));
    open.await_command("userchange");
    let other = connect_from(server.address, [127, 0, 0, 2]);
    let mut other = StreamOwned::new(session(&own.certificate, &[]), other);
    let page = ask(&mut other, "GET", "/turntable.js", "", "");
    assert_eq!(page.status, 200);
    has_no_error(&server);
}

#[test]
fn handshakes_at_the_operators_listener_have_a_rate_and_those_of_a_proxy_none() {
    let own = Own::new();
    let hello = hello(&own);
    let (certificate, key) = (own.path("own.pem"), own.path("own.key"));
    let operator = [
        ("management.tls.certificate", certificate.as_str()),
        ("management.tls.key", key.as_str()),
        FEW,
    ];
    let passed = |keys: &[(&str, &str)]| {
        let server = own.server(&[&operator, keys].concat());
        [server.management, server.address].map(|address| {
            let answered = |_: &usize| is_answered(address, &hello);
            (0..20).filter(answered).count()
        })
    };
    for count in passed(&[]) {
        assert!((3..10).contains(&count), "{count}");
    }
    let trusted = ("server.trusted_proxies", "[\"127.0.0.1\"]");
    assert_eq!(passed(&[trusted]), [20, 20]);
}

#[test]
fn address_with_many_handshakes_delays_another_by_few() {
    const FLOOD: usize = 400;
    let own = Own::new();
    let server = own.server(&[("server.workers", "1")]);
    let hello = hello(&own);
    let from = |last| connect_from(server.address, [127, 0, 0, last]);
    let mut flood: Vec<_> = (0..FLOOD).map(|_| from(2)).collect();
    let mut honest = from(3);
    for stream in &mut flood {
        stream.write_all(&hello).unwrap();
    }
    let mut session = session(&own.certificate, &[]);
    while session.is_handshaking() {
        session.complete_io(&mut honest).unwrap();
    }
    let has_answer = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        match stream.peek(&mut [0]) {
            Ok(count) => count > 0,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    };
    let answered = flood.iter().filter(|stream| has_answer(stream)).count();
    assert!(answered < FLOOD, "it had to wait for all of them");
    // For those that have gone nothing is computed.
    drop(flood);
    server.await_metric(&failed("closed"), FLOOD as f64);
    has_no_error(&server);
}
