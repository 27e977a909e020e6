//! The service `channel` of the management listener.

use std::time::Duration;

use serde_json::{Value, json};

use turntable_testkit::channel::{join, leave, publish_numbers, published};
use turntable_testkit::http::{Response, send};
use turntable_testkit::poll::PollClient;
use turntable_testkit::session::Session;
use turntable_testkit::socketio::Socket;
use turntable_testkit::{Client, Server};

fn rpc(server: &Server, method: &str, arguments: &Value) -> Response {
    let json = "Content-Type: application/json\r\n";
    let (path, body) = (format!("/rpc/channel/{method}"), arguments.to_string());
    send(server.management, "POST", &path, json, &body)
}

fn done(server: &Server, method: &str, arguments: Value) -> Value {
    let response = rpc(server, method, &arguments);
    assert_eq!(response.status, 200, "{method}: {}", response.text());
    response.json()
}

/// The next message of a command that a poll gets.
fn next(poll: &PollClient<'_>, command: &str) -> Value {
    poll.await_calls(Vec::new(), &format!("$av:{command}"), 1)
        .remove(0)
}

#[test]
fn message_without_a_sender_reaches_subscribers_over_every_transport() {
    let server = Server::start();
    let mut socket = server.user("1:1");
    join(&mut socket, "news");
    let poll = PollClient::on_channel(&server, "1:2", "news");
    let (mut io, _) = Socket::user(server.address, "websocket", "1:3");
    io.request("joinchannel", json!({"channel": "news"}));
    let message = json!({"title": "\u{2028}", "digits": 1.50});
    let place = done(
        &server,
        "publish",
        json!({"channelId": "news", "message": message}),
    );
    assert_eq!(place["offset"], 1);
    for data in [
        socket.expect("message"),
        next(&poll, "message"),
        io.expect("message"),
    ] {
        assert_eq!((&data["data"], &data["id"]), (&message, &place["id"]));
        assert_eq!(data.get("from"), None, "no client is the sender");
    }
    let unheard = done(
        &server,
        "publish",
        json!({"channelId": "/unheard", "message": null}),
    );
    assert_eq!(unheard["offset"], 1);
}

#[test]
fn history_is_read_and_cleared() {
    let server = Server::start();
    publish_numbers(&mut server.user("1:1"), "c", 1..5);
    let all = done(&server, "getHistory", json!({"channelId": "c"}));
    let numbers = |history: &Value| -> Vec<Value> {
        let messages = history["messages"].as_array().unwrap().iter();
        messages.map(|message| message["data"].clone()).collect()
    };
    assert_eq!(numbers(&all), [1, 2, 3, 4]);
    assert_eq!(
        (&all["offset"], &all["recovered"]),
        (&json!(4), &json!(false))
    );
    let first = &all["messages"][0];
    assert_eq!(
        (&first["from"], &first["offset"]),
        (&json!("1:1"), &json!(1))
    );
    let since = json!({"epoch": all["epoch"], "offset": 2});
    for since in [json!(2), since] {
        let missed = done(
            &server,
            "getHistory",
            json!({"channelId": "c", "since": since}),
        );
        assert_eq!(missed["recovered"], true);
        assert_eq!(numbers(&missed), [3, 4]);
    }
    let other = json!({"channelId": "c", "since": {"epoch": "other", "offset": 2}});
    assert_eq!(done(&server, "getHistory", other)["recovered"], false);
    let got = turntable_testkit::http::get(server.management, "/channel/getHistory/c/3");
    assert_eq!(numbers(&got.json()), [4]);
    assert_eq!(
        done(&server, "clearHistory", json!({"channelId": "c"})),
        true
    );
    let cleared = done(&server, "getHistory", json!({"channelId": "c", "since": 2}));
    assert_eq!(
        (&cleared["messages"], &cleared["recovered"]),
        (&json!([]), &json!(false))
    );
    let gone = server
        .user("1:2")
        .request("joinchannel", json!({"channel": "c", "history": 9}));
    assert_eq!(
        (&gone["offset"], &gone["epoch"]),
        (&json!(4), &all["epoch"])
    );
}

#[test]
fn subscription_holds_for_all_sessions_of_the_user() {
    // Nobody may join by himself.
    let server = Server::configured("[channels.\"own/**\"]\njoin = \"nobody\"\n", &[]);
    let mut first = server.user("1:7");
    let mut second = Session::begin(&server, "1:7");
    let own = json!({"userId": 7, "channelId": "own/7"});
    assert_eq!(done(&server, "subscribe", own.clone()), 2);
    assert_eq!(first.expect("joined")["channel"], "own/7");
    assert_eq!(second.expect("joined")["channel"], "own/7");
    assert_eq!(done(&server, "subscribe", own.clone()), 2, "again");
    // Sessions that begin later, over every transport.
    let mut third = server.user("1:7");
    assert_eq!(third.expect("joined")["channel"], "own/7");
    let poll = PollClient::user(&server, "1:7");
    let (mut io, _) = Socket::user(server.address, "websocket", "1:7");
    assert_eq!(io.expect("joined")["channel"], "own/7");
    let mut other = server.user("1:8");
    second.cut_and_resume();
    done(
        &server,
        "publish",
        json!({"channelId": "own/7", "message": "hi"}),
    );
    for client in [&mut first, &mut third] {
        assert_eq!(published(client), ["hi"]);
        client.expect_nothing_pending();
    }
    assert_eq!(second.published(), "hi");
    assert_eq!(next(&poll, "message")["data"], "hi");
    assert_eq!(io.expect("message")["data"], "hi");
    other.expect_nothing_pending();
    let subscriptions = json!({"userId": "1:7"});
    assert_eq!(
        done(&server, "getSubscriptions", subscriptions.clone()),
        json!(["own/7"])
    );
    let subscribers = json!({"channelId": "own/7"});
    assert_eq!(
        done(&server, "getSubscribers", subscribers.clone()),
        json!(["1:7"])
    );
    assert_eq!(done(&server, "unsubscribe", own.clone()), true);
    assert_eq!(done(&server, "unsubscribe", own), false);
    assert_eq!(done(&server, "getSubscriptions", subscriptions), json!([]));
    assert_eq!(done(&server, "getSubscribers", subscribers), json!([]));
    let mut later = server.user("1:7");
    later.expect_nothing_pending();
    first.expect_nothing_pending();
}

