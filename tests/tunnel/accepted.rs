//! Datagrams that are numbered (`/tunnel/send?n=`) and sent again after a break:
//! each takes effect exactly once.

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use turntable_testkit::http::{self, Pending, Response};
use turntable_testkit::journal::{self, Issued, Journal, Kind, Witness};
use turntable_testkit::session::resume;
use turntable_testkit::tunnel::{Tunnel, post};
use turntable_testkit::{DEADLINE, Random, Server};

const HEADERS: &str = "Content-Type: application/json\r\n";

/// The text of a request whose first datagram has the number `first`.
fn request(server: &Server, first: impl Display, datagrams: &Value) -> String {
    let target = format!("/tunnel/send?n={first}");
    http::text(
        server.address,
        "POST",
        &target,
        HEADERS,
        &datagrams.to_string(),
    )
}

fn send(server: &Server, first: impl Display, datagrams: &Value) -> Response {
    Pending::send(server.address, &request(server, first, datagrams)).answer()
}

/// A server that refuses nothing for its rate, and retains enough.
fn server() -> Server {
    journal::server(&[
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
        ("limits.game.per_second", "0"),
        ("limits.call.per_second", "0"),
        ("limits.time.per_second", "0"),
        ("session.error_burst", "1000000"),
        ("session.replay_bytes_max", "16777216"),
        ("session.outbox_bytes_max", "16777216"),
    ])
}

fn datagram(tunnel: &Tunnel<'_>, journal: &mut Journal, issued: Issued) -> Value {
    match issued.kind {
        // Read by nobody, and refused in different places.
        Kind::Unreadable => match issued.number % 5 {
            0 => json!(7),
            1 => tunnel.datagram("/nowhere", json!(1)),
            2 => tunnel.datagram("/server", json!({"command": 1})),
            3 => tunnel.datagram("/interest", json!({"add": [{"path": "/user/9:9"}]})),
            _ => tunnel.datagram("/tunnel/AAAAAAAAAAAAAAAAAAAAAA", json!("gone")),
        },
        // A message on a channel is sent by either path, and answered on one. What
        // cannot be read is refused by the answer to the request.
        Kind::Publish if issued.number.is_multiple_of(2) => {
            journal.has_no_answer(issued.number);
            tunnel.datagram(
                &format!("/channel/{}", journal.channel()),
                json!(issued.number),
            )
        }
        kind => {
            if kind == Kind::Unknown {
                journal.has_no_answer(issued.number);
            }
            let (command, data) = journal.command(issued);
            let message = json!({"command": command, "data": data, "id": issued.number});
            tunnel.datagram("/server", message)
        }
    }
}

/// The datagrams that were not accepted, with `time` among them, which has no
/// number.
fn datagrams(tunnel: &Tunnel<'_>, journal: &mut Journal, random: &mut Random) -> Vec<Value> {
    let mut datagrams = Vec::new();
    for issued in journal.rest().to_vec() {
        if random.below(8) == 0 {
            let time = json!({"command": "time", "data": {"t0": 1}});
            datagrams.push(tunnel.datagram("/server", time));
        }
        datagrams.push(datagram(tunnel, journal, issued));
    }
    datagrams
}

/// Sends `sent` bytes of a request, and reads `read` bytes of its answer at the
/// most. Returns the answer, where it is whole.
fn send_and_cut(server: &Server, text: &str, sent: usize, read: usize) -> Option<Response> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(&text.as_bytes()[..sent]).unwrap();
    if sent < text.len() {
        return None;
    }
    let mut answer = vec![0; read];
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut count = 0;
    while count < read {
        match stream.read(&mut answer[count..]).unwrap() {
            0 => return Some(Response::parse(&answer[..count])),
            more => count += more,
        }
    }
    None
}

