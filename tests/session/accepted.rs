//! Commands that are sent again after a break: each takes effect exactly once.
//!
//! A client whose connection is cut cannot know which of its commands arrived.
//! `welcome` tells how many the server has accepted, and the client repeats the
//! rest. Connections are cut after random bytes in both directions.

use std::io::Write;
use std::net::Shutdown;

use serde_json::{Value, json};

use turntable_testkit::journal::{self, Issued, Journal, Kind, Witness};
use turntable_testkit::session::{Session, resume};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Frame, Opcode, Random, Server, msgpack};

/// A version of the protocol.
trait Version {
    /// Headers of the handshake.
    const HEADERS: &'static str;
    /// The opcode of messages.
    const OPCODE: u8;
    /// A command.
    fn command(name: &str, data: &Value, id: Option<&Value>) -> Vec<u8>;
    /// What no decoder reads.
    fn unreadable() -> Vec<u8>;
    /// A message.
    fn message(payload: &[u8]) -> Value;
}

struct V1;

impl Version for V1 {
    const HEADERS: &'static str = "";
    const OPCODE: u8 = Opcode::TEXT;

    fn command(name: &str, data: &Value, id: Option<&Value>) -> Vec<u8> {
        let mut command = json!({"command": name, "data": data});
        if let Some(id) = id {
            command["id"] = id.clone();
        }
        command.to_string().into()
    }

    fn unreadable() -> Vec<u8> {
        b"{]".to_vec()
    }

    fn message(payload: &[u8]) -> Value {
        serde_json::from_slice(payload).unwrap()
    }
}

struct V2;

impl Version for V2 {
    const HEADERS: &'static str = "Sec-WebSocket-Protocol: turntable.v2.msgpack\r\n";
    const OPCODE: u8 = Opcode::BINARY;

    fn command(name: &str, data: &Value, id: Option<&Value>) -> Vec<u8> {
        msgpack::command(name, data, id)
    }

    fn unreadable() -> Vec<u8> {
        vec![0xc1]
    }

    fn message(payload: &[u8]) -> Value {
        msgpack::message(payload)
    }
}

/// A connection of one version.
struct Connection(Client);

impl Connection {
    fn open<V: Version>(server: &Server) -> Self {
        let text = handshake("/ws", V::HEADERS);
        let mut connection = Self(Client::open_with(server.address, &text));
        assert_eq!(connection.next::<V>()["command"], "idyou");
        connection
    }

    fn send<V: Version>(&mut self, name: &str, data: Value, id: Option<Value>) {
        let payload = V::command(name, &data, id.as_ref());
        self.0.send_frame(&Frame::new(V::OPCODE, payload));
    }

    fn next<V: Version>(&mut self) -> Value {
        loop {
            let frame = self.0.frame();
            match frame.opcode {
                opcode if opcode == V::OPCODE => return V::message(&frame.payload),
                Opcode::PING => self.0.send_frame(&Frame::new(Opcode::PONG, frame.payload)),
                _ => panic!("{frame:?} instead of a message"),
            }
        }
    }
}

/// The frames of the commands that were not accepted, with `time` among them,
/// which is not counted.
fn frames<V: Version>(journal: &Journal, random: &mut Random) -> Vec<(Vec<u8>, bool)> {
    let frame = |payload| Frame::new(V::OPCODE, payload).masked();
    let mut frames = Vec::new();
    for issued in journal.rest() {
        if random.below(8) == 0 {
            frames.push((frame(V::command("time", &json!({"t0": 1}), None)), false));
        }
        frames.push((frame(payload::<V>(journal, *issued)), true));
    }
    frames
}

fn payload<V: Version>(journal: &Journal, issued: Issued) -> Vec<u8> {
    if issued.kind == Kind::Unreadable {
        return V::unreadable();
    }
    let (name, data) = journal.command(issued);
    V::command(name, &data, Some(&json!(issued.number)))
}

/// A server that refuses no command for its rate, and retains enough.
fn server() -> Server {
    let unlimited = [
        "publish",
        "game",
        "call",
        "time",
        "room",
        "bytes",
        "address_publish",
    ];
    let unlimited = unlimited.map(|class| format!("limits.{class}.per_second"));
    let mut keys: Vec<(&str, &str)> = unlimited.iter().map(|key| (&**key, "0")).collect();
    keys.extend([
        ("session.error_burst", "1000000"),
        ("session.replay_bytes_max", "16777216"),
        ("session.outbox_bytes_max", "16777216"),
    ]);
    journal::server(&keys)
}

