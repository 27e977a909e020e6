//! Tunnels whose connection was lost, or replaced: nothing is lost or doubled,
//! or it is said that it cannot be had.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod stream;
mod support;

use serde_json::{Value, json};
use stream::{Stream, Tunnel, fault, refused};
use support::Server;

/// A tunnel on the channel `c` that has read 4 of 6 datagrams, with their ids,
/// and the ids of the rest.
fn in_the_middle(server: &Server) -> (Tunnel<'_>, Vec<String>) {
    let mut tunnel = Tunnel::on(server, "1:1", "c");
    let mut ids = Vec::new();
    for n in 0..6 {
        tunnel.publish("c", json!(n));
    }
    for n in 0..4 {
        assert_eq!(tunnel.expect_published("c"), n);
        ids.push(tunnel.last.clone());
    }
    (tunnel, ids)
}

fn expect_numbers(tunnel: &mut Tunnel<'_>, numbers: std::ops::Range<u64>) {
    for n in numbers {
        assert_eq!(tunnel.expect_published("c"), n);
    }
}

#[test]
fn after_names_the_last_datagram_that_came() {
    let server = Server::start();
    let mut spares = Vec::new();
    for round in 0..4 {
        let (mut tunnel, ids) = in_the_middle(&server);
        if round % 2 == 1 {
            // Now on the same worker, now on the other one.
            spares.push(server.connect());
        }
        tunnel.stream.cut();
        tunnel.back(&format!("after={}", ids[3]));
        expect_numbers(&mut tunnel, 4..6);
        tunnel.expect_nothing_before_an_answer();
        tunnel.command("bye", json!({}));
        tunnel.expect_footer();
    }
}

#[test]
fn a_datagram_that_comes_again_has_the_id_it_had() {
    let server = Server::start();
    let (mut tunnel, ids) = in_the_middle(&server);
    tunnel.back(&format!("after={}", ids[0]));
    for id in &ids[1..] {
        tunnel.next();
        assert_eq!(tunnel.last, *id);
    }
    expect_numbers(&mut tunnel, 4..6);
}

#[test]
fn the_same_last_datagram_may_be_named_again_and_again() {
    let server = Server::start();
    let (mut tunnel, ids) = in_the_middle(&server);
    for _ in 0..3 {
        tunnel.back(&format!("after={}", ids[3]));
    }
    expect_numbers(&mut tunnel, 4..6);
    for _ in 0..40 {
        // Nothing came in between.
        tunnel.back_after();
    }
    tunnel.publish("c", json!(6));
    expect_numbers(&mut tunnel, 6..7);
}

#[test]
fn last_event_id_is_the_same_as_after() {
    let server = Server::start();
    let (mut tunnel, ids) = in_the_middle(&server);
    let query = format!("id={}", tunnel.id);
    let header = format!("Last-Event-ID: {}\r\n", ids[1]);
    tunnel.stream = Tunnel::open_with(&server, &query, &header).stream;
    expect_numbers(&mut tunnel, 2..6);
}

#[test]
fn what_a_browser_says_by_itself_is_newer_than_its_address() {
    // An EventSource repeats the address that it was made with, and tells the
    // last datagram that came since then in the header.
    let server = Server::start();
    for point in ["after", "received=2"] {
        let (mut tunnel, ids) = in_the_middle(&server);
        let point = match point {
            "after" => format!("after={}", ids[0]),
            point => point.to_owned(),
        };
        let address = format!("id={}&{point}", tunnel.id);
        tunnel.stream = Tunnel::open(&server, &address).stream;
        expect_numbers(&mut tunnel, 1..6);
        let header = format!("Last-Event-ID: {}\r\n", ids[3]);
        tunnel.stream = Tunnel::open_with(&server, &address, &header).stream;
        expect_numbers(&mut tunnel, 4..6);
        tunnel.expect_nothing_before_an_answer();
    }
}

#[test]
fn received_counts_as_for_a_resume() {
    let server = Server::start();
    let (mut tunnel, _) = in_the_middle(&server);
    // `joined` and four numbers.
    tunnel.back("received=5");
    expect_numbers(&mut tunnel, 4..6);
    tunnel.expect_nothing_before_an_answer();
}

