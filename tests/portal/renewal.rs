//! `authenticate`: guests that gain an identity, and credentials that are renewed or not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ending::expect_end_of_poll;
use crate::jwt::{self, claim_for};
use turntable_testkit::Server;
use turntable_testkit::metric::SESSIONS;
use turntable_testkit::poll::{PollClient, call, entries, post, result};
use turntable_testkit::session::Session;
use turntable_testkit::socketio::{Socket, TRANSPORTS};

fn session_of(user: &str) -> Value {
    json!({"credentials": {"sessionId": format!("secret-of-{user}")}})
}

fn with_users() -> Server {
    let server = Server::start();
    for user in ["1:7", "1:8"] {
        let path = format!("/auth/set/{user}/secret-of-{user}");
        assert_eq!(server.manage(&path).json(), true);
    }
    server
}

#[test]
fn guest_gains_an_identity_over_every_transport() {
    let server = with_users();
    let mut friend = server.user("1:2");
    friend.subscribe(&["1:7", "1:70"]);
    let mut websocket = server.connect();
    let before = websocket.identify("1:70");
    assert_eq!(friend.expect("userchange")["1:70"], "online");
    websocket.subscribe(&["1:2"]);
    let welcome = websocket.request("authenticate", session_of("1:7"));
    assert_eq!(welcome["user"], "1:7");
    assert_eq!(welcome["session"], before["session"]);
    let mut states = serde_json::Map::new();
    while states.len() < 2 {
        states.extend(friend.expect("userchange").as_object().unwrap().clone());
    }
    assert_eq!(
        Value::from(states),
        json!({"1:7": "online", "1:70": "offline"})
    );
    // What it watches goes on, and it is the user for others.
    friend.command("status", json!("busy"));
    assert_eq!(websocket.expect("userchange")["1:2"], "busy");
    assert_eq!(server.manage("/user/publish/7/1").json(), 1);
    assert_eq!(websocket.expect("call")["f"], "user:message");
    let poll = PollClient::user(&server, "1:71");
    assert_eq!(
        poll.request("$av:authenticate", session_of("1:7"))["user"],
        "1:7"
    );
    let (mut socket, _) = Socket::user(server.address, "websocket", "1:72");
    assert_eq!(
        socket.request("authenticate", session_of("1:7"))["user"],
        "1:7"
    );
    assert_eq!(server.manage("/user/publish/7/1").json(), 3);
    // From now on it has an identity, and no other.
    let error = poll.request_refused("$av:authenticate", session_of("1:8"));
    assert_eq!(error["code"], "unauthorized");
    websocket.command("authenticate", session_of("1:8"));
    websocket.expect("call");
    websocket.expect_error("unauthorized");
    websocket.expect_close(4009);
}

#[test]
fn guest_that_became_another_user_has_left_rooms_and_channels() {
    let server = with_users();
    let mut guest = server.user("1:70");
    let mut other = server.user("1:2");
    let join = |user: &str| json!({"channel": "CStrike", "self": user});
    other.request("joingame", join("1:2"));
    guest.request("joingame", join("1:70"));
    guest.request("joinchannel", json!({"channel": "news"}));
    assert_eq!(other.expect("memberchange")["members"]["1:70"], "joined");
    guest.request("authenticate", session_of("1:7"));
    assert_eq!(other.expect("memberchange")["members"]["1:70"], "left");
    other.request("publish", json!({"channel": "news", "data": 1}));
    // Nothing of it comes; the room is open to the user that it is now.
    let joined = guest.request("joingame", join("1:7"));
    assert_eq!(joined["self"], "1:7");
    assert_eq!(other.expect("memberchange")["members"]["1:7"], "joined");
}