/// One client, cut `cuts` times.
fn cut_at_random<V: Version>(server: &Server, seed: u64, cuts: usize) {
    let mut random = Random::new(seed);
    let mut journal = Journal::new(&format!("{seed:x}"));
    let witness = Witness::new(server, &journal);
    let mut client = Connection::open::<V>(server);
    client.send::<V>("idme", json!(journal.user()), None);
    let welcome = client.next::<V>();
    assert_eq!(welcome["data"]["accepted"], 0, "idme is not counted");
    let session = welcome["data"]["session"].clone();
    client.send::<V>("joingame", journal.join(), None);
    assert_eq!(client.next::<V>()["command"], "joined");
    journal.begin_at(1);
    let mut received = 1;
    for cut in 0..cuts {
        journal.issue_some(&mut random, 6);
        if cut + 1 == cuts {
            journal.issue_last();
        }
        let frames = frames::<V>(&journal, &mut random);
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(bytes, _)| bytes)
            .copied()
            .collect();
        let sent = match random.below(3) {
            0 => bytes.len(),
            _ => random.index(bytes.len() + 1),
        };
        let _ = client.0.stream.write_all(&bytes[..sent]);
        let mut whole = 0;
        let mut end = 0;
        for (frame, is_counted) in &frames {
            end += frame.len();
            whole += usize::from(*is_counted && end <= sent);
        }
        let mut old = None;
        match random.below(4) {
            // The server reads the whole frames, unless it is resumed before.
            0 => drop(client.0.stream.shutdown(Shutdown::Both)),
            // The old connection stays open until it is replaced.
            1 => old = Some(client.0),
            _ => {
                for frame in client.0.frames_before_cut(random.index(4_000)) {
                    if frame.opcode == V::OPCODE {
                        received += 1;
                        journal.receive(&V::message(&frame.payload));
                    }
                }
            }
        }
        client = Connection::open::<V>(server);
        client.send::<V>(
            "resume",
            json!({"session": session, "received": received}),
            None,
        );
        let welcome = client.next::<V>();
        assert_eq!(
            welcome["data"]["resumed"], true,
            "seed {seed:#x}, cut {cut}: {welcome}"
        );
        let accepted = welcome["data"]["accepted"].as_u64().unwrap();
        journal.accept(accepted, whole);
        drop(old);
    }
    for (frame, _) in frames::<V>(&journal, &mut random) {
        client.0.send_raw(&frame);
    }
    while !journal.is_answered(true) {
        journal.receive(&client.next::<V>());
    }
    witness.check(&journal);
}

#[test]
fn repeated_commands_take_effect_once_over_websocket_v1() {
    let server = server();
    Random::run(&[0x5eed, 0xfeed, 0xbeef], |seed| {
        cut_at_random::<V1>(&server, seed, 400);
    });
}

#[test]
fn repeated_commands_take_effect_once_over_websocket_v2() {
    let server = server();
    Random::run(&[0xcafe, 0xf00d, 0xd00d], |seed| {
        cut_at_random::<V2>(&server, seed, 200);
    });
}

/// Resumes on a new connection, while the old one is still open, and returns how
/// many commands were accepted.
fn take_over(session: &mut Session<'_>) -> u64 {
    let (client, welcome) = resume(session.server, &session.secret, session.received);
    assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
    session.client = client;
    welcome["data"]["accepted"].as_u64().unwrap()
}

#[test]
fn half_a_frame_is_not_accepted_and_a_whole_one_is() {
    let server = server();
    let mut other = server.user("1:9");
    other.request("joinchannel", json!({"channel": "c"}));
    let mut session = Session::begin(&server, "1:1");
    let frame = |n| {
        let publish = json!({"command": "publish", "data": {"channel": "c", "data": n}});
        Frame::text(&publish.to_string()).masked()
    };
    let bytes = [frame(0), frame(1), frame(2)].concat();
    let length = frame(0).len();
    let mut accepted = 0;
    for sent in 0..=bytes.len() {
        session.client.send_raw(&bytes[..sent]);
        let whole = sent / length;
        for n in 0..whole {
            assert_eq!(other.expect("message")["data"], n);
        }
        accepted += whole as u64;
        assert_eq!(take_over(&mut session), accepted, "after {sent} bytes");
    }
    other.expect_nothing_pending();
}

