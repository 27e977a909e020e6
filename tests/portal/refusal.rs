//! Refused claims: what the client gets, and when its connection is closed.

use serde_json::{Value, json};

use crate::entry::ENTRIES;
use turntable_testkit::Server;
use turntable_testkit::engineio::websocket;
use turntable_testkit::poll::{PollClient, call, entries, post};
use turntable_testkit::socketio::{Socket, TRANSPORTS};

const CLOSED_UNAUTHORIZED: &str = "turntable_connections_closed_total{name=\"unauthorized\"}";

#[test]
fn third_refusal_closes_with_4009() {
    let server = Server::start();
    let mut client = server.connect();
    for left in [2, 1, 0] {
        client.command(
            "idme",
            json!({"user": "1:1", "credentials": {"token": "x"}}),
        );
        let error = client.expect_error("unauthorized");
        assert_eq!(error["data"]["details"]["reason"], "invalid", "{left}");
        assert_eq!(error["data"]["command"], "idme");
    }
    client.expect_close(4009);
    assert_eq!(server.metric(CLOSED_UNAUTHORIZED), 1.0);
}

#[test]
fn claim_of_nobody_is_unauthorized_and_no_failure_of_its_address() {
    let keys = [("portal.address_failures", "{ per_minute = 1, burst = 1 }")];
    let server = Server::with(&keys);
    for _ in 0..4 {
        let mut client = server.connect();
        client.command("idme", json!({}));
        let error = client.expect_error("unauthorized");
        assert_eq!(error["data"]["details"]["reason"], "invalid");
        let message = "credentials are required, or a user";
        assert_eq!(error["data"]["message"], message);
        client.command("idme", json!({"user": "1:1"}));
        client.expect("welcome");
    }
}

#[test]
fn third_refusal_closes_polls_and_socketio_too() {
    let server = Server::with(&[("portal.user_failures.per_minute", "0")]);
    let claim = json!({"user": "1:1", "credentials": {"token": "x"}});
    let idme: Vec<Value> = (1..=3)
        .map(|n| call("$av:idme", claim.clone(), n))
        .collect();
    let answer = post(&server, "/poll", "", &json!(idme).to_string());
    let list = entries(&answer);
    for number in 1..=3 {
        let entry = list.iter().find(|entry| entry["id"] == number).unwrap();
        assert_eq!(entry["error"]["details"]["reason"], "invalid", "{entry}");
    }
    let last = list.last().unwrap();
    assert_eq!(
        (&last["f"], &last["args"]["code"]),
        (&json!("$av:close"), &json!(4009))
    );
    for transport in TRANSPORTS {
        // Connected, and not identified.
        let mut socket = Socket::connect(server.address, transport, Value::Null);
        socket.expect("idyou");
        for _ in 0..3 {
            let error = socket.request("idme", claim.clone());
            assert_eq!(
                error["error"]["details"]["reason"], "invalid",
                "{transport}"
            );
        }
        assert_eq!(socket.packet(), "41", "{transport}");
    }
    assert_eq!(server.metric(CLOSED_UNAUTHORIZED), 3.0);
}

#[test]
fn wrong_session_id_closes_at_once() {
    let server = Server::start();
    let mut client = server.connect();
    client.command(
        "idme",
        json!({"user": "1:1", "credentials": {"sessionId": "x"}}),
    );
    client.expect_error("unauthorized");
    client.expect_close(4009);
    // A poll has the end as its last entry.
    let claim = json!({"user": "1:1", "credentials": {"sessionId": "x"}});
    let body = json!([call("$av:idme", claim.clone(), 1)]).to_string();
    let answer = post(&server, "/poll", "", &body);
    let entries = entries(&answer);
    assert_eq!(entries[1]["error"]["code"], "unauthorized");
    assert_eq!(entries[2]["f"], "$av:close", "{entries:?}");
    assert_eq!(entries[2]["args"]["code"], 4009);
    // A tunnel that is not open yet has the error as its answer alone.
    let error = ENTRIES[3].1(server.address, &claim).unwrap_err();
    assert_eq!(error["details"]["reason"], "invalid");
    // socket.io's clients connect no more after an error of their connect.
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text(&format!("40{claim}"));
    assert!(client.text().starts_with("44{"));
}

#[test]
fn failures_of_a_user_are_limited() {
    let server = Server::with(&[("portal.attempts_max", "100")]);
    let mut client = server.connect();
    let claim = json!({"user": "1:1", "credentials": {"token": "x"}});
    for _ in 0..5 {
        client.command("idme", claim.clone());
        client.expect_error("unauthorized");
    }
    client.command("idme", claim.clone());
    let error = client.expect_error("rate_limited");
    assert!(error["data"]["details"]["retry_ms"].as_u64().unwrap() > 0);
    // On another connection, too; another user may come, and a bare claim.
    let error = ENTRIES[1].1(server.address, &claim).unwrap_err();
    assert_eq!(error["code"], "rate_limited");
    client.identify("1:1");
    let _other = PollClient::user(&server, "1:2");
}
