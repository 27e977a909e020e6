//! A server that sends its clients away and stays: what clients and load balancers see of it,
//! and that it takes clients again; and how a server that stops spreads its clients.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable_testkit::http::{self, get};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Server, request};

fn status(server: &Server) -> Value {
    server.rpc("node/getStatus", &json!({})).json()
}

#[test]
fn drained_server_refuses_clients_until_it_is_undrained() {
    let server = Server::start();
    let mut user = server.user("1:1");
    assert_eq!(
        status(&server),
        json!({"state": "serving", "connections": 1, "sessions": 1})
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
