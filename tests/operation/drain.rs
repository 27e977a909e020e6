//! A server that sends its clients away and stays: what clients and load balancers see of it,
//! and that it takes clients again; and how a server that stops spreads its clients.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::http::{self, get};
use turntable_testkit::poll::{PollClient, call, calls, published, result};
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::{self, Tunnel};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, DEADLINE, Server, request};

fn status(server: &Server) -> Value {
    server.rpc("node/getStatus", &json!({})).json()
}

#[test]
fn drained_server_refuses_clients_until_it_is_undrained() {
    let server = Server::start();
    let mut user = server.user("1:1");
    let first = status(&server);
    assert!(first["started_ms"].as_u64() > Some(0), "{first}");
    let (state, connections, sessions) =
        (&first["state"], &first["connections"], &first["sessions"]);
    assert_eq!(
        (state, connections, sessions),
        (&json!("serving"), &json!(1), &json!(1))
    );
    let drained = server.rpc("node/drain", &json!({"seconds": 0}));
    assert_eq!(drained.json()["state"], "draining");
    let goaway = user.expect("goaway");
    assert!(goaway["reconnect_ms"].as_u64().unwrap() >= 250, "{goaway}");
    user.expect_close(1001);
    drop(user);
    let ready = server.manage("/health/ready");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json(), json!({"status": "draining"}));
    let upgrade = request(server.address, &handshake("/ws", ""));
    assert_eq!(upgrade.error(), (503, "unavailable".to_owned()));
    assert!(upgrade.text().contains("drained"), "{}", upgrade.text());
    assert!(upgrade.header("Retry-After").is_some());
    let poll = http::send(server.address, "POST", "/poll", "", "[]");
    assert_eq!(poll.status, 503);
    server.await_metric("turntable_connections", 0.0);
    let now = status(&server);
    assert_eq!(now["state"], "draining", "it goes on until undrain: {now}");
    assert_eq!(now["connections"], 0);
    assert_eq!(server.rpc("node/drain", &json!({})).status, 200, "again");

    let undrained = server.rpc("node/undrain", &json!({}));
    assert_eq!(undrained.json()["state"], "serving");
    assert_eq!(get(server.management, "/health/ready").status, 200);
    server.user("1:2");
}

/// One worker, so that clients go in the order in which they came.
fn of_one_worker() -> Server {
    Server::with(&[("server.workers", "1")])
}

fn drain(server: &Server, arguments: &Value) {
    let drained = server.rpc("node/drain", arguments);
    assert_eq!(drained.json()["state"], "draining");
}

#[test]
fn drain_is_hastened_by_another() {
    let server = of_one_worker();
    let mut clients = [1, 2, 3].map(|number| server.user(&format!("1:{number}")));
    drain(&server, &json!({"seconds": 600}));
    clients[0].expect("goaway");
    for client in &mut clients[1..] {
        client.expect_nothing_pending();
    }
    drain(&server, &json!({}));
    clients[2].expect_nothing_pending();
    drain(&server, &json!({"seconds": 0}));
    for client in &mut clients[1..] {
        client.expect("goaway");
        client.expect_close(1001);
    }
}

#[test]
fn drain_without_a_time_takes_that_of_the_configuration() {
    let server = Server::with(&[("server.workers", "1"), ("server.drain_spread_ms", "60000")]);
    let mut clients = [1, 2].map(|number| server.user(&format!("1:{number}")));
    drain(&server, &json!({}));
    clients[0].expect("goaway");
    clients[1].expect_nothing_pending();
}

#[test]
fn client_that_identifies_while_clients_are_sent_away_is_sent_away_too() {
    let server = of_one_worker();
    let mut first = server.user("1:1");
    let mut late = server.connect();
    drain(&server, &json!({"seconds": 600}));
    first.expect("goaway");
    late.identify("1:2");
    late.expect_nothing_pending();
    drain(&server, &json!({"seconds": 0}));
    late.expect("goaway");
    late.expect_close(1001);
}

/// The next answer of a client that has a connection for each.
fn longpoll(server: &Server, client: &Tunnel<'_>) -> String {
    let query = format!("id={}&format=longpoll&after={}", client.id, client.last);
    Stream::open(server, &query).rest()
}

