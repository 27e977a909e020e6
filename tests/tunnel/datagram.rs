//! Datagrams that clients send: requests, interest in paths, publications.

use serde_json::{Value, json};

use turntable_testkit::http::{self, escape};
use turntable_testkit::metric::{CONNECTIONS, SESSIONS};
use turntable_testkit::presence::expect_state;
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::{Tunnel, post};
use turntable_testkit::{Response, Server};

/// Posts a body to `/tunnel/send`.
fn post_body(server: &Server, headers: &str, body: &str) -> Response {
    http::send(server.address, "POST", "/tunnel/send", headers, body)
}

#[test]
fn command_results_come_only_on_tunnel() {
    let server = Server::start();
    let mut tunnel = Tunnel::user(&server, "1:1");
    // `send` checks that the answer is {"ok":true} and nothing else.
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
fn get_and_post_accept_same_datagrams() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let one = tunnel.datagram("/channel/c", json!({"text": "a+b & c=d %41 ü", "n": 1}));
    let list = json!([one, tunnel.datagram("/channel/none/", json!(1)), one]);
    let mut answers = Vec::new();
    for datagrams in [&one, &list] {
        let query = format!("/tunnel/send?d={}", escape(&datagrams.to_string()));
        let by_get = http::send(server.address, "GET", &query, "", "");
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
    tunnel.expect_nothing_pending();
}

#[test]
fn common_content_types_are_accepted() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    let datagram = tunnel.datagram("/channel/c", json!("x")).to_string();
    for kind in [
        "",
        "Content-Type: application/json; charset=utf-8\r\n",
        "Content-Type: text/plain;charset=UTF-8\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
    ] {
        let answer = post_body(&server, kind, &datagram);
        assert_eq!(answer.json(), json!({"ok": true}), "{kind}");
        assert_eq!(tunnel.expect_published("c"), "x");
    }
}

#[test]
fn bad_datagram_does_not_affect_others_in_list() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
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
    let results = answer.json();
    let codes: Vec<Value> = results
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
    tunnel.expect_nothing_pending();
}

