//! Tunnels whose connection is lost or replaced: the client gets every datagram
//! once, or an error that says that it cannot.

use serde_json::json;

use turntable_testkit::metric::{CONNECTIONS, SESSIONS};
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::{Tunnel, refused};
use turntable_testkit::{Random, Server};

/// A tunnel on the channel `c` that has received 4 of 6 datagrams, and the ids of
/// those.
fn partly_read(server: &Server) -> (Tunnel<'_>, Vec<String>) {
    let mut tunnel = Tunnel::on_channel(server, "1:1", "c");
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
fn after_names_last_received_datagram() {
    let server = Server::start();
    let mut others = Vec::new();
    for round in 0..4 {
        let (mut tunnel, ids) = partly_read(&server);
        if round % 2 == 1 {
            // Alternates between the same worker and the other one.
            others.push(server.connect());
        }
        tunnel.stream.cut();
        tunnel.resume(&format!("after={}", ids[3]));
        expect_numbers(&mut tunnel, 4..6);
        tunnel.expect_nothing_pending();
        tunnel.command("bye", json!({}));
        tunnel.expect_footer();
    }
}

#[test]
fn repeated_datagram_has_same_id() {
    let server = Server::start();
    let (mut tunnel, ids) = partly_read(&server);
    tunnel.resume(&format!("after={}", ids[0]));
    for id in &ids[1..] {
        tunnel.next();
        assert_eq!(tunnel.last, *id);
    }
    expect_numbers(&mut tunnel, 4..6);
}

#[test]
fn same_position_can_be_resumed_repeatedly() {
    let server = Server::start();
    let (mut tunnel, ids) = partly_read(&server);
    for _ in 0..3 {
        tunnel.resume(&format!("after={}", ids[3]));
    }
    expect_numbers(&mut tunnel, 4..6);
    for _ in 0..40 {
        // No datagram arrived in between.
        tunnel.resume_after_last();
    }
    tunnel.publish("c", json!(6));
    expect_numbers(&mut tunnel, 6..7);
}

#[test]
fn last_event_id_works_like_after() {
    let server = Server::start();
    let (mut tunnel, ids) = partly_read(&server);
    let query = format!("id={}", tunnel.id);
    let header = format!("Last-Event-ID: {}\r\n", ids[1]);
    tunnel.stream = Tunnel::open_with(&server, &query, &header).stream;
    expect_numbers(&mut tunnel, 2..6);
}

#[test]
fn last_event_id_overrides_position_in_url() {
    // An EventSource repeats its original URL, and names the last datagram in the
    // header.
    let server = Server::start();
    for position in ["after", "received=2"] {
        let (mut tunnel, ids) = partly_read(&server);
        let position = match position {
            "after" => format!("after={}", ids[0]),
            position => position.to_owned(),
        };
        let query = format!("id={}&{position}", tunnel.id);
        tunnel.stream = Tunnel::open(&server, &query).stream;
        expect_numbers(&mut tunnel, 1..6);
        let header = format!("Last-Event-ID: {}\r\n", ids[3]);
        tunnel.stream = Tunnel::open_with(&server, &query, &header).stream;
        expect_numbers(&mut tunnel, 4..6);
        tunnel.expect_nothing_pending();
    }
}

#[test]
fn received_counts_like_resume() {
    let server = Server::start();
    let (mut tunnel, _) = partly_read(&server);
    // `joined` and four publications.
    tunnel.resume("received=5");
    expect_numbers(&mut tunnel, 4..6);
    tunnel.expect_nothing_pending();
}

#[test]
fn resume_without_position_repeats_everything_retained() {
    let server = Server::start();
    let (mut tunnel, ids) = partly_read(&server);
    tunnel.resume("");
    // The client need not know the tunnel's user.
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
    tunnel.expect_nothing_pending();
}

#[test]
fn unnumbered_datagram_is_a_valid_position() {
    let server = Server::start();
    // The id of `idyou`, and that of `welcome`.
    let mut tunnel = Tunnel::open(&server, "new=1&user=1:1");
    tunnel.expect_command("idyou");
    let idyou = tunnel.last.clone();
    tunnel.expect_command("welcome");
    tunnel.join("c");
    let joined = tunnel.last.clone();
    // A client that names a datagram before the welcome gets the welcome, too.
    tunnel.resume(&format!("after={idyou}"));
    assert_eq!(tunnel.expect_command("welcome")["resumed"], true);
    assert_eq!(tunnel.next()["data"]["command"], "joined");
    tunnel.resume(&format!("after={joined}"));
    tunnel.publish("c", json!(1));
    assert_eq!(tunnel.expect_published("c"), 1);
}

#[test]
fn unidentified_tunnel_can_resume() {
    let server = Server::start();
    let mut others = Vec::new();
    for round in 0..4 {
        let mut tunnel = Tunnel::unidentified(&server);
        if round % 2 == 1 {
            others.push(server.connect());
        }
        let mut before = tunnel.resume_after_last();
        assert_eq!(before.rest(), "{\"close\":4002}\n");
        tunnel.command("idme", json!("1:1"));
        assert_eq!(tunnel.expect_command("welcome")["session"], tunnel.id);
        tunnel.join("c");
        tunnel.resume_after_last();
        tunnel.publish("c", json!(round));
        assert_eq!(tunnel.expect_published("c"), round);
        tunnel.command("bye", json!({}));
        tunnel.expect_footer();
    }
}

#[test]
fn newest_attachment_wins_and_older_gets_footer() {
    let server = Server::start();
    for (format, footer) in [
        ("ndjson", "{\"close\":4002}\n"),
        ("sse", "event: close\ndata: {\"close\":4002}\n\n"),
        // The batch is incomplete, and its end has the reason.
        ("longpoll", ",{\"close\":4002}]"),
    ] {
        let id = Tunnel::user(&server, "1:1").id;
        let mut first = Stream::open(&server, &format!("id={id}&format={format}&received=0"));
        let mut second = Tunnel::open(&server, &format!("id={id}&received=0"));
        let rest = first.rest();
        assert!(rest.ends_with(footer), "{rest:?}");
        assert!(!rest.contains("idyou"), "{rest:?}");
        second.request("joinchannel", json!({"channel": "c"}));
        second.publish("c", json!(format));
        assert_eq!(second.expect_published("c"), format);
        second.expect_nothing_pending();
    }
}

#[test]
fn tunnel_resumes_in_another_format() {
    let server = Server::start();
    let (tunnel, ids) = partly_read(&server);
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
fn datagrams_sent_while_detached_wait() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    tunnel.stream.cut();
    server.await_metric(CONNECTIONS, 1.0);
    for n in 0..30 {
        friend.request("publish", json!({"channel": "c", "data": n}));
    }
    // A client can send while its tunnel is detached.
    tunnel.publish("c", json!(30));
    tunnel.resume_after_last();
    expect_numbers(&mut tunnel, 0..31);
    tunnel.expect_nothing_pending();
}

#[test]
fn expired_tunnel_is_gone_and_new_one_has_no_interest() {
    let server = Server::with(&[("session.resume_ms", "200")]);
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    tunnel.stream.cut();
    server.await_metric(SESSIONS, 0.0);
    let query = format!("id={}&format=ndjson&after={}", tunnel.id, tunnel.last);
    let answer = refused(&server, &query);
    assert_eq!(answer.error(), (410, "session_expired".to_owned()));
    let sent = tunnel.send_refused("/channel/c", json!(1));
    assert_eq!(sent, (410, "session_expired".to_owned()));
    let mut next = Tunnel::user(&server, "1:1");
    assert_ne!(next.id, tunnel.id);
    next.publish("c", json!("to nobody"));
    next.expect_nothing_pending();
}

#[test]
fn unknown_id_is_gone_and_malformed_id_is_not_found() {
    let server = Server::start();
    for (id, status, code) in [
        ("AAAAAAAAAAAAAAAAAAAAAA", 410, "session_expired"),
        ("x", 404, "not_found"),
        ("", 404, "not_found"),
        ("AAAAAAAAAAAAAAAAAAAAA%2F", 404, "not_found"),
        ("AAAAAAAAAAAAAAAAAAAAAB", 404, "not_found"),
    ] {
        let answer = refused(&server, &format!("id={id}&format=sse"));
        assert_eq!(answer.error(), (status, code.to_owned()), "{id:?}");
    }
}

#[test]
fn invalid_position_is_refused_without_side_effects() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    for rest in [
        "after=x",
        "after=%0d%0a",
        "received=-1",
        "received=x",
        "received=",
    ] {
        let answer = refused(&server, &format!("id={}&format=ndjson&{rest}", tunnel.id));
        assert_eq!(answer.error(), (400, "bad_message".to_owned()), "{rest}");
    }
    tunnel.expect_nothing_pending();
}

