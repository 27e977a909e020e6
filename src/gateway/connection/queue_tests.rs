#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Read as _;
use std::net::Ipv4Addr;

use mio::net::TcpStream;
use proptest::prelude::*;

use super::*;
use crate::gateway::delivery::encoding::{Encoding, Encodings};

static ENCODINGS: Encodings = Encodings::none();
const READER: Reader<'static> = Reader {
    encoding: Encoding::JsonV1,
    encodings: &ENCODINGS,
    name: None,
    user: None,
    mark: 0,
    now_ms: 0,
};

/// A queue and its socket.
struct Writer {
    queue: WriteQueue,
    io: Io,
}

impl Writer {
    fn push(&mut self, frame: Frame) {
        self.queue.push(frame);
    }

    fn flush(
        &mut self,
        outbox: Option<&mut Outbox<Frame>>,
        retained_bytes_max: usize,
        reader: &Reader<'_>,
    ) -> std::io::Result<Written> {
        self.queue
            .flush(&mut self.io, outbox, retained_bytes_max, reader)
    }
}

fn pair() -> (Writer, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    let writer = Writer {
        queue: WriteQueue::default(),
        io: Io::plain(TcpStream::from_std(server)),
    };
    (writer, client)
}

#[test]
fn direct_frames_go_first_in_one_call() {
    let (mut writer, mut client) = pair();
    let mut outbox = Outbox::default();
    outbox.push(Frame::raw(b"three"));
    writer.push(Frame::raw(b"one "));
    writer.push(Frame::raw(b"two "));
    let written = writer.flush(Some(&mut outbox), 1000, &READER).unwrap();
    assert_eq!((written.calls, written.is_drained), (1, true));
    assert!(outbox.is_drained());
    let mut got = [0; 13];
    client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"one two three");
}

#[test]
fn short_frames_are_charged_for_the_memory_they_take() {
    let (mut writer, _client) = pair();
    for _ in 0..1_000 {
        writer.push(Frame::pong(b""));
    }
    assert_eq!(writer.queue.bytes(), 1_000 * (2 + FRAME_COST));
    writer.flush(None, 1000, &READER).unwrap();
    assert_eq!(writer.queue.bytes(), 0);
}

#[test]
fn begun_frame_is_finished_when_the_session_parts() {
    // The client may have read it to its end, or not.
    for received in [0, 1] {
        let (mut writer, _client) = pair();
        let mut outbox = Outbox::default();
        outbox.push(Frame::raw(b"message"));
        writer.queue.advance(3, Some(&mut outbox), 1000, &READER);
        writer.push(Frame::raw(b" close"));
        writer.queue.part(&mut outbox, &READER);
        assert_eq!(writer.queue.take_bytes(&READER), b"sage close");
        assert!(outbox.rewind(received, |frame, frames| frames.push_back(frame)));
        assert_eq!(outbox.waiting().count() as u64, 1 - received);
    }
}

proptest! {
    /// However the socket cuts, the bytes come out whole and no frame is
    /// interrupted by another.
    #[test]
    fn frames_are_never_torn(
        steps in proptest::collection::vec((0u8..3, 1usize..9), 1..100)
    ) {
        let (mut writer, _client) = pair();
        let mut outbox: Outbox<Frame> = Outbox::default();
        let (mut number, mut sent) = (0u32, Vec::new());
        for (step, amount) in steps {
            number += 1;
            // Frames are distinguished by their first byte and length.
            let frame = Frame::raw(format!("<{number:04}{}>", "x".repeat(amount)).as_bytes());
            match step {
                0 => writer.push(frame),
                1 => outbox.push(frame),
                _ => {
                    let mut slices = SmallVec::new();
                    writer.queue.gather(Some(&outbox), &READER, &mut slices);
                    let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                    drop(slices);
                    let count = all.len().min(amount * 3);
                    if count > 0 {
                        sent.extend_from_slice(&all[..count]);
                        writer.queue.advance(count, Some(&mut outbox), 1_000_000, &READER);
                    }
                }
            }
        }
        let mut slices = SmallVec::new();
        writer.queue.gather(Some(&outbox), &READER, &mut slices);
        sent.extend(slices.iter().flat_map(|slice| slice.to_vec()));
        let text = String::from_utf8(sent).unwrap();
        for frame in text.split_inclusive('>') {
            prop_assert!(frame.starts_with('<') && frame.matches('<').count() == 1);
        }
    }
}
