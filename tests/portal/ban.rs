//! Banned users, and the sessions that a user may have at one time.

use serde_json::json;

use crate::ending::expect_end_of_poll;
use crate::entry::ENTRIES;
use turntable_testkit::Server;
use turntable_testkit::poll::PollClient;
use turntable_testkit::socketio::Socket;

#[test]
fn banned_user_is_gone_and_refused_over_every_transport() {
    let server = Server::start();
    let mut websocket = server.user("1:1");
    let poll = PollClient::user(&server, "1:1");
    let (mut socket, _) = Socket::user(server.address, "websocket", "1:1");
    assert_eq!(server.manage("/user/ban/1/3600/no%20fair%20play").json(), 3);
    let error = websocket.expect_error("forbidden");
    assert_eq!(error["data"]["message"], "no fair play");
    assert_eq!(error["data"]["details"]["reason"], "banned");
    let left = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    assert!((3_590_000..=3_600_000).contains(&left), "{left}");
    websocket.expect_close(4005);
    assert_eq!(socket.expect("error")["details"]["reason"], "banned");
    assert_eq!(socket.packet(), "41");
    expect_end_of_poll(&poll.heartbeat(), "banned", 4005);
    for (name, identify) in ENTRIES {
        let error = identify(server.address, &json!({"user": "1:1"})).unwrap_err();
        assert_eq!(error["code"], "forbidden", "{name}");
        assert_eq!(error["details"]["reason"], "banned", "{name}");
    }
    let mut again = server.connect();
    again.command("idme", json!("1:1"));
    again.expect_error("forbidden");
    again.expect_close(4005);
    let bans = server.manage("/user/listBans").json();
    assert_eq!(bans["1:1"]["reason"], "no fair play");
    assert!(bans["1:1"]["until_ms"].is_u64());
    assert_eq!(server.manage("/user/unban/1").json(), true);
    assert_eq!(server.manage("/user/unban/1").json(), false);
    server.user("1:1").bye();
}

#[test]
fn ban_ends_by_itself() {
    let server = Server::start();
    // Longer than 100 years: a number that clients would not read.
    for seconds in [3_155_760_001, 1_u64 << 63] {
        let refused = server.manage(&format!("/user/ban/1/{seconds}"));
        assert_eq!(refused.error(), (400, "bad_message".to_owned()));
    }
    assert_eq!(server.manage("/user/listBans").json(), json!({}));
    assert_eq!(server.manage("/user/ban/1/1").json(), 0);
    let mut client = server.connect();
    client.command("idme", json!("1:1"));
    let error = client.expect_error("forbidden");
    let left = error["data"]["details"]["retry_ms"].as_u64().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(left + 5));
    server.user("1:1").bye();
    assert_eq!(server.manage("/user/ban/1/0").json(), 0);
    let mut client = server.connect();
    client.command("idme", json!("1:1"));
    let error = client.expect_error("forbidden");
    assert!(error["data"]["details"]["retry_ms"].is_null());
}

#[test]
fn newest_session_replaces_those_before() {
    let server = Server::with(&[("portal.sessions", "newest")]);
    let mut websocket = server.user("1:1");
    let poll = PollClient::user(&server, "1:1");
    websocket.expect_close(4002);
    let (mut socket, _) = Socket::user(server.address, "websocket", "1:1");
    let close = json!({"f": "$av:close", "args": {"code": 4002, "reason": "replaced"}});
    assert_eq!(poll.heartbeat(), [close]);
    let mut newest = server.user("1:1");
    assert_eq!(socket.packet(), "41");
    newest.request("lookup", json!(["1:1"]));
    assert_eq!(newest.identify("1:1")["user"], "1:1", "again");
    assert_eq!(
        server.manage("/user/getPresence/1").json()["1:1"]["devices"],
        1
    );
}

#[test]
fn dropped_session_gives_way_first() {
    let server = Server::with(&[("portal.sessions", "2")]);
    let mut first = server.user("1:1");
    server.user("1:1").drop_connection();
    let devices = || server.manage("/user/getPresence/1").json()["1:1"]["devices"].clone();
    while devices() != 1 {}
    let mut third = server.user("1:1");
    first.request("lookup", json!(["1:1"]));
    let mut fourth = server.user("1:1");
    first.expect_close(4002);
    third.request("lookup", json!(["1:1"]));
    fourth.request("lookup", json!(["1:1"]));
}

#[test]
fn users_and_their_sessions_are_listed() {
    let server = Server::start();
    let mut websocket = server.user("1:1");
    let _poll = PollClient::user(&server, "1:1");
    let _other = server.user("fb:mel");
    assert_eq!(
        server.manage("/user/listAll").json(),
        json!(["1:1", "fb:mel"])
    );
    let sessions = server.manage("/user/getSessions/1").json();
    let mut transports: Vec<&str> = sessions
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["transport"].as_str().unwrap())
        .collect();
    transports.sort_unstable();
    assert_eq!(transports, ["poll", "websocket"]);
    assert_eq!(sessions[0]["address"], "127.0.0.1");
    let url = server.manage("/user/getFrontendServer/1").json();
    assert_eq!(url, format!("http://{}", server.address));
    let unknown = server.manage("/user/getFrontendServer/9");
    assert_eq!(unknown.error(), (404, "not_found".to_owned()));
    assert_eq!(server.manage("/user/remove/1").json(), 2);
    websocket.expect_error("session_expired");
    websocket.expect_close(4004);
    assert_eq!(server.manage("/user/listAll").json(), json!(["fb:mel"]));
}

#[test]
fn ban_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let settings = [("store.path", path.to_str().unwrap())];
    let mut first = Server::with(&settings);
    assert_eq!(first.manage("/user/ban/1/3600/cheating").json(), 0);
    assert_eq!(first.manage("/user/ban/2/0").json(), 0);
    assert_eq!(first.manage("/user/unban/2").json(), true);
    // What was answered is in the file.
    first.signal("KILL");
    first.wait();
    let second = Server::with(&settings);
    let error = ENTRIES[0].1(second.address, &json!("1:1")).unwrap_err();
    assert_eq!(error["message"], "cheating");
    second.user("1:2").bye();
}
