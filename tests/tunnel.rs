//! Tunnels: opened by one request, spoken to by others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod stream;
mod support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stream::{Stream, Tunnel, ask, encode, fault, post, refused};
use support::Server;

#[test]
fn a_tunnel_tells_its_id_and_then_who_is_welcome() {
    let server = Server::start();
    let mut tunnel = Tunnel::open(&server, "new=1&user=1:12345");
    assert_eq!(tunnel.expect_command("idyou"), json!({}));
    let welcome = tunnel.expect_command("welcome");
    assert_eq!(welcome["user"], "1:12345");
    assert_eq!(welcome["session"], tunnel.id);
    assert_eq!(welcome["resumed"], false);
}

#[test]
fn nothing_on_the_way_may_keep_or_hold_back_an_answer() {
    let server = Server::start();
    let tunnel = Tunnel::of(&server, "1:1");
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
fn an_id_has_128_random_bits_and_never_comes_again() {
    const OPENED: usize = 2_000;
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let server = Server::start();
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
fn new_or_an_id_and_never_both_or_neither() {
    let server = Server::start();
    let id = Tunnel::of(&server, "1:1").id;
    for query in [
        format!("format=ndjson&new=1&id={id}"),
        "format=ndjson".to_owned(),
        "format=ndjson&new=0".to_owned(),
        "format=ndjson&new=yes".to_owned(),
    ] {
        let answer = refused(&server, &query);
        assert_eq!(fault(&answer), (400, "bad_message".to_owned()), "{query}");
        assert!(answer.text().contains("new=1") || answer.text().contains("new is 1"));
    }
}

#[test]
fn who_may_not_come_in_gets_no_header_and_no_id() {
    let server = Server::with(&[("portal.anonymous", "false")]);
    for query in [
        "new=1&format=sse",
        "new=1&format=sse&user=1:1",
        "new=1&format=sse&user=1:1&credentials=%7B%22password%22%3A%22x%22%7D",
        "new=1&format=longpoll&user=1:1",
    ] {
        let answer = refused(&server, query);
        assert_eq!(fault(&answer), (401, "unauthorized".to_owned()), "{query}");
        assert!(answer.header("WWW-Authenticate").is_some(), "{query}");
    }
    server.await_metric("turntable_connections", 0.0);
    assert_eq!(server.metric("turntable_sessions"), 0.0);

    let server = Server::with(&[("portal.realms", "[\"1\"]")]);
    let answer = refused(&server, "new=1&format=sse&user=fb:mel");
    assert_eq!(fault(&answer), (401, "unauthorized".to_owned()));
    drop(Tunnel::of(&server, "1:1"));
}

#[test]
fn a_user_that_is_none_and_credentials_that_are_no_hash_are_refused() {
    let server = Server::start();
    for user in ["", "mel", "1:", ":1", "1:a b"] {
        let answer = refused(&server, &format!("new=1&format=sse&user={}", encode(user)));
        assert_eq!(fault(&answer), (400, "invalid_id".to_owned()), "{user:?}");
    }
    for credentials in ["", "x", "[]", "\"x\"", "{"] {
        let query = format!(
            "new=1&format=sse&user=1:1&credentials={}",
            encode(credentials)
        );
        let answer = refused(&server, &query);
        assert_eq!(fault(&answer), (400, "bad_message".to_owned()), "{query}");
    }
}

#[test]
fn without_a_user_the_tunnel_opens_and_who_it_is_comes_by_another_request() {
    let server = Server::start();
    let mut tunnel = Tunnel::nobody(&server);
    tunnel.command("publish", json!({"channel": "c", "data": 1}));
    assert_eq!(tunnel.expect_command("error")["code"], "not_identified");
    let welcome = tunnel.ask("idme", json!("1:12345"));
    assert_eq!(welcome["session"], tunnel.id);
    assert_eq!(welcome["user"], "1:12345");
    tunnel.join("c");
    tunnel.publish("c", json!("hello"));
    assert_eq!(tunnel.expect_published("c"), "hello");
}

#[test]
fn what_a_command_leads_to_comes_on_the_tunnel_alone() {
    let server = Server::start();
    let mut tunnel = Tunnel::of(&server, "1:1");
    // `send` holds that the answer is {"ok":true} and nothing more.
    let command = json!({"command": "lookup", "data": ["1:1"], "id": 7});
    tunnel.send("/server", command);
    let reply = tunnel.expect(&tunnel.path());
    assert_eq!(reply["command"], "reply");
    assert_eq!(reply["id"], 7);
    assert_eq!(reply["data"]["1:1"]["state"], "online");
    let command = json!({"command": "leavechannel", "data": {"channel": "none"}, "id": "x"});
    tunnel.send("/server", command);
    let answer = tunnel.expect(&tunnel.path());
    assert_eq!(answer["id"], "x");
}

#[test]
fn get_and_post_take_the_same_datagrams() {
    let server = Server::start();
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    let one = tunnel.datagram("/channel/c", json!({"text": "a+b & c=d %41 ü", "n": 1}));
    let list = json!([one, tunnel.datagram("/channel/none/", json!(1)), one]);
    let mut answers = Vec::new();
    for datagrams in [&one, &list] {
        let query = format!("/tunnel/send?d={}", encode(&datagrams.to_string()));
        let by_get = ask(&server, "GET", &query, "", "");
        let by_post = post(&server, datagrams);
        assert_eq!(
            (by_get.status, by_get.json()),
            (by_post.status, by_post.json())
        );
        assert_eq!(
            by_get.header("Content-Type"),
            by_post.header("Content-Type")
        );
        answers.push(by_post.json());
    }
    assert_eq!(answers[0], json!({"ok": true}));
    assert_eq!(answers[1][0], json!({"ok": true}));
    assert_eq!(answers[1][1]["error"]["code"], "invalid_id");
    for _ in 0..6 {
        assert_eq!(tunnel.expect_published("c"), one["data"]);
    }
    tunnel.expect_nothing_before_an_answer();
}

#[test]
fn plain_tools_types_are_taken() {
    let server = Server::start();
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    let datagram = tunnel.datagram("/channel/c", json!("x")).to_string();
    for kind in [
        "",
        "Content-Type: application/json; charset=utf-8\r\n",
        "Content-Type: text/plain;charset=UTF-8\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
    ] {
        let answer = ask(&server, "POST", "/tunnel/send", kind, &datagram);
        assert_eq!(answer.json(), json!({"ok": true}), "{kind}");
        assert_eq!(tunnel.expect_published("c"), "x");
    }
}

#[test]
fn one_bad_datagram_of_a_list_stops_no_other() {
    let server = Server::start();
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    let unknown = "A".repeat(22);
    let list = json!([
        tunnel.datagram("/channel/c", json!(1)),
        {"path": "/channel/c", "data": "no tunnel"},
        {"tunnel": "short", "path": "/channel/c", "data": "no id"},
        {"tunnel": unknown, "path": "/channel/c", "data": "nobody's"},
        tunnel.datagram("/nowhere", json!(2)),
        tunnel.datagram("/server", json!({"command": "dance", "data": {}})),
        tunnel.datagram("/interest", json!({"add": ["/user/1:2"]})),
        "no datagram",
        tunnel.datagram("/channel/c", json!(3)),
    ]);
    let answer = post(&server, &list);
    assert_eq!(answer.status, 200);
    let told = answer.json();
    let codes: Vec<Value> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["error"]["code"].clone())
        .collect();
    let bad = "bad_message";
    let expected = json!([
        null,
        bad,
        "not_found",
        "session_expired",
        bad,
        "unknown_command",
        "forbidden",
        bad,
        null
    ]);
    assert_eq!(json!(codes), expected);
    assert_eq!(tunnel.expect_published("c"), 1);
    assert_eq!(tunnel.expect_published("c"), 3);
    tunnel.expect_nothing_before_an_answer();
}

#[test]
fn data_is_passed_on_as_it_was_published() {
    let server = Server::start();
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    for data in [
        r#""a string stays a string""#,
        r#""{\"json\": \"in a string\"}""#,
        r#"{"b":1, "a":[1.50, 1e400, 12345678901234567890123, null], "b":2}"#,
        r#""""#,
        "null",
        r#""\u2028 \ud83d\ude00 \/ \u0000""#,
    ] {
        let body = format!(
            r#"{{"tunnel": "{}", "path": "/channel/c", "data": {data}}}"#,
            tunnel.id
        );
        let answer = ask(&server, "POST", "/tunnel/send", "", &body);
        assert_eq!(answer.json(), json!({"ok": true}), "{data}");
        let line = tunnel.stream.until("\n");
        let (_, rest) = line.split_once(r#","data":"#).unwrap();
        // Behind the data stands who published it, and when.
        assert!(
            rest.starts_with(&format!(r#"{data},"from":"1:1","offset":"#)),
            "{rest}"
        );
    }
}

#[test]
fn a_datagram_comes_as_soon_as_it_is_there() {
    let server = Server::start();
    let mut tunnel = Tunnel::on(&server, "1:1", "c");
    let mut friend = server.user("1:2");
    // Each has to arrive before the next is sent: nothing waits for a second.
    for n in 0..20 {
        friend.ask("publish", json!({"channel": "c", "data": n}));
        let start = Instant::now();
        assert_eq!(tunnel.expect_published("c"), n);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn what_is_said_of_users_rooms_and_oneself_comes_under_their_paths() {
    let server = Server::start();
    let mut mel = Tunnel::of(&server, "1:1");
    let mut tom = server.user("1:2");
    mel.command("subscribe", json!(["1:2"]));
    let told = mel.expect_message("/presence", "userchange");
    assert_eq!(told, json!({"1:2": "online"}));
    let joined = mel.ask(
        "joingame",
        json!({"channel": "yard", "self": "1:1", "invite": ["1:2"]}),
    );
    assert_eq!(joined["channel"], "yard");
    tom.await_command("invite");
    tom.command("declineinvite", json!({"channel": "yard"}));
    let told = mel.expect_message("/user/1:1", "invitereply");
    assert_eq!(told["accepted"], false);
    let action = json!({"timestamp": 1, "from": "1:1", "data": "hop"});
    mel.command("game", json!({"channel": "yard", "actions": [action]}));
    let told = mel.expect_message("/game/yard", "game");
    assert_eq!(told["actions"][0]["data"], "hop");
    tom.command("joingame", json!({"channel": "yard", "self": "1:2"}));
    let told = mel.expect_message("/game/yard", "memberchange");
    assert_eq!(told["members"], json!({"1:2": "joined"}));
}

#[test]
fn a_player_on_a_tunnel_gets_datagrams_and_nothing_else() {
    // On a WebSocket the clock of a player is measured with pings.
    let server = Server::with(&[
        ("session.clock_ping_ms", "100"),
        ("tunnel.keepalive_ms", "250"),
    ]);
    let mut tunnel = Tunnel::of(&server, "1:1");
    tunnel.ask("joingame", json!({"channel": "yard", "self": "1:1"}));
    assert_eq!(tunnel.stream.until("\n"), "\n");
    tunnel.ask("leavegame", json!({"channel": "yard"}));
}

#[test]
fn what_is_sent_to_a_tunnel_reaches_that_one_alone() {
    let server = Server::start();
    let mel = Tunnel::of(&server, "1:1");
    let mut tom = Tunnel::of(&server, "1:2");
    let mut second_of_tom = Tunnel::of(&server, "1:2");
    mel.send(&tom.path(), json!({"psst": [1, 2]}));
    let data = tom.expect(&tom.path());
    assert_eq!(data["data"]["args"], json!({"psst": [1, 2]}), "{data}");
    second_of_tom.expect_nothing_before_an_answer();
    // To oneself, too.
    mel.send(&second_of_tom.path(), json!("you"));
    second_of_tom.send(&second_of_tom.path(), json!("me"));
    for said in ["you", "me"] {
        let data = second_of_tom.expect(&second_of_tom.path());
        assert_eq!(data["data"]["args"], said, "{data}");
    }
    tom.expect_nothing_before_an_answer();
}

#[test]
fn interest_begins_and_ends_when_it_is_registered_and_removed() {
    let server = Server::start();
    let mut tunnel = Tunnel::of(&server, "1:1");
    let mut friend = server.user("1:2");
    let mut say = |data: &str| {
        friend.ask("publish", json!({"channel": "chat", "data": data}));
    };
    say("before");
    tunnel.expect_nothing_before_an_answer();
    tunnel.join("chat");
    say("within");
    assert_eq!(tunnel.expect_published("chat"), "within");
    for form in [json!("/channel/chat"), json!({"path": "/channel/chat"})] {
        tunnel.send("/interest", json!({"remove": [form]}));
        tunnel.expect_nothing_before_an_answer();
        say("behind");
        tunnel.expect_nothing_before_an_answer();
        tunnel.join("chat");
    }
    say("again");
    assert_eq!(tunnel.expect_published("chat"), "again");
}

#[test]
fn subpaths_cover_what_is_below_and_not_what_is_beside() {
    let server = Server::start();
    let mut exact = Tunnel::on(&server, "1:1", "a");
    let mut below = Tunnel::of(&server, "1:2");
    let add = json!({"add": [{"path": "/channel/a", "subpaths": true}]});
    below.send("/interest", add);
    below.expect_command("joined");
    let mut friend = server.user("1:3");
    for path in ["ab", "a/b", "a/b/c", "b/a", "a"] {
        friend.ask("publish", json!({"channel": path, "data": path}));
    }
    for path in ["a/b", "a/b/c", "a"] {
        assert_eq!(below.expect_published(path), path);
    }
    below.expect_nothing_before_an_answer();
    assert_eq!(exact.expect_published("a"), "a");
    exact.expect_nothing_before_an_answer();
}

#[test]
fn others_paths_cannot_be_listened_to_and_ones_own_are_heard_unasked() {
    let server = Server::start();
    let mut mel = Tunnel::of(&server, "1:1");
    let tom = Tunnel::of(&server, "1:2");
    for path in [tom.path(), "/user/1:2".to_owned()] {
        let (status, code) = mel.send_refused("/interest", json!({"add": [path]}));
        assert_eq!((status, code.as_str()), (403, "forbidden"));
    }
    let own = json!([mel.path(), "/user/1:1"]);
    mel.send("/interest", json!({"add": own, "remove": own}));
    mel.expect_nothing_before_an_answer();
    // Nothing of a registration with one of them holds.
    let add = json!({"add": ["/channel/c", "/user/1:2"]});
    mel.send_refused("/interest", add);
    mel.publish("c", json!(1));
    mel.expect_nothing_before_an_answer();
}

#[test]
fn who_has_another_session_cannot_send_for_a_tunnel() {
    let server = Server::start();
    let mut mel = Tunnel::on(&server, "1:1", "c");
    let tom = Tunnel::of(&server, "1:2");
    let datagram = mel.datagram("/channel/c", json!("forged")).to_string();
    let cookie = format!("Cookie: Turntable-Session={}\r\n", tom.id);
    let header = format!("Turntable-Session: {}\r\n", tom.id);
    for named in [cookie, header] {
        let answer = ask(&server, "POST", "/tunnel/send", &named, &datagram);
        assert_eq!(fault(&answer), (403, "forbidden".to_owned()));
    }
    let own = format!("Turntable-Session: {}\r\n", mel.id);
    let datagram = mel.datagram("/channel/c", json!("own")).to_string();
    assert_eq!(
        ask(&server, "POST", "/tunnel/send", &own, &datagram).status,
        200
    );
    assert_eq!(mel.expect_published("c"), "own");
}

#[test]
fn nothing_can_be_registered_or_sent_before_there_is_a_tunnel() {
    let server = Server::start();
    let datagram = |tunnel: &str| json!({"tunnel": tunnel, "path": "/interest", "data": {"add": ["/channel/c"]}});
    let without = json!({"path": "/interest", "data": {"add": ["/channel/c"]}});
    assert_eq!(
        fault(&post(&server, &without)),
        (400, "bad_message".to_owned())
    );
    let malformed = fault(&post(&server, &datagram("x")));
    assert_eq!(malformed, (404, "not_found".to_owned()));
    let unknown = fault(&post(&server, &datagram(&"A".repeat(22))));
    assert_eq!(unknown, (410, "session_expired".to_owned()));
}