#[test]
fn subscriptions_are_listed_and_ended_together() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    join(&mut mel, "by/client");
    for channel in ["by/operator", "by/client"] {
        let arguments = json!({"userId": "1:1", "channelId": channel});
        assert_eq!(done(&server, "subscribe", arguments), 1);
    }
    // It is on one of them already.
    assert_eq!(mel.expect("joined")["channel"], "by/operator");
    mel.expect_nothing_pending();
    let all = json!(["by/client", "by/operator"]);
    assert_eq!(done(&server, "getSubscriptions", json!({"userId": 1})), all);
    assert_eq!(done(&server, "listAll", json!({})), all);
    assert_eq!(done(&server, "unsubscribeAll", json!({"userId": 1})), 2);
    assert_eq!(
        done(&server, "getSubscriptions", json!({"userId": 1})),
        json!([])
    );
    // A client may leave what the operator named, for this session.
    done(&server, "subscribe", json!({"userId": 1, "channelId": "c"}));
    mel.expect("joined");
    leave(&mut mel, "c");
    assert_eq!(
        done(&server, "getSubscriptions", json!({"userId": 1})),
        json!([])
    );
    assert_eq!(server.user("1:1").expect("joined")["channel"], "c");
}

#[test]
fn subscription_waits_for_a_user_for_a_while() {
    let server = Server::with(&[
        ("session.resume_ms", "1000"),
        ("channel.operator_users_max", "1"),
    ]);
    let subscribe = |user: &str| json!({"userId": user, "channelId": "c"});
    assert_eq!(done(&server, "subscribe", subscribe("1:1")), 0);
    let full = rpc(&server, "subscribe", &subscribe("1:2"));
    assert_eq!(
        (full.status, &full.json()["error"]["code"]),
        (429, &json!("too_many"))
    );
    let mut mel = server.user("1:1");
    assert_eq!(mel.expect("joined")["channel"], "c");
    mel.bye();
    // Its place is free when nobody came back in time.
    let until = std::time::Instant::now() + turntable_testkit::DEADLINE;
    while rpc(&server, "subscribe", &subscribe("1:2")).status != 200 {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut late: Client = server.user("1:1");
    late.expect_nothing_pending();
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let server = Server::start();
    for (method, arguments, code) in [
        (
            "publish",
            json!({"channelId": "a b", "message": 1}),
            "invalid_id",
        ),
        ("publish", json!({"channelId": "a"}), "bad_message"),
        (
            "getHistory",
            json!({"channelId": "a", "since": "x"}),
            "bad_message",
        ),
        (
            "subscribe",
            json!({"userId": "", "channelId": "a"}),
            "invalid_id",
        ),
        ("nothing", json!({}), "not_found"),
    ] {
        let response = rpc(&server, method, &arguments);
        assert_eq!(response.json()["error"]["code"], code, "{method}");
        assert!(response.status >= 400);
    }
}

#[test]
fn guest_that_gains_an_identity_is_on_the_channels_of_its_new_user() {
    let server = Server::start();
    assert_eq!(server.manage("/auth/set/7/secret").json(), true);
    let mut guest = server.user("1:70");
    for (user, channel) in [("1:70", "old"), ("1:7", "own")] {
        let subscribe = json!({"userId": user, "channelId": channel});
        done(&server, "subscribe", subscribe);
    }
    assert_eq!(guest.expect("joined")["channel"], "old");
    let credentials = json!({"credentials": {"sessionId": "secret"}});
    guest.request("authenticate", credentials);
    assert_eq!(guest.expect("joined")["channel"], "own");
    let of = |user: &str| done(&server, "getSubscriptions", json!({"userId": user}));
    assert_eq!(of("1:7"), json!(["own"]));
    assert_eq!(of("1:70"), json!([]));
}

#[test]
fn subscriptions_of_a_user_that_changed_end_with_it() {
    let keys = [
        ("channel.operator_users_max", "1"),
        ("session.resume_ms", "1000"),
    ];
    let server = Server::with(&keys);
    assert_eq!(server.manage("/auth/set/7/secret").json(), true);
    let mut guest = server.user("1:70");
    let subscribe = |user: &str| json!({"userId": user, "channelId": "c"});
    done(&server, "subscribe", subscribe("1:70"));
    guest.expect("joined");
    let credentials = json!({"credentials": {"sessionId": "secret"}});
    guest.request("authenticate", credentials);
    let full = rpc(&server, "subscribe", &subscribe("1:2")).error().1;
    assert_eq!(full, "too_many");
    guest.expect_none_for(Duration::from_millis(1_100));
    done(&server, "subscribe", subscribe("1:2"));
}
