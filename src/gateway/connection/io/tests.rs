mod link;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::*;
use link::{Link, sockets};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// Bytes that show where they belong.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Whether all that either end has to write has arrived.
fn is_through(link: &Link) -> bool {
    link.client.received.len() == link.server.outgoing.len()
        && link.server.is_drained
        && link.client.outgoing.is_empty()
        && !link.client.tls.wants_write()
}

#[test]
fn io_is_small_and_moves_between_threads() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Io>();
    // 16 with optimisation; mio keeps more in a debug build.
    assert!(size_of::<Option<Io>>() <= 24);
}

#[test]
fn plain_io_is_its_socket() {
    let (server, mut client) = sockets();
    let mut io = Io::plain(server);
    let mut buffer = [0; 8];
    let error = io.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(io.write(b"one").unwrap(), 3);
    let slices = [IoSlice::new(b"two"), IoSlice::new(b"three")];
    assert_eq!(io.write_vectored(&slices).unwrap(), 8);
    let mut text = [0; 11];
    std::io::Read::read_exact(&mut client, &mut text).unwrap();
    assert_eq!(&text, b"onetwothree");
    client.write_all(b"four").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(io.read(&mut buffer).unwrap(), 4);
    assert_eq!(io.read(&mut buffer).unwrap(), 0);
    assert!(!io.has_unread() && !io.has_unsent() && !io.is_handshaking());
    assert!(io.send_rest().unwrap());
    assert!(io.round_trip().unwrap().min_rtt_us > 0);
    io.shutdown_write();
    assert_eq!(client.read(&mut buffer).unwrap(), 0);
}

#[test]
fn both_tls_versions_carry_bytes_both_ways() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.server.send(b"from the server");
        link.client.outgoing = b"from the client".to_vec();
        link.run(|link| is_through(link) && link.server.received.len() == 15);
        assert_eq!(link.client.received, b"from the server");
        assert_eq!(link.server.received, b"from the client");
        assert!(!link.server.io.has_unsent() && !link.server.io.has_unread());
        assert!(link.server.io.round_trip().unwrap().min_rtt_us > 0);
    }
}

#[test]
fn large_transfers_pass_a_slow_peer_in_both_directions() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        link.client.read_max = 700;
        link.client.write_max = 900;
        let (down, up) = (bytes(400_000), bytes(300_000));
        link.client.outgoing = up.clone();
        link.server.send(&down);
        assert!(!link.server.is_drained, "the kernel's buffers are small");
        link.run(|link| is_through(link) && link.server.received.len() == 300_000);
        assert_eq!(link.client.received, down);
        assert_eq!(link.server.received, up);
    }
}

#[test]
fn single_bytes_on_the_wire_and_in_the_buffer_suffice() {
    for version in VERSIONS {
        let mut link = Link::new(version);
        link.server.buffer = vec![0; 1];
        link.client.read_max = 1;
        link.client.write_max = 1;
        let (down, up) = (bytes(3_000), bytes(2_000));
        link.client.outgoing = up.clone();
        link.server.send(&down);
        link.run(|link| is_through(link) && link.server.received.len() == 2_000);
        assert_eq!(link.client.received, down);
        assert_eq!(link.server.received, up);
    }
}

