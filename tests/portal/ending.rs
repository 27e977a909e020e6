//! Sessions that an operator ends: kicked, and with withdrawn credentials.

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::http::send;
use turntable_testkit::metric::SESSIONS;
use turntable_testkit::poll::{PollClient, call, entries, post, result};
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
    let answer = poll.send("", "[]");
    assert_eq!(answer.error(), (410, "session_expired".to_owned()));
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
    let answer = post(&server, "/poll", &header, "[]");
    assert_eq!(answer.error(), (410, "session_expired".to_owned()));
}