#[test]
fn answer_of_authenticate_is_counted_and_comes_again_after_a_loss() {
    let server = with_users();
    let mut friend = server.user("1:2");
    friend.subscribe(&["1:7"]);
    let mut guest = Session::begin(&server, "1:70");
    let mut authenticate = session_of("1:7");
    authenticate = json!({"command": "authenticate", "data": authenticate.take(), "id": 1});
    guest.client.send(authenticate);
    assert_eq!(friend.expect("userchange")["1:7"], "online");
    // Its client has not read the answer.
    guest.cut_and_resume();
    let welcome = guest.next();
    assert_eq!(welcome["command"], "welcome", "{welcome}");
    assert_eq!(welcome["id"], 1);
    assert_eq!(welcome["data"]["user"], "1:7");
    assert_eq!(welcome["data"]["resumed"], false);
    // It has now, and counts it.
    guest.cut_and_resume();
    guest.request("lookup", json!(["1:7"]));
}

#[test]
fn refused_credentials_leave_a_guest_what_it_is() {
    let server = with_users();
    let mut guest = server.user("1:70");
    for left in [2, 1] {
        guest.command("authenticate", json!({"credentials": {"token": "x"}}));
        let error = guest.expect_error("unauthorized");
        assert_eq!(error["data"]["command"], "authenticate", "{left}");
        assert_eq!(error["data"]["details"]["reason"], "invalid");
    }
    guest.request("lookup", json!(["1:70"]));
    guest.command("authenticate", json!({"credentials": {"token": "x"}}));
    guest.expect_error("unauthorized");
    guest.expect_close(4009);
}

#[test]
fn renewed_credentials_keep_the_session_and_expired_ones_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = jwt::server_with(folder.path(), &[("portal.renewal_grace_ms", "300")]);
    let credentials = |seconds| claim_for(seconds);
    let begun = Instant::now();
    let mut renewing = server.connect();
    renewing.command("idme", credentials(2));
    let before = renewing.expect("welcome");
    assert!(before["expires_in"].as_u64().unwrap() <= 2);
    let mut lazy = server.connect();
    lazy.command("idme", credentials(2));
    lazy.expect("welcome");
    let mut socket = Socket::connect(server.address, "websocket", credentials(2));
    socket.expect("idyou");
    socket.expect("welcome");
    let user = socket.request("authenticate", credentials(60));
    assert_eq!(user["user"], "fb:mel");
    let welcome = renewing.request("authenticate", credentials(60));
    assert_eq!(welcome["session"], before["session"]);
    assert_eq!(welcome["user"], "fb:mel");
    assert_eq!(welcome["attributes"]["role"], "admin");
    assert!(welcome["expires_in"].as_u64().unwrap() > 50);
    // Expired ones do not renew.
    renewing.command("authenticate", credentials(-60));
    let error = renewing.expect_error("unauthorized");
    assert_eq!(error["data"]["details"]["reason"], "expired");
    let error = lazy.expect_error("unauthorized");
    assert_eq!(error["data"]["details"]["reason"], "expired");
    lazy.expect_close(4004);
    assert!(begun.elapsed() >= Duration::from_millis(1_300));
    renewing.request("lookup", json!(["fb:mel"]));
    socket.request("lookup", json!(["fb:mel"]));
}

#[test]
fn credentials_that_expire_end_polls_and_socketio_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = jwt::server_with(folder.path(), &[("portal.renewal_grace_ms", "100")]);
    let body = json!([call("$av:idme", claim_for(2), 1)]).to_string();
    let begun = post(&server, "/poll", "", &body);
    assert_eq!(result(&entries(&begun), 1)["user"], "fb:mel");
    let session = begun.header("Turntable-Session").unwrap();
    let header = format!("Turntable-Session: {session}\r\n");
    let mut sockets = TRANSPORTS.map(|transport| {
        let mut socket = Socket::connect(server.address, transport, claim_for(2));
        socket.expect("idyou");
        socket.expect("welcome");
        socket
    });
    for socket in &mut sockets {
        assert_eq!(socket.expect("error")["details"]["reason"], "expired");
    }
    // The connection closes: unlike after a withdrawal, clients connect again.
    let [mut polling, websocket] = sockets;
    assert_eq!(polling.packet(), "1");
    websocket.into_websocket().expect_close(4004);
    server.await_metric(SESSIONS, 0.0);
    let sent = entries(&post(&server, "/poll", &header, "[]"));
    expect_end_of_poll(&sent, "expired", 4004);
}