#[test]
fn clients_with_a_connection_for_each_answer_are_sent_away_in_parts() {
    let server = Server::with(&[("server.workers", "1"), ("tunnel.longpoll_ms", "100")]);
    let mut first = server.user("1:1");
    let clients = ["1:2", "1:3", "1:4"].map(|user| Tunnel::user(&server, user));
    drain(&server, &json!({"seconds": 2}));
    first.expect("goaway");
    let start = Instant::now();
    let mut times = std::thread::scope(|scope| {
        let server = &server;
        let goes = clients.map(|client| {
            scope.spawn(move || {
                while !longpoll(server, &client).contains("goaway") {}
                start.elapsed()
            })
        });
        goes.map(|client| client.join().unwrap())
    });
    times.sort();
    // A third of the time is between two of them.
    assert!(
        times[2] - times[0] > Duration::from_millis(500),
        "{times:?}"
    );
}

#[test]
fn clients_with_many_connections_are_served_until_they_are_sent_away() {
    let server = Server::with(&[("server.workers", "1"), ("tunnel.longpoll_ms", "100")]);
    let mut first = server.user("1:1");
    let poller = PollClient::user(&server, "1:2");
    let mut streaming = Tunnel::user(&server, "1:3");
    let polling = Tunnel::user(&server, "1:4");
    drain(&server, &json!({"seconds": 600}));
    first.expect("goaway");
    assert_eq!(poller.request("$av:time", json!({"t0": 7}))["t0"], 7);
    streaming.resume_after_last();
    for _ in 0..3 {
        let empty = json!([{"tunnel": polling.id}]).to_string();
        assert_eq!(longpoll(&server, &polling), empty);
    }
    drain(&server, &json!({"seconds": 0}));
    streaming.expect_command("goaway");
    streaming.expect_footer();
    let last = longpoll(&server, &polling);
    assert!(last.contains("goaway"), "{last}");
    let after = &polling.last;
    for id in [&streaming.id, &polling.id] {
        let refused = tunnel::refused(&server, &format!("id={id}&format=longpoll&after={after}"));
        assert_eq!(refused.status, 503);
        assert!(refused.header("Retry-After").is_some());
    }
}