#[test]
fn partial_record_is_no_input() {
    let mut link = Link::ready(&TLS13);
    link.client.tls.writer().write_all(b"whole").unwrap();
    let record = link.client.take_records();
    for byte in &record[..record.len() - 1] {
        link.client.send_raw(&[*byte]);
        link.run_server();
        assert!(link.server.received.is_empty() && link.server.end.is_none());
        let error = link.server.io.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    link.client.send_raw(&record[record.len() - 1..]);
    link.run_server();
    assert_eq!(link.server.received, b"whole");
}

#[test]
fn read_fills_its_buffer_from_several_records() {
    let mut link = Link::ready(&TLS13);
    let mut records = Vec::new();
    for word in ["one", "two", "three"] {
        link.client.tls.writer().write_all(word.as_bytes()).unwrap();
        records.extend(link.client.take_records());
    }
    link.client.send_raw(&records);
    let mut buffer = [0; 64];
    let io = &mut link.server.io;
    assert_eq!(io.read(&mut buffer[..4]).unwrap(), 4);
    assert!(io.has_unread(), "no event announces the rest of the record");
    assert_eq!(io.read(&mut buffer[4..]).unwrap(), 7);
    assert_eq!(&buffer[..11], b"onetwothree");
    assert!(!io.has_unread());
}

#[test]
fn short_read_has_emptied_the_socket() {
    let mut link = Link::ready(&TLS13);
    let up = bytes(10_000);
    let mut records = Vec::new();
    for piece in up.chunks(100) {
        link.client.tls.writer().write_all(piece).unwrap();
        records.extend(link.client.take_records());
    }
    link.client.send_raw(&records);
    let mut buffer = vec![0; 16 * 1024];
    assert_eq!(link.server.io.read(&mut buffer).unwrap(), up.len());
    assert_eq!(buffer[..up.len()], up);
}

#[test]
fn connection_moves_to_another_poll_in_the_middle_of_a_transfer() {
    let mut link = Link::ready(&TLS13);
    let down = bytes(300_000);
    link.server.send(&down);
    link.run(|link| link.client.received.len() > 50_000);
    link.client.tls.writer().write_all(b"question").unwrap();
    link.client.step();
    let mut start = [0; 4];
    while link.server.io.read(&mut start).is_err() {
        link.client.step();
    }
    assert_eq!(&start, b"ques");
    assert!(link.server.io.has_unread());
    link.move_server();
    link.run(is_through);
    assert_eq!(link.server.received, b"tion");
    assert_eq!(link.client.received, down);
}

#[test]
fn peer_may_change_its_keys() {
    let mut link = Link::ready(&TLS13);
    for round in 1..=3 {
        link.client.tls.refresh_traffic_keys().unwrap();
        let update = link.client.take_records();
        link.client.send_raw(&update);
        let error = link.server.io.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        link.client.outgoing = b"up".to_vec();
        link.server.send(b"down");
        link.run(|link| is_through(link) && link.server.received.len() == 2 * round);
    }
    assert_eq!(link.client.received, b"downdowndown");
}

#[test]
fn vectored_writes_share_records_and_span_several() {
    for version in VERSIONS {
        let mut link = Link::ready(version);
        let before = link.client.wire_bytes;
        link.server.slice = 100;
        let down = bytes(200_000);
        link.server.send(&down);
        link.run(is_through);
        assert_eq!(link.client.received, down);
        // One record for 6,400 bytes, not one for each slice.
        let overhead = link.client.wire_bytes - before - down.len();
        assert!(overhead < 32 * 40, "{overhead}");
        // A call that is larger than a record, and than what one call takes.
        link.server.slice = 1_500;
        link.server.send(&down);
        link.run(is_through);
        assert_eq!(link.client.received[200_000..], down);
    }
}

#[test]
fn empty_writes_and_reads_do_nothing() {
    let mut link = Link::ready(&TLS13);
    let io = &mut link.server.io;
    assert_eq!(io.write(b"").unwrap(), 0);
    assert_eq!(io.write_vectored(&[]).unwrap(), 0);
    assert_eq!(io.write_vectored(&[IoSlice::new(b"")]).unwrap(), 0);
    assert_eq!(io.read(&mut []).unwrap(), 0);
    assert!(!io.has_unsent());
}

#[test]
fn peer_that_does_not_read_stops_the_writer() {
    let mut link = Link::ready(&TLS13);
    link.server.send(&bytes(1_000_000));
    link.run_server();
    assert!(link.server.io.has_unsent());
    assert!(!link.server.is_drained);
    // Less than the kernel's two buffers and what one call takes.
    let taken = link.server.sent;
    assert!(taken < 300_000, "{taken}");
    for _ in 0..100 {
        let error = link.server.io.write(&[0; 1000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(!link.server.io.send_rest().unwrap());
    }
    link.run(is_through);
    assert_eq!(link.client.received, bytes(1_000_000));
}

#[test]
fn what_is_written_before_the_handshake_follows_it() {
    for version in VERSIONS {
        let mut link = Link::new(version);
        link.server.send(b"welcome");
        assert_eq!(link.server.sent, 7);
        assert!(link.server.io.has_unsent());
        assert!(!link.server.is_drained);
        link.run(is_through);
        assert_eq!(link.client.received, b"welcome");
    }
}

#[test]
fn writes_before_the_handshake_are_bounded() {
    for version in VERSIONS {
        let mut link = Link::new(version);
        let down = bytes(100_000);
        link.server.send(&down);
        assert_eq!(link.server.sent, 32 * 1024);
        link.run(is_through);
        assert_eq!(link.client.received, down);
    }
}

#[test]
fn peer_may_stop_in_the_middle_of_the_handshake() {
    let (server, client) = sockets();
    let mut io = Io::tls(server, link::sessions(&TLS13).0);
    let error = io.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(io.is_handshaking());
    drop(client);
    let error = io.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let error = io.write(b"greeting").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

mod end;