#[test]
fn refused_and_unreadable_frames_are_accepted() {
    let server = server();
    let mut session = Session::begin(&server, "1:1");
    let counted = [
        r#"{"command": "publish", "data": {"channel": "c", "data": 1}}"#,
        r#"{"command": "publish", "data": {"channel": "a//b", "data": 1}}"#,
        r#"{"command": "call", "data": {"f": "forum:createPost"}}"#,
        r#"{"command": "dance", "data": {}}"#,
        r#"{"command": "time", "data": {"t0": "no number"}}"#,
        r#"{"command": 7}"#,
        "{",
        "",
    ];
    let not_counted = [
        r#"{"command": "idme", "data": "1:1"}"#,
        r#"{"command": "idme", "data": "1:2"}"#,
        r#"{"command": "time", "data": {"t0": 1}}"#,
        r#"{"command": "time", "data": {"t0": 1, "received": 1000000}}"#,
        r#"{"command": "resume", "data": {"session": "AAAAAAAAAAAAAAAAAAAAAA", "received": 0}}"#,
    ];
    let mut accepted = 0;
    let frames = counted.iter().map(|text| (text, 1));
    for (text, count) in frames.chain(not_counted.iter().map(|text| (text, 0))) {
        session.client.send_text(text);
        // Its answer, where it has one, comes before that of this command.
        let dance = json!({"command": "dance", "data": {}, "id": "behind"});
        session.client.send(dance);
        while session.next()["id"] != "behind" {}
        accepted += count + 1;
        assert_eq!(take_over(&mut session), accepted, "{text}");
    }
}

#[test]
fn frame_that_closes_the_connection_is_accepted() {
    let server = server();
    let mut session = Session::begin(&server, "1:1");
    let long = format!(
        r#"{{"command": "publish", "data": "{}"}}"#,
        "x".repeat(300_000)
    );
    let frames = [
        (Frame::text(&long), 1009),
        (Frame::new(Opcode::BINARY, [1, 2, 3]), 1003),
        (Frame::new(Opcode::TEXT, [0xff, 0xff]), 1007),
    ];
    for (count, (frame, code)) in (1..).zip(frames) {
        // The server may close before it has read all.
        let _ = session.client.stream.write_all(&frame.masked());
        assert_eq!(session.client.close_code(), code);
        // Repeated, it would close the next connection, and the next.
        assert_eq!(take_over(&mut session), count, "{code}");
    }
}

#[test]
fn what_comes_before_the_welcome_is_not_accepted() {
    let server = server();
    let mut client = server.connect();
    for text in [
        r#"{"command": "publish", "data": {"channel": "c", "data": 1}}"#,
        r#"{"command": "time", "data": {"t0": 1}}"#,
        "{",
    ] {
        client.send_text(text);
        client.next();
    }
    // Sent with the identification, but carried out behind it.
    let mut bytes = Vec::new();
    for text in [
        r#"{"command": "idme", "data": "1:1"}"#,
        r#"{"command": "dance", "data": {}}"#,
        r#"{"command": "time", "data": {"t0": 1}}"#,
    ] {
        bytes.extend(Frame::text(text).masked());
    }
    client.send_raw(&bytes);
    let welcome = client.expect("welcome");
    assert_eq!(welcome["accepted"], 0);
    client.expect_error("unknown_command");
    client.expect("time");
    // The same behind a resume.
    let mut client = server.connect();
    let resume =
        json!({"command": "resume", "data": {"session": welcome["session"], "received": 2}});
    let dance = r#"{"command": "dance", "data": {}}"#;
    let bytes = [resume.to_string().as_str(), dance].map(|text| Frame::text(text).masked());
    client.send_raw(&bytes.concat());
    assert_eq!(client.expect("welcome")["accepted"], 1);
    client.expect_error("unknown_command");
}