#[test]
fn resume_beyond_replay_buffer_is_gone() {
    for position in ["received=1", "after"] {
        let server = Server::with(&[("session.replay_bytes_max", "2000")]);
        let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
        let last = tunnel.last.clone();
        for n in 0..40 {
            tunnel.publish("c", json!({"n": n, "filler": "x".repeat(200)}));
        }
        for n in 0..40 {
            assert_eq!(tunnel.expect_published("c")["n"], n);
        }
        let position = match position {
            "after" => format!("after={last}"),
            position => position.to_owned(),
        };
        let answer = refused(
            &server,
            &format!("id={}&format=ndjson&{position}", tunnel.id),
        );
        assert_eq!(answer.error(), (410, "session_expired".to_owned()));
        // The session ended: the attached stream gets the footer.
        tunnel.expect_footer();
    }
}

#[test]
fn acknowledging_unsent_datagrams_is_gone() {
    let server = Server::start();
    let tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let query = format!("id={}&format=ndjson&received=99", tunnel.id);
    let answer = refused(&server, &query);
    assert_eq!(answer.error(), (410, "session_expired".to_owned()));
    let tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let query = format!("id={}&format=ndjson&after={}", tunnel.id, "7".repeat(26));
    let answer = refused(&server, &query);
    assert_eq!(answer.error(), (410, "session_expired".to_owned()));
}