#[test]
fn client_that_polls_gets_its_goaway_with_its_next_answer() {
    let mut server = Server::with(&[("server.workers", "1"), ("server.shutdown_ms", "60000")]);
    let [first, last] = ["1:1", "1:2"].map(|user| PollClient::user(&server, user));
    let connections = |server: &Server| status(server)["connections"].clone();
    drain(&server, &json!({"seconds": 0}));
    let answer = first.poll(&json!([call("$av:time", json!({"t0": 7}), 1)]));
    assert_eq!(result(&answer, 1)["t0"], 7);
    let goaway = calls(&answer, "$av:goaway");
    assert!(
        goaway[0]["reconnect_ms"].as_u64() >= Some(250),
        "{answer:?}"
    );
    assert_eq!(first.send("", "[]").status, 503);
    assert_eq!(connections(&server), 1, "the other was not sent away yet");
    // Nor is it any more.
    assert_eq!(server.rpc("node/undrain", &json!({})).status, 200);
    assert_eq!(last.heartbeat(), Vec::<Value>::new());
    // A server that stops waits for its next request.
    server.signal("TERM");
    last.await_calls(Vec::new(), "$av:goaway", 1);
    drop((first, last));
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn client_that_polls_waits_for_its_turn_of_the_last_drain() {
    let server = of_one_worker();
    let [first, last] = ["1:1", "1:2"].map(|user| PollClient::user(&server, user));
    drain(&server, &json!({"seconds": 0}));
    // The first goes at once, the other in five minutes.
    drain(&server, &json!({"seconds": 600}));
    for _ in 0..3 {
        assert_eq!(last.heartbeat(), Vec::<Value>::new());
    }
    assert_eq!(calls(&first.heartbeat(), "$av:goaway").len(), 1);
    drain(&server, &json!({"seconds": 0}));
    assert_eq!(server.rpc("node/undrain", &json!({})).status, 200);
    let another = PollClient::user(&server, "1:3");
    drain(&server, &json!({"seconds": 600}));
    let goaways = [&last, &another].map(|client| calls(&client.heartbeat(), "$av:goaway").len());
    assert_eq!(
        goaways.iter().sum::<usize>(),
        1,
        "one goes at once: {goaways:?}"
    );
}

#[test]
fn client_that_polls_gets_what_waits_before_its_goaway() {
    let server = Server::with(&[("server.workers", "1")]);
    let poller = PollClient::on_channel(&server, "1:1", "a");
    let mut other = server.connect();
    other.identify("1:2");
    // More than one numbered answer has.
    let data = "x".repeat(15_000);
    for number in 0..5 {
        other.request("publish", json!({"channel": "a", "data": [number, data]}));
    }
    drain(&server, &json!({"seconds": 0}));
    let (mut messages, mut goaways) = (Vec::new(), 0);
    let mut answers = 0;
    let until = Instant::now() + DEADLINE;
    while goaways == 0 {
        assert!(Instant::now() < until, "{answers} answers");
        answers += 1;
        let entries = poller.batch(answers, &json!([]));
        messages.extend(published(&entries).iter().map(|data| data[0].clone()));
        goaways = calls(&entries, "$av:goaway").len();
    }
    assert_eq!(messages, [0, 1, 2, 3, 4]);
    assert!(answers > 1, "they are more than one answer has");
    assert_eq!(poller.send("", "[]").status, 503);
}

#[test]
fn client_that_polls_gets_its_goaway_behind_as_much_as_one_answer_has() {
    let server = of_one_worker();
    let poller = PollClient::on_channel(&server, "1:1", "a");
    let mut other = server.user("1:2");
    let data = "x".repeat(1_000);
    for number in 0..20 {
        other.request("publish", json!({"channel": "a", "data": [number, data]}));
    }
    drain(&server, &json!({"seconds": 0}));
    let entries = poller.batch(1, &json!([]));
    assert_eq!(published(&entries).len(), 20);
    assert_eq!(calls(&entries, "$av:goaway").len(), 1);
    assert_eq!(poller.send("", "[]").status, 503);
}

/// When each of the clients received its `goaway`, and how long it is asked to wait.
fn goaways(clients: &mut [Client], since: Instant) -> Vec<(Duration, Duration)> {
    let of = |client: &mut Client| {
        let goaway = client.expect("goaway");
        let wait = Duration::from_millis(goaway["reconnect_ms"].as_u64().unwrap());
        (since.elapsed(), wait)
    };
    clients.iter_mut().map(of).collect()
}

#[test]
fn clients_of_a_stopping_server_are_sent_away_in_parts() {
    let mut server = Server::with(&[("server.drain_spread_ms", "600")]);
    let mut clients: Vec<Client> = (0..24)
        .map(|number| server.user(&format!("1:{number}")))
        .collect();
    let start = Instant::now();
    server.signal("TERM");
    // One is served until it is sent away.
    let last = clients.last_mut().unwrap();
    assert_eq!(last.request("time", json!({"t0": 1}))["t0"], 1);
    let sent = goaways(&mut clients, start);
    let (first, last) = (sent[0], sent[sent.len() - 1]);
    assert!(first.0 < Duration::from_millis(400), "{sent:?}");
    assert!(last.0 >= Duration::from_millis(400), "{sent:?}");
    for (at, wait) in sent {
        // None comes back before the last one has gone.
        assert!(at + wait > Duration::from_millis(600), "{at:?} {wait:?}");
    }
    let upgrade = request(server.address, &handshake("/ws", ""));
    assert_eq!(upgrade.status, 503);
    drop(clients);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn stopping_server_is_not_undrained() {
    let server = Server::with(&[("server.shutdown_ms", "60000")]);
    let mut unresponsive = server.user("1:1");
    server.signal("TERM");
    unresponsive.expect("goaway");
    assert_eq!(status(&server)["state"], "stopping");
    for method in ["node/undrain", "node/drain"] {
        let answer = server.rpc(method, &json!({}));
        assert_eq!(answer.error(), (409, "conflict".to_owned()), "{method}");
    }
    assert_eq!(server.manage("/health/ready").status, 503);
}