#[test]
fn without_a_word_everything_that_is_kept_comes_again() {
    let server = Server::start();
    let (mut tunnel, ids) = in_the_middle(&server);
    tunnel.back("");
    // It need not know whose tunnel it has.
    let welcome = tunnel.expect_command("welcome");
    assert_eq!(
        (&welcome["user"], &welcome["resumed"]),
        (&json!("1:1"), &json!(true))
    );
    tunnel.expect_command("joined");
    for id in &ids {
        tunnel.next();
        assert_eq!(tunnel.last, *id);
    }
    expect_numbers(&mut tunnel, 4..6);
    tunnel.expect_nothing_before_an_answer();
}

#[test]
fn what_stands_before_the_first_numbered_datagram_may_be_named_too() {
    let server = Server::start();
    // The id of `idyou`, and that of `welcome`.
    let mut tunnel = Tunnel::open(&server, "new=1&user=1:1");
    tunnel.expect_command("idyou");
    let idyou = tunnel.last.clone();
    tunnel.expect_command("welcome");
    tunnel.join("c");
    let joined = tunnel.last.clone();
    // Who names what stands before the welcome has not got that either.
    tunnel.back(&format!("after={idyou}"));
    assert_eq!(tunnel.expect_command("welcome")["resumed"], true);
    assert_eq!(tunnel.next()["data"]["command"], "joined");
    tunnel.back(&format!("after={joined}"));
    tunnel.publish("c", json!(1));
    assert_eq!(tunnel.expect_published("c"), 1);
}

#[test]
fn a_tunnel_whose_client_is_unknown_yet_may_come_back() {
    let server = Server::start();
    let mut spares = Vec::new();
    for round in 0..4 {
        let mut tunnel = Tunnel::nobody(&server);
        if round % 2 == 1 {
            spares.push(server.connect());
        }
        let mut before = tunnel.back_after();
        assert_eq!(before.rest(), "{\"close\":4002}\n");
        tunnel.command("idme", json!("1:1"));
        assert_eq!(tunnel.expect_command("welcome")["session"], tunnel.id);
        tunnel.join("c");
        tunnel.back_after();
        tunnel.publish("c", json!(round));
        assert_eq!(tunnel.expect_published("c"), round);
        tunnel.command("bye", json!({}));
        tunnel.expect_footer();
    }
}

#[test]
fn the_newest_attachment_wins_and_the_older_gets_the_footer() {
    let server = Server::start();
    for (format, footer) in [
        ("ndjson", "{\"close\":4002}\n"),
        ("sse", "event: close\ndata: {\"close\":4002}\n\n"),
        // Its batch is not over yet, and says why it ends all the same.
        ("longpoll", ",{\"close\":4002}]"),
    ] {
        let id = Tunnel::of(&server, "1:1").id;
        let mut first = Stream::open(&server, &format!("id={id}&format={format}&received=0"));
        let mut second = Tunnel::open(&server, &format!("id={id}&received=0"));
        let rest = first.rest();
        assert!(rest.ends_with(footer), "{rest:?}");
        assert!(!rest.contains("idyou"), "{rest:?}");
        second.ask("joinchannel", json!({"channel": "c"}));
        second.publish("c", json!(format));
        assert_eq!(second.expect_published("c"), format);
        second.expect_nothing_before_an_answer();
    }
}