#[test]
fn data_passes_byte_for_byte() {
    let server = Server::start();
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "c");
    for data in [
        r#""a string stays a string""#,
        r#""{\"json\": \"in a string\"}""#,
        r#"{"b":1, "a":[1.50, 1e300, 12345678901234567890123, null], "b":2}"#,
        r#""""#,
        "null",
        r#""\u2028 \ud83d\ude00 \/ \u0000""#,
    ] {
        let body = format!(
            r#"{{"tunnel": "{}", "path": "/channel/c", "data": {data}}}"#,
            tunnel.id
        );
        let answer = post_body(&server, "", &body);
        assert_eq!(answer.json(), json!({"ok": true}), "{data}");
        let line = tunnel.stream.until("\n");
        let (_, rest) = line.split_once(r#","data":"#).unwrap();
        // The publisher and the time follow the data.
        assert!(
            rest.starts_with(&format!(r#"{data},"from":"1:1","offset":"#)),
            "{rest}"
        );
    }
}

#[test]
fn message_to_tunnel_path_reaches_only_that_tunnel() {
    let server = Server::start();
    let mel = Tunnel::user(&server, "1:1");
    let mut tom = Tunnel::user(&server, "1:2");
    let mut second_of_tom = Tunnel::user(&server, "1:2");
    mel.send(&tom.path(), json!({"psst": [1, 2]}));
    let data = tom.expect(&tom.path());
    assert_eq!(data["data"]["args"], json!({"psst": [1, 2]}), "{data}");
    second_of_tom.expect_nothing_pending();
    // A tunnel can send to itself, too.
    mel.send(&second_of_tom.path(), json!("you"));
    second_of_tom.send(&second_of_tom.path(), json!("me"));
    for text in ["you", "me"] {
        let data = second_of_tom.expect(&second_of_tom.path());
        assert_eq!(data["data"]["args"], text, "{data}");
    }
    tom.expect_nothing_pending();
}

#[test]
fn interest_lasts_from_registration_to_removal() {
    let server = Server::start();
    let mut tunnel = Tunnel::user(&server, "1:1");
    let mut friend = server.user("1:2");
    let mut publish = |data: &str| {
        friend.request("publish", json!({"channel": "chat", "data": data}));
    };
    publish("before");
    tunnel.expect_nothing_pending();
    tunnel.join("chat");
    publish("within");
    assert_eq!(tunnel.expect_published("chat"), "within");
    for form in [json!("/channel/chat"), json!({"path": "/channel/chat"})] {
        tunnel.send("/interest", json!({"remove": [form]}));
        tunnel.expect_nothing_pending();
        publish("after");
        tunnel.expect_nothing_pending();
        tunnel.join("chat");
    }
    publish("again");
    assert_eq!(tunnel.expect_published("chat"), "again");
}

#[test]
fn interest_may_want_past_messages() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let mut epoch = json!(null);
    for n in 1..6 {
        let place = friend.request("publish", json!({"channel": "chat", "data": n}));
        epoch = place["epoch"].clone();
    }
    let mut tunnel = Tunnel::user(&server, "1:1");
    let add = |wanted: Value| {
        let mut path = json!({"path": "/channel/chat"});
        path.as_object_mut()
            .unwrap()
            .extend(wanted.as_object().unwrap().clone());
        json!({"add": [path]})
    };
    tunnel.send("/interest", add(json!({"history": 2})));
    assert_eq!(tunnel.expect(&tunnel.path())["data"]["recovered"], false);
    for n in 4..6 {
        assert_eq!(tunnel.expect_published("chat"), n);
    }
    let since = json!({"epoch": epoch, "offset": 2});
    tunnel.send("/interest", add(json!({"since": since})));
    assert_eq!(tunnel.expect(&tunnel.path())["data"]["recovered"], true);
    for n in 3..6 {
        assert_eq!(tunnel.expect_published("chat"), n);
    }
    tunnel.expect_nothing_pending();
}

#[test]
fn past_message_has_the_id_of_its_publication_whenever_it_is_sent() {
    let server = Server::start();
    let mut friend = server.user("1:2");
    let mut tunnel = Tunnel::on_channel(&server, "1:1", "chat");
    let place = friend.request("publish", json!({"channel": "chat", "data": "hi"}));
    let live = tunnel.next();
    assert_eq!(live["id"], place["id"]);
    assert_eq!(live.get("message"), None);
    let mut ids = vec![live["id"].clone()];
    let join = json!({"channel": "chat", "history": 5});
    for _ in 0..2 {
        tunnel.send("/server", json!({"command": "joinchannel", "data": join}));
        tunnel.expect_command("joined");
        let past = tunnel.next();
        assert_eq!(past["message"], place["id"], "{past}");
        // A client that comes back by an id names one datagram.
        assert!(!ids.contains(&past["id"]), "{past}");
        ids.push(past["id"].clone());
    }
    // By long poll, what is behind the first of them.
    let first = ids[1].as_str().unwrap();
    let query = format!("id={}&format=longpoll&after={first}", tunnel.id);
    let batch: Value = serde_json::from_str(&Stream::open(&server, &query).rest()).unwrap();
    let past = batch.as_array().unwrap().last().unwrap();
    assert_eq!((&past["id"], &past["message"]), (&ids[2], &place["id"]));
    assert_eq!(past["data"], "hi");
}

#[test]
fn subpaths_include_descendants_but_not_siblings() {
    let server = Server::start();
    let mut exact = Tunnel::on_channel(&server, "1:1", "a");
    let mut below = Tunnel::user(&server, "1:2");
    let add = json!({"add": [{"path": "/channel/a", "subpaths": true}]});
    below.send("/interest", add);
    below.expect_command("joined");
    let mut friend = server.user("1:3");
    for path in ["ab", "a/b", "a/b/c", "b/a", "a"] {
        friend.request("publish", json!({"channel": path, "data": path}));
    }
    for path in ["a/b", "a/b/c", "a"] {
        assert_eq!(below.expect_published(path), path);
    }
    below.expect_nothing_pending();
    assert_eq!(exact.expect_published("a"), "a");
    exact.expect_nothing_pending();
}

#[test]
fn paths_of_others_are_forbidden_and_own_paths_are_implicit() {
    let server = Server::start();
    let mut mel = Tunnel::user(&server, "1:1");
    let tom = Tunnel::user(&server, "1:2");
    for path in [tom.path(), "/user/1:2".to_owned()] {
        let (status, code) = mel.send_refused("/interest", json!({"add": [path]}));
        assert_eq!((status, code.as_str()), (403, "forbidden"));
    }
    let own = json!([mel.path(), "/user/1:1"]);
    mel.send("/interest", json!({"add": own, "remove": own}));
    mel.expect_nothing_pending();
    // A registration with one forbidden path has no effect at all.
    let add = json!({"add": ["/channel/c", "/user/1:2"]});
    mel.send_refused("/interest", add);
    mel.publish("c", json!(1));
    mel.expect_nothing_pending();
}

#[test]
fn other_sessions_cannot_send_for_a_tunnel() {
    let server = Server::start();
    let mut mel = Tunnel::on_channel(&server, "1:1", "c");
    let tom = Tunnel::user(&server, "1:2");
    let datagram = mel.datagram("/channel/c", json!("forged")).to_string();
    let cookie = format!("Cookie: Turntable-Session={}\r\n", tom.id);
    let header = format!("Turntable-Session: {}\r\n", tom.id);
    for session in [cookie, header] {
        let answer = post_body(&server, &session, &datagram);
        assert_eq!(answer.error(), (403, "forbidden".to_owned()));
    }
    let own = format!("Turntable-Session: {}\r\n", mel.id);
    let datagram = mel.datagram("/channel/c", json!("own")).to_string();
    assert_eq!(post_body(&server, &own, &datagram).status, 200);
    assert_eq!(mel.expect_published("c"), "own");
}

#[test]
fn sending_needs_an_existing_tunnel() {
    let server = Server::start();
    let datagram = |tunnel: &str| json!({"tunnel": tunnel, "path": "/interest", "data": {"add": ["/channel/c"]}});
    let without = json!({"path": "/interest", "data": {"add": ["/channel/c"]}});
    assert_eq!(
        post(&server, &without).error(),
        (400, "bad_message".to_owned())
    );
    let malformed = post(&server, &datagram("x")).error();
    assert_eq!(malformed, (404, "not_found".to_owned()));
    let unknown = post(&server, &datagram(&"A".repeat(22))).error();
    assert_eq!(unknown, (410, "session_expired".to_owned()));
}

#[test]
fn bye_ends_a_session_whose_tunnel_is_lost() {
    // As a page does that unloads: its EventSource ends first.
    let server = Server::start();
    let mut friend = server.user("2:1");
    friend.subscribe(&["1:1"]);
    let mut tunnel = Tunnel::user(&server, "1:1");
    expect_state(&mut friend, "1:1", "online");
    tunnel.stream.cut();
    server.await_metric(CONNECTIONS, 1.0);
    tunnel.command("bye", json!({}));
    expect_state(&mut friend, "1:1", "offline");
    server.await_metric(SESSIONS, 1.0);
}
