//! Handshakes of TLS that come at one time take turns by address.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::{Domain, Socket, Type};

use turntable_testkit::{DEADLINE, Server};

const FLOOD: usize = 400;

fn socket_from(server: &Server, last: u8) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    socket.bind(&from.into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

#[test]
fn address_with_many_handshakes_delays_another_by_few() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["own.pem", "own.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let server = Server::with(&[
        ("server.tls.certificate", certificate.to_str().unwrap()),
        ("server.tls.key", key.to_str().unwrap()),
        ("server.workers", "1"),
    ]);
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let name = ServerName::try_from("localhost").unwrap();
    let session = || ClientConnection::new(config.clone(), name.clone()).unwrap();
    let mut hello = Vec::new();
    session().write_tls(&mut hello).unwrap();
    let mut flood: Vec<_> = (0..FLOOD).map(|_| socket_from(&server, 2)).collect();
    let mut honest = socket_from(&server, 3);
    for stream in &mut flood {
        stream.write_all(&hello).unwrap();
    }
    let mut session = session();
    while session.is_handshaking() {
        session.complete_io(&mut honest).unwrap();
    }
    let is_answered = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        match stream.peek(&mut [0]) {
            Ok(count) => count > 0,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    };
    let answered = flood.iter().filter(|stream| is_answered(stream)).count();
    assert!(answered < FLOOD, "it had to wait for all of them");
    // For those that have gone nothing is computed.
    drop(flood);
    let closed = r#"turntable_tls_handshakes_failed_total{listener="server",name="closed"}"#;
    server.await_metric(closed, FLOOD as f64);
}