#[test]
fn a_tunnel_comes_back_in_another_format() {
    let server = Server::start();
    let (tunnel, ids) = in_the_middle(&server);
    let mut stream = Stream::open(
        &server,
        &format!("id={}&format=sse&after={}", tunnel.id, ids[3]),
    );
    stream.until("\n\n");
    for n in 4..6 {
        let event = stream.until("\n\n");
        let data = format!(r#""path":"/channel/c","data":{n},"#);
        assert!(event.starts_with("id: 01"), "{event}");
        assert!(event.contains(&data), "{event}");
    }
}

#[test]
fn what_was_missed_while_nobody_was_attached_waits() {
    let server = Server::start();
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    tunnel.stream.cut();
    server.await_metric("turntable_connections", 1.0);
    for n in 0..30 {
        friend.ask("publish", json!({"channel": "c", "data": n}));
    }
    // A client may send while its tunnel is down.
    tunnel.publish("c", json!(30));
    tunnel.back_after();
    expect_numbers(&mut tunnel, 0..31);
    tunnel.expect_nothing_before_an_answer();
}

#[test]
fn a_culled_tunnel_is_gone_and_a_new_one_has_a_new_id_and_no_interest() {
    let server = Server::with(&[("session.resume_ms", "200")]);
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    tunnel.stream.cut();
    server.await_metric("turntable_sessions", 0.0);
    let query = format!("id={}&format=ndjson&after={}", tunnel.id, tunnel.last);
    let answer = refused(&server, &query);
    assert_eq!(fault(&answer), (410, "session_expired".to_owned()));
    let sent = tunnel.send_refused("/channel/c", json!(1));
    assert_eq!(sent, (410, "session_expired".to_owned()));
    let mut next = Tunnel::of(&server, "1:1");
    assert_ne!(next.id, tunnel.id);
    next.publish("c", json!("who hears?"));
    next.expect_nothing_before_an_answer();
}

#[test]
fn an_unknown_id_is_gone_and_a_malformed_one_is_not_found() {
    let server = Server::start();
    for (id, status, code) in [
        ("AAAAAAAAAAAAAAAAAAAAAA", 410, "session_expired"),
        ("x", 404, "not_found"),
        ("", 404, "not_found"),
        ("AAAAAAAAAAAAAAAAAAAAA%2F", 404, "not_found"),
        ("AAAAAAAAAAAAAAAAAAAAAB", 404, "not_found"),
    ] {
        let answer = refused(&server, &format!("id={id}&format=sse"));
        assert_eq!(fault(&answer), (status, code.to_owned()), "{id:?}");
    }
}

#[test]
fn what_cannot_be_the_last_datagram_is_refused_and_touches_nothing() {
    let server = Server::start();
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    for rest in [
        "after=x",
        "after=%0d%0a",
        "received=-1",
        "received=x",
        "received=",
    ] {
        let answer = refused(&server, &format!("id={}&format=ndjson&{rest}", tunnel.id));
        assert_eq!(fault(&answer), (400, "bad_message".to_owned()), "{rest}");
    }
    tunnel.expect_nothing_before_an_answer();
}

#[test]
fn more_than_is_kept_is_a_hole_and_is_never_hidden() {
    for point in ["received=1", "after"] {
        let server = Server::with(&[("session.replay_bytes_max", "2000")]);
        let mut tunnel = Tunnel::on(&server, "1:1", "c");
        let last = tunnel.last.clone();
        for n in 0..40 {
            tunnel.publish("c", json!({"n": n, "filler": "x".repeat(200)}));
        }
        for n in 0..40 {
            assert_eq!(tunnel.expect_published("c")["n"], n);
        }
        let point = match point {
            "after" => format!("after={last}"),
            point => point.to_owned(),
        };
        let answer = refused(&server, &format!("id={}&format=ndjson&{point}", tunnel.id));
        assert_eq!(fault(&answer), (410, "session_expired".to_owned()));
        // The session is over: who listens still is told.
        tunnel.expect_footer();
    }
}

#[test]
fn nobody_has_got_more_than_was_sent() {
    let server = Server::start();
    let tunnel = Tunnel::on(&server, "1:1", "c");
    let query = format!("id={}&format=ndjson&received=99", tunnel.id);
    let answer = refused(&server, &query);
    assert_eq!(fault(&answer), (410, "session_expired".to_owned()));
    let tunnel = Tunnel::on(&server, "1:1", "c");
    let query = format!("id={}&format=ndjson&after={}", tunnel.id, "7".repeat(26));
    let answer = refused(&server, &query);
    assert_eq!(fault(&answer), (410, "session_expired".to_owned()));
}

#[test]
fn long_polls_in_a_row_get_everything_once() {
    let server = Server::start();
    let tunnel = Tunnel::on(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    let mut last = tunnel.last.clone();
    let (mut published, mut got) = (0, 0);
    while got < 60 {
        for _ in 0..(published * 7) % 5 + 1 {
            friend.ask("publish", json!({"channel": "c", "data": published}));
            published += 1;
        }
        let query = format!("id={}&format=longpoll&after={last}", tunnel.id);
        let batch: Value = serde_json::from_str(&Stream::open(&server, &query).rest()).unwrap();
        let batch = batch.as_array().unwrap();
        assert_eq!(batch[0], json!({"tunnel": tunnel.id}));
        assert!(batch.len() > 1, "empty, though there was something");
        for datagram in &batch[1..] {
            assert_eq!(datagram["data"], got);
            last = datagram["id"].as_str().unwrap().to_owned();
            got += 1;
        }
    }
}

#[test]
fn a_long_poll_waits_and_ends_empty_in_time() {
    let server = Server::with(&[("tunnel.longpoll_ms", "200")]);
    let tunnel = Tunnel::on(&server, "1:1", "c");
    let query = format!("id={}&format=longpoll&after={}", tunnel.id, tunnel.last);
    let empty = Stream::open(&server, &query).rest();
    assert_eq!(empty, format!("[{{\"tunnel\":\"{}\"}}]", tunnel.id));
    // One that waits gets what comes.
    let server = Server::start();
    let tunnel = Tunnel::on(&server, "1:1", "c");
    let query = format!("id={}&format=longpoll&after={}", tunnel.id, tunnel.last);
    let address = server.address;
    let waiting = {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let text = format!("GET /tunnel?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        std::io::Write::write_all(&mut socket, text.as_bytes()).unwrap();
        socket
    };
    tunnel.publish("c", json!("news"));
    let mut text = String::new();
    waiting.set_read_timeout(Some(support::DEADLINE)).unwrap();
    std::io::Read::read_to_string(&mut &waiting, &mut text).unwrap();
    assert!(
        text.contains("\"data\":\"news\",") && text.ends_with("}]"),
        "{text}"
    );
}

#[test]
fn a_long_poller_is_not_offline_between_its_requests() {
    let server = Server::with(&[("presence.grace_ms", "0"), ("tunnel.gap_ms", "600")]);
    let mut friend = server.user("1:2");
    assert_eq!(friend.subscribe(&["1:1"]), json!({"1:1": "offline"}));
    let query = "new=1&format=longpoll&user=1:1";
    let batch: Value = serde_json::from_str(&Stream::open(&server, query).rest()).unwrap();
    assert_eq!(batch[1]["data"]["command"], "idyou");
    assert_eq!(friend.expect("userchange"), json!({"1:1": "online"}));
    friend.expect_none();
    // It does not come back in time.
    assert_eq!(friend.expect("userchange"), json!({"1:1": "offline"}));
}

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn nothing_is_lost_or_doubled_however_often_the_connection_breaks() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for seed in [0x5eed_u64, 0xfeed, 0xbeef] {
            let server = &server;
            scope.spawn(move || torture(server, seed));
        }
    });
}

/// Publishes, reads and breaks at random.
fn torture(server: &Server, seed: u64) {
    let mut dice = Dice(seed);
    let path = format!("torture/{seed}");
    let mut publisher = server.user(&format!("p:{seed}"));
    let mut tunnel = Tunnel::on(server, &format!("l:{seed}"), &path);
    let (mut published, mut got) = (0, 0);
    for cut in 0..40 {
        for _ in 0..dice.below(8) {
            publisher.command("publish", json!({"channel": path, "data": published}));
            published += 1;
        }
        for _ in 0..dice.below(8).min(published - got) {
            let number = tunnel.expect_published(&path);
            assert_eq!(number, got, "seed {seed}, cut {cut}");
            got += 1;
        }
        if dice.below(3) > 0 {
            tunnel.stream.cut();
        }
        // By the count of messages, `joined` among them, or by their ids.
        if seed == 0xfeed {
            tunnel.back(&format!("received={}", got + 1));
        } else {
            tunnel.back_after();
        }
    }
    publisher.ask("publish", json!({"channel": path, "data": "end"}));
    while got < published {
        assert_eq!(tunnel.expect_published(&path), got, "seed {seed}");
        got += 1;
    }
    assert_eq!(tunnel.expect_published(&path), "end");
}