#[test]
fn repeated_disconnects_lose_and_duplicate_nothing() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for seed in [0x5eed_u64, 0xfeed, 0xbeef] {
            let server = &server;
            scope.spawn(move || break_at_random(server, seed));
        }
    });
}

/// Publishes, reads, and breaks the connection at random.
fn break_at_random(server: &Server, seed: u64) {
    let mut random = Random::new(seed);
    let path = format!("random/{seed}");
    let mut publisher = server.user(&format!("p:{seed}"));
    let mut tunnel = Tunnel::on_channel(server, &format!("l:{seed}"), &path);
    let (mut published, mut got) = (0, 0);
    for cut in 0..40 {
        for _ in 0..random.below(8) {
            publisher.command("publish", json!({"channel": path, "data": published}));
            published += 1;
        }
        for _ in 0..random.below(8).min(published - got) {
            let number = tunnel.expect_published(&path);
            assert_eq!(number, got, "seed {seed}, cut {cut}");
            got += 1;
        }
        if random.below(3) > 0 {
            tunnel.stream.cut();
        }
        // By the count of messages, including `joined`, or by ids.
        if seed == 0xfeed {
            tunnel.resume(&format!("received={}", got + 1));
        } else {
            tunnel.resume_after_last();
        }
    }
    publisher.request("publish", json!({"channel": path, "data": "end"}));
    while got < published {
        assert_eq!(tunnel.expect_published(&path), got, "seed {seed}");
        got += 1;
    }
    assert_eq!(tunnel.expect_published(&path), "end");
}
