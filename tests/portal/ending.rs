//! Sessions that an operator ends: kicked, and with withdrawn credentials.

use std::path::Path;

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::http::send;
use turntable_testkit::metric::{CONNECTIONS, SESSIONS};
use turntable_testkit::package::{has_npm_package, run_script};
use turntable_testkit::poll::{PollClient, call, entries, post, result};
use turntable_testkit::session::Session;
use turntable_testkit::socketio::{Socket, TRANSPORTS};
use turntable_testkit::tunnel::Tunnel;

#[test]
fn kicked_user_is_gone_from_every_transport() {
    let server = Server::start();
    let mut websocket = server.user("1:1");
    let poll = PollClient::user(&server, "1:1");
    let (mut socket, _) = Socket::user(server.address, "websocket", "1:1");
    let mut tunnel = Tunnel::user(&server, "1:1");
    let mut friend = server.user("1:2");
    friend.subscribe(&["1:1"]);
    let body = r#"{"userId": "1:1", "reason": "the match is over"}"#;
    let json = "Content-Type: application/json\r\n";
    let answer = send(server.management, "POST", "/rpc/user/kick", json, body);
    assert_eq!((answer.status, answer.json()), (200, json!(4)));
    let error = websocket.expect_error("forbidden");
    assert_eq!(error["data"]["message"], "the match is over");
    assert_eq!(error["data"]["details"]["reason"], "kicked");
    websocket.expect_close(4005);
    assert_eq!(socket.expect("error")["details"]["reason"], "kicked");
    assert_eq!(socket.packet(), "41");
    let error = tunnel.expect_command("error");
    assert_eq!(error["details"]["reason"], "kicked");
    tunnel.expect_footer();
    for query in ["", "?batch=1", "?received=0"] {
        let sent = entries(&poll.send(query, "[]"));
        expect_end_of_poll(&sent, "kicked", 4005);
    }
    // At once: nobody waits for these to come back.
    assert_eq!(friend.expect("userchange")["1:1"], "offline");
    server.await_metric(SESSIONS, 1.0);
}

#[test]
fn removed_session_ends_connections_with_the_reason() {
    let server = Server::start();
    assert_eq!(server.manage("/auth/set/1:1/abc").json(), true);
    let mut client = server.connect();
    client.command("idme", json!({"credentials": {"sessionId": "abc"}}));
    assert_eq!(client.expect("welcome")["user"], "1:1");
    assert_eq!(server.manage("/auth/remove/1:1").json(), true);
    let error = client.expect_error("unauthorized");
    assert_eq!(error["data"]["details"]["reason"], "revoked");
    client.expect_close(4009);
}

#[test]
fn removed_session_ends_polls_and_socketio_too() {
    let server = Server::start();
    assert_eq!(server.manage("/auth/set/1:1/abc").json(), true);
    let claim = json!({"credentials": {"sessionId": "abc"}});
    let body = json!([call("$av:idme", claim.clone(), 1)]).to_string();
    let begun = post(&server, "/poll", "", &body);
    assert_eq!(result(&entries(&begun), 1)["user"], "1:1");
    let session = begun.header("Turntable-Session").unwrap();
    let header = format!("Turntable-Session: {session}\r\n");
    let mut sockets = TRANSPORTS.map(|transport| {
        let mut socket = Socket::connect(server.address, transport, claim.clone());
        socket.expect("idyou");
        assert_eq!(socket.expect("welcome")["user"], "1:1");
        socket
    });
    assert_eq!(server.manage("/auth/remove/1:1").json(), true);
    for socket in &mut sockets {
        assert_eq!(socket.expect("error")["details"]["reason"], "revoked");
        assert_eq!(socket.packet(), "41");
    }
    let sent = entries(&post(&server, "/poll", &header, "[]"));
    expect_end_of_poll(&sent, "revoked", 4009);
}

/// The entries are the error of an end with this reason, and the close.
pub(crate) fn expect_end_of_poll(entries: &[Value], reason: &str, code: u64) {
    let [error, close] = entries else {
        panic!("{entries:?}");
    };
    assert_eq!(error["f"], "$av:error");
    assert_eq!(error["args"]["details"]["reason"], reason, "{error}");
    assert_eq!(close["f"], "$av:close");
    assert_eq!(close["args"]["code"], code, "{close}");
}

#[test]
fn client_that_had_no_connection_learns_that_it_was_kicked() {
    let server = Server::start();
    let mut session = Session::begin(&server, "1:1");
    session.cut();
    server.await_metric(CONNECTIONS, 0.0);
    assert_eq!(server.manage("/user/kick/1:1").json(), 1);
    for _ in 0..2 {
        let mut again = server.connect();
        again.command("resume", json!({"session": session.secret, "received": 0}));
        let error = again.expect_error("forbidden");
        assert_eq!(error["data"]["details"]["reason"], "kicked");
        again.expect_close(4005);
    }
}

#[test]
fn ends_are_known_for_some_time_and_in_a_limited_number() {
    let server = Server::with(&[("session.ended_max", "2")]);
    let polls = ["1:1", "1:2", "1:3"].map(|user| PollClient::user(&server, user));
    for user in ["1:1", "1:2", "1:3"] {
        assert_eq!(server.manage(&format!("/user/kick/{user}")).json(), 1);
    }
    let over = (410, "session_expired".to_owned());
    assert_eq!(polls[0].send("", "[]").error(), over);
    for poll in &polls[1..] {
        expect_end_of_poll(&poll.heartbeat(), "kicked", 4005);
    }
    let keys = [("poll.gone_ms", "100"), ("session.resume_ms", "0")];
    let server = Server::with(&keys);
    let poll = PollClient::user(&server, "1:1");
    assert_eq!(server.manage("/user/kick/1:1").json(), 1);
    while entries_or_error(&poll).is_ok() {}
    assert_eq!(entries_or_error(&poll), Err(over));
}

fn entries_or_error(poll: &PollClient<'_>) -> Result<Vec<Value>, (u16, String)> {
    let answer = poll.send("", "[]");
    match answer.status {
        200 => Ok(entries(&answer)),
        _ => Err(answer.error()),
    }
}

#[test]
fn client_library_does_not_come_back_after_a_kick_over_any_transport() {
    if !has_npm_package("ws") {
        return;
    }
    let server = Server::start();
    let [url, management] = [server.address, server.management].map(|at| format!("http://{at}"));
    let arguments = [&*url, &management];
    run_script(Path::new("node"), "tests/portal/kick.mjs", &arguments);
    server.await_metric(SESSIONS, 0.0);
}
