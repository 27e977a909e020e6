//! How a connection with TLS ends: in order, cut off, and by errors.

use super::*;

/// First byte of a record with an alert.
const ALERT: u8 = 21;

#[test]
fn close_notify_is_the_end_and_may_come_with_data() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.client.tls.writer().write_all(b"last").unwrap();
        link.client.tls.send_close_notify();
        let records = link.client.take_records();
        link.client.send_raw(&records);
        let mut buffer = [0; 64];
        let io = &mut link.server.io;
        assert_eq!(io.read(&mut buffer).unwrap(), 4);
        assert!(io.has_unread(), "no event announces the end");
        assert_eq!(io.read(&mut buffer).unwrap(), 0);
        assert_eq!(io.read(&mut buffer).unwrap(), 0);
    }
}

#[test]
fn answer_can_be_written_after_the_peers_end() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.client.outgoing = b"question".to_vec();
        link.client.step();
        link.client.tls.send_close_notify();
        link.client.step();
        link.client.send_fin();
        link.run(|link| link.server.end.is_some());
        assert!(matches!(link.server.end, Some(Ok(()))));
        assert_eq!(link.server.received, b"question");
        link.server.send(b"answer");
        link.server.io.shutdown_write();
        link.run(|link| link.client.has_fin);
        assert_eq!(link.client.received, b"answer");
        assert!(link.client.has_close_notify);
    }
}

#[test]
fn fin_without_close_notify_is_an_unexpected_end() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.client.outgoing = b"cut".to_vec();
        link.client.step();
        link.client.send_fin();
        link.run(|link| link.server.end.is_some());
        assert_eq!(link.server.received, b"cut");
        assert_eq!(link.server.failure(), Some(ErrorKind::UnexpectedEof));
        let error = link.server.io.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        // Its read side is closed, its write side not.
        link.server.send(b"still here");
        link.run(is_through);
    }
}

#[test]
fn fin_within_a_record_is_an_unexpected_end() {
    let mut link = Link::ready(&TLS13);
    link.client.tls.writer().write_all(b"half").unwrap();
    let record = link.client.take_records();
    link.client.send_raw(&record[..10]);
    link.client.send_fin();
    link.run(|link| link.server.end.is_some());
    assert!(link.server.received.is_empty());
    assert_eq!(link.server.failure(), Some(ErrorKind::UnexpectedEof));
}

#[test]
fn reset_is_an_error_of_the_socket() {
    let mut link = Link::ready(&TLS13);
    let socket = socket2::SockRef::from(&link.client.stream);
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    let (_, other) = sockets();
    drop(std::mem::replace(&mut link.client.stream, other));
    link.run_server();
    assert_eq!(link.server.failure(), Some(ErrorKind::ConnectionReset));
}

#[test]
fn own_end_follows_all_that_was_written() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.server.send(&bytes(1_000_000));
        link.run_server();
        link.server.outgoing.truncate(link.server.sent);
        link.server.io.shutdown_write();
        assert!(link.server.io.has_unsent(), "the socket is full");
        let error = link.server.io.write(b"late").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        link.client.read_max = 500;
        link.run(|link| link.client.has_fin);
        assert_eq!(link.client.received, link.server.outgoing);
        assert!(link.client.has_close_notify);
        assert!(!link.server.io.has_unsent());
        assert!(link.server.io.send_rest().unwrap());
        // Reading goes on.
        link.client.outgoing = b"goodbye".to_vec();
        link.run(|link| link.server.received == b"goodbye");
    }
}

#[test]
fn own_end_before_the_handshake_waits_for_what_was_written() {
    for version in VERSIONS {
        let mut link = Link::new(version);
        link.server.send(b"busy");
        link.server.io.shutdown_write();
        assert!(link.server.io.has_unsent());
        link.run(|link| link.client.has_fin);
        assert_eq!(link.client.received, b"busy");
        assert!(link.client.has_close_notify);
        assert!(!link.server.io.has_unsent());
    }
}

#[test]
fn own_end_before_the_handshake_is_sent_at_once() {
    let (server, mut client) = sockets();
    let mut io = Io::tls(server, link::sessions(&TLS13).0);
    io.shutdown_write();
    assert!(!io.has_unsent());
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[0], ALERT);
}

#[test]
fn garbage_instead_of_a_handshake_is_an_error_and_alerts() {
    let plain = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    for garbage in [plain, vec![0; 64], vec![0xff; 20_000], bytes(5_000)] {
        let (server, mut client) = sockets();
        let mut io = Io::tls(server, link::sessions(&TLS13).0);
        assert_eq!(io.write(b"early").unwrap(), 5);
        let length = garbage.len().min(4_000);
        client.write_all(&garbage[..length]).unwrap();
        for _ in 0..2 {
            let error = io.read(&mut [0; 64]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        }
        let error = io.write(b"answer").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(!io.has_unsent());
        io.shutdown_write();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer[..3], [ALERT, 3, 3], "{answer:?}");
        assert_eq!(answer.len(), 7);
    }
}

#[test]
fn changed_record_is_an_error_behind_what_came_before() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.client.tls.writer().write_all(b"good").unwrap();
        let mut records = link.client.take_records();
        link.client.tls.writer().write_all(b"evil").unwrap();
        let mut changed = link.client.take_records();
        *changed.last_mut().unwrap() ^= 1;
        records.extend(changed);
        link.client.send_raw(&records);
        link.run(|link| link.client.error.is_some());
        assert_eq!(link.server.received, b"good");
        assert_eq!(link.server.failure(), Some(ErrorKind::InvalidData));
        let expected = rustls::AlertDescription::BadRecordMac;
        let error = link.client.error.unwrap();
        assert_eq!(error, rustls::Error::AlertReceived(expected));
    }
}

#[test]
fn changed_record_after_the_own_end_is_an_error_without_an_alert() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.server.io.shutdown_write();
        link.client.tls.writer().write_all(b"evil").unwrap();
        let mut changed = link.client.take_records();
        *changed.last_mut().unwrap() ^= 1;
        link.client.send_raw(&changed);
        link.run(|link| link.server.end.is_some());
        assert_eq!(link.server.failure(), Some(ErrorKind::InvalidData));
        assert!(!link.server.io.has_unsent());
        assert!(link.server.io.send_rest().unwrap());
    }
}

#[test]
fn alert_of_the_peer_is_an_error() {
    // A client that trusts nobody refuses the certificate.
    let mut link = Link::new(&TLS13);
    link.client.tls = link::sessions(&TLS13).1;
    link.run(|link| link.server.end.is_some());
    assert_eq!(link.server.failure(), Some(ErrorKind::InvalidData));
    assert!(link.server.received.is_empty());
}