/// One tunnel, whose requests and streams are cut `cuts` times.
fn cut_at_random(server: &Server, seed: u64, cuts: usize) {
    let mut random = Random::new(seed);
    let mut journal = Journal::new(&format!("{seed:x}"));
    let witness = Witness::new(server, &journal);
    let mut tunnel = Tunnel::user(server, journal.user());
    tunnel.command("joingame", journal.join());
    tunnel.next();
    journal.begin_at(1);
    let mut received = 1;
    for cut in 0..cuts {
        journal.issue_some(&mut random, 6);
        if cut + 1 == cuts {
            journal.issue_last();
        }
        let datagrams = datagrams(&tunnel, &mut journal, &mut random);
        let text = request(server, journal.next_count(), &json!(datagrams));
        let (sent, read) = match random.below(4) {
            0 => (text.len(), usize::MAX >> 40),
            1 => (text.len(), random.index(300)),
            _ => (random.index(text.len()), 0),
        };
        let rest = journal.rest().len();
        if let Some(answer) = send_and_cut(server, &text, sent, read) {
            assert_eq!(
                answer.status,
                200,
                "seed {seed:#x}, cut {cut}: {}",
                answer.text()
            );
            assert_eq!(answer.json().as_array().unwrap().len(), datagrams.len());
            journal.accept(journal.count(), rest);
        } else if random.below(4) == 0 {
            // A gap is refused, and the refusal says what was accepted.
            let beyond = journal.count() + 2;
            let dance = tunnel.datagram("/server", json!({"command": "dance", "data": {}}));
            let answer = send(server, beyond, &json!([dance]));
            assert_eq!(
                answer.error(),
                (409, "conflict".to_owned()),
                "seed {seed:#x}, cut {cut}"
            );
            let accepted = &answer.json()["error"]["details"]["accepted"];
            let accepted = accepted.as_u64().unwrap();
            journal.accept(accepted, rest);
        }
        // The stream is cut after any byte.
        let soon = Duration::from_millis(1);
        for datagram in tunnel.cut_after(random.index(3_000), soon) {
            received += 1;
            journal.receive(&datagram["data"]);
        }
        drop(tunnel.resume_after_last());
    }
    let rest = journal.rest().len();
    let all = json!(datagrams(&tunnel, &mut journal, &mut random));
    assert_eq!(send(server, journal.next_count(), &all).status, 200);
    journal.accept(journal.count(), rest);
    while !journal.is_answered(false) {
        received += 1;
        journal.receive(&tunnel.next()["data"]);
    }
    let (_client, welcome) = resume(server, &json!(tunnel.id), received);
    assert_eq!(
        welcome["data"]["accepted"],
        journal.count(),
        "seed {seed:#x}"
    );
    witness.check(&journal);
}

#[test]
fn repeated_datagrams_take_effect_once() {
    let server = server();
    Random::run(&[0x5eed, 0xfeed, 0xbeef], |seed| {
        cut_at_random(&server, seed, 150)
    });
}

/// The results of a list, by their error codes; `ok` for what was accepted.
fn results(answer: &Response) -> Vec<String> {
    let results = answer.json();
    let results = results.as_array().unwrap().iter();
    let code = |result: &Value| match result["error"]["code"].as_str() {
        Some(code) => code.to_owned(),
        None => "ok".to_owned(),
    };
    results.map(code).collect()
}

