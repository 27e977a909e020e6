//! The stream of a tunnel: who gets one, its id, and what comes on it.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::http::escape;
use turntable_testkit::metric::{CONNECTIONS, SESSIONS};
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::{Tunnel, post, refused};
use turntable_testkit::{DEADLINE, Server};

#[test]
fn tunnel_sends_id_then_idyou_then_welcome() {
    let server = Server::start();
    let mut tunnel = Tunnel::open(&server, "new=1&user=1:12345");
    assert_eq!(tunnel.expect_command("idyou"), json!({}));
    let welcome = tunnel.expect_command("welcome");
    assert_eq!(welcome["user"], "1:12345");
    assert_eq!(welcome["session"], tunnel.id);
    assert_eq!(welcome["resumed"], false);
}

#[test]
fn headers_forbid_caching_and_buffering() {
    let server = Server::start();
    let tunnel = Tunnel::user(&server, "1:1");
    let head = &tunnel.stream.response;
    for (name, value) in [
        ("Content-Type", "application/x-ndjson"),
        ("Cache-Control", "no-store, no-transform"),
        ("X-Accel-Buffering", "no"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    assert_eq!(head.header("Content-Length"), None);
    assert_eq!(head.header("Transfer-Encoding"), None);
    let sent = post(&server, &json!([]));
    assert_eq!(sent.header("Cache-Control"), Some("no-store"));
    assert_eq!(sent.header("X-Content-Type-Options"), Some("nosniff"));
}

#[test]
fn ids_have_128_random_bits_and_are_unique() {
    const OPENED: usize = 2_000;
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let server = Server::with(&[("session.unidentified_per_address_max", "3000")]);
    let mut ids = HashSet::new();
    let mut ones = [0; 128];
    for _ in 0..OPENED {
        let id = Stream::open(&server, "new=1&format=sse").id();
        for (place, letter) in id.bytes().enumerate() {
            let value = ALPHABET.iter().position(|known| *known == letter);
            let value = value.unwrap_or_else(|| panic!("{id}"));
            for bit in 0..6 {
                if value & (32 >> bit) != 0 {
                    // The last letter has two bits of the id.
                    ones[place * 6 + bit] += 1;
                }
            }
        }
        assert!(ids.insert(id));
    }
    // 7 standard deviations of a fair coin to each side.
    let (low, high) = (OPENED / 2 - 157, OPENED / 2 + 157);
    for (bit, count) in ones.into_iter().enumerate() {
        assert!(
            (low..high).contains(&count),
            "bit {bit} was set {count} times"
        );
    }
}

#[test]
fn request_needs_either_new_or_id() {
    let server = Server::start();
    let id = Tunnel::user(&server, "1:1").id;
    for query in [
        format!("format=ndjson&new=1&id={id}"),
        "format=ndjson".to_owned(),
        "format=ndjson&new=0".to_owned(),
        "format=ndjson&new=yes".to_owned(),
    ] {
        let answer = refused(&server, &query);
        assert_eq!(answer.error(), (400, "bad_message".to_owned()), "{query}");
        assert!(answer.text().contains("new=1") || answer.text().contains("new is 1"));
    }
}

#[test]
fn unauthorized_user_gets_no_header_and_no_id() {
    let server = Server::with(&[("portal.checkers", r#"["session"]"#)]);
    for query in [
        "new=1&format=sse&user=1:1",
        "new=1&format=sse&user=1:1&credentials=%7B%22password%22%3A%22x%22%7D",
        "new=1&format=longpoll&user=1:1",
    ] {
        let answer = refused(&server, query);
        assert_eq!(answer.error(), (401, "unauthorized".to_owned()), "{query}");
        assert!(answer.header("WWW-Authenticate").is_some(), "{query}");
    }
    server.await_metric(CONNECTIONS, 0.0);
    assert_eq!(server.metric(SESSIONS), 0.0);

    let server = Server::with(&[("portal.realms", "[\"1\"]")]);
    let answer = refused(&server, "new=1&format=sse&user=fb:mel");
    assert_eq!(answer.error(), (401, "unauthorized".to_owned()));
    drop(Tunnel::user(&server, "1:1"));
}

#[test]
fn invalid_user_and_non_object_credentials_are_refused() {
    let server = Server::start();
    for user in ["", "mel", "1:", ":1", "1:a b"] {
        let answer = refused(&server, &format!("new=1&format=sse&user={}", escape(user)));
        assert_eq!(answer.error(), (400, "invalid_id".to_owned()), "{user:?}");
    }
    for credentials in ["", "x", "[]", "\"x\"", "{"] {
        let query = format!(
            "new=1&format=sse&user=1:1&credentials={}",
            escape(credentials)
        );
        let answer = refused(&server, &query);
        assert_eq!(answer.error(), (400, "bad_message".to_owned()), "{query}");
    }
}

#[test]
fn tunnel_without_user_identifies_by_later_request() {
    let server = Server::start();
    let mut tunnel = Tunnel::unidentified(&server);
    tunnel.command("publish", json!({"channel": "c", "data": 1}));
    assert_eq!(tunnel.expect_command("error")["code"], "not_identified");
    let welcome = tunnel.request("idme", json!("1:12345"));
    assert_eq!(welcome["session"], tunnel.id);
    assert_eq!(welcome["user"], "1:12345");
    tunnel.join("c");
    tunnel.publish("c", json!("hello"));
    assert_eq!(tunnel.expect_published("c"), "hello");
}

#[test]
fn datagrams_are_sent_at_once() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    // Each must arrive before the next is sent: nothing waits for another one.
    for n in 0..20 {
        friend.request("publish", json!({"channel": "c", "data": n}));
        let start = Instant::now();
        assert_eq!(tunnel.expect_published("c"), n);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn room_member_receives_only_datagrams() {
    // On a WebSocket the clock of a room member is measured with pings.
    let server = Server::with(&[("time.ping_ms", "100"), ("tunnel.keepalive_ms", "250")]);
    let mut tunnel = Tunnel::user(&server, "1:1");
    tunnel.request("joingame", json!({"channel": "yard", "self": "1:1"}));
    assert_eq!(tunnel.stream.until("\n"), "\n");
    tunnel.request("leavegame", json!({"channel": "yard"}));
}

#[test]
fn presence_room_and_user_messages_have_their_paths() {
    let server = Server::start();
    let mut mel = Tunnel::user(&server, "1:1");
    let mut tom = server.user("1:2");
    mel.command("subscribe", json!(["1:2"]));
    let changed = mel.expect_message("/presence", "userchange");
    assert_eq!(changed, json!({"1:2": "online"}));
    let joined = mel.request(
        "joingame",
        json!({"channel": "yard", "self": "1:1", "invite": ["1:2"]}),
    );
    assert_eq!(joined["channel"], "yard");
    tom.await_command("invite");
    tom.command("declineinvite", json!({"channel": "yard"}));
    let reply = mel.expect_message("/user/1:1", "invitereply");
    assert_eq!(reply["accepted"], false);
    let action = json!({"timestamp": 1, "from": "1:1", "data": "hop"});
    mel.command("game", json!({"channel": "yard", "actions": [action]}));
    let game = mel.expect_message("/game/yard", "game");
    assert_eq!(game["actions"][0]["data"], "hop");
    tom.command("joingame", json!({"channel": "yard", "self": "1:2"}));
    let changed = mel.expect_message("/game/yard", "memberchange");
    assert_eq!(changed["members"], json!({"1:2": "joined"}));
}

#[test]
fn attachments_that_replace_each_other_get_whole_answers() {
    let server = Server::start();
    let address = server.address;
    for round in 0..30 {
        // Before, during and behind the identification.
        let tunnel = Tunnel::unidentified(&server);
        let mut sockets = Vec::new();
        for n in 0..8 {
            let format = ["ndjson", "longpoll", "sse"][n % 3];
            let id = &tunnel.id;
            let text = format!(
                "GET /tunnel?id={id}&format={format} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            );
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(text.as_bytes()).unwrap();
            sockets.push(socket);
            if n == 3 {
                tunnel.command("idme", json!(format!("1:{round}")));
            }
        }
        tunnel.command("bye", json!({}));
        for mut socket in sockets {
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 "), "{answer:?}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer:?}");
        }
    }
}