#[test]
fn refused_and_unreadable_datagrams_have_numbers_and_time_has_none() {
    let server = server();
    let mut witness = server.user("1:9");
    witness.request("joinchannel", json!({"channel": "c"}));
    let mut tunnel = Tunnel::user(&server, "1:1");
    let publish = |n: u64| tunnel.datagram("/channel/c", json!(n));
    let command = |command: Value| tunnel.datagram("/server", command);
    let list = json!([
        publish(1),
        command(json!({"command": "time", "data": {"t0": 1}})),
        json!(7),
        publish(3),
        tunnel.datagram("/nowhere", json!(4)),
        tunnel.datagram("/interest", json!({"add": [{"path": "/user/9:9"}]})),
        tunnel.datagram(
            "/interest",
            json!({"add": [{"path": "/tunnel/AAAAAAAAAAAAAAAAAAAAAA"}]})
        ),
        tunnel.datagram("/tunnel/AAAAAAAAAAAAAAAAAAAAAA", json!("gone")),
        publish(8),
    ]);
    let answer = send(&server, 1, &list);
    let expected = [
        "ok",
        "ok",
        "bad_message",
        "ok",
        "bad_message",
        "forbidden",
        "forbidden",
        "session_expired",
        "ok",
    ];
    assert_eq!(results(&answer), expected);
    for n in [1, 3, 8] {
        assert_eq!(witness.expect("message")["data"], n);
    }
    // All of it again, and one more.
    let mut again = list.as_array().unwrap().clone();
    again.push(publish(9));
    assert_eq!(
        results(&send(&server, 1, &json!(again))).last().unwrap(),
        "ok"
    );
    assert_eq!(witness.expect("message")["data"], 9);
    witness.expect_nothing_pending();
    let gap = send(&server, 11, &publish(11));
    assert_eq!(gap.error(), (409, "conflict".to_owned()));
    assert_eq!(gap.json()["error"]["details"]["accepted"], 9);
    // A client that does not know its number asks, and nothing is taken.
    let asked = send(&server, "unknown", &publish(10));
    assert_eq!((asked.status, asked.json()), (200, json!({"accepted": 9})));
    for wrong in ["0", "-1", "x", "Unknown"] {
        let refused = send(&server, wrong, &publish(10));
        assert_eq!(refused.error(), (400, "bad_message".to_owned()), "{wrong}");
    }
    witness.expect_nothing_pending();
    tunnel.expect_command("time");
    tunnel.expect_command("time");
    let (_client, welcome) = resume(&server, &json!(tunnel.id), 2);
    assert_eq!(welcome["data"]["accepted"], 9);
}

#[test]
fn numbers_begin_behind_the_welcome() {
    let server = server();
    let mut tunnel = Tunnel::unidentified(&server);
    let idme = json!({"command": "idme", "data": "1:1"});
    let idme = tunnel.datagram("/server", idme);
    assert_eq!(post(&server, &idme).status, 200);
    tunnel.expect_command("welcome");
    let publish = tunnel.datagram("/channel/c", json!(1));
    for n in [1, 1, 2] {
        assert_eq!(send(&server, n, &publish).status, 200);
    }
    let other = Tunnel::unidentified(&server);
    let early = send(&server, 1, &other.datagram("/channel/c", json!(1)));
    assert_eq!(early.error(), (403, "not_identified".to_owned()));
}

#[test]
fn number_out_of_range_is_refused() {
    let server = server();
    let tunnel = Tunnel::user(&server, "1:1");
    let publish = tunnel.datagram("/channel/c", json!(1));
    let last = send(&server, u64::MAX, &json!([publish, publish]));
    assert_eq!(last.error(), (409, "conflict".to_owned()));
    assert_eq!(send(&server, 0, &publish).error().0, 400);
}

/// A browser sends a request again whose connection is reset before the answer. The
/// identification has no number yet.
#[test]
fn repeated_identification_is_no_command_of_its_session() {
    let server = server();
    let mut tunnel = Tunnel::unidentified(&server);
    let idme = tunnel.datagram("/server", json!({"command": "idme", "data": "1:1"}));
    for _ in 0..2 {
        assert_eq!(post(&server, &idme).status, 200);
        tunnel.expect_command("welcome");
    }
    let join = tunnel.datagram(
        "/server",
        json!({"command": "joinchannel", "data": {"channel": "c"}}),
    );
    assert_eq!(
        send(&server, "unknown", &join).json(),
        json!({"accepted": 0})
    );
    assert_eq!(send(&server, 1, &join).status, 200);
    tunnel.expect_command("joined");
}
