//! Block lists, and users that are erased.

use serde_json::json;

use crate::entry::ENTRIES;
use crate::management::rpc;
use turntable_testkit::Server;
use turntable_testkit::poll::PollClient;
use turntable_testkit::socketio::Socket;

#[test]
fn blocked_user_sees_and_invites_nobody_who_blocks_it() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    mel.request("set", json!({"name": "Mel"}));
    let mut stalker = server.user("1:2");
    assert_eq!(stalker.subscribe(&["1:1"])["1:1"], "online");
    assert_eq!(stalker.expect("profiles")["1:1"]["name"], "Mel");
    let own = json!({"userId": 1, "userIds": [2, 1]});
    let refused = rpc(&server, "user/setBlocked", own).error();
    assert_eq!(refused, (400, "bad_message".to_owned()));
    assert_eq!(server.manage("/user/getBlocked/1").json(), json!([]));
    let list = json!({"userId": 1, "userIds": [2, "fb:x"]});
    assert_eq!(rpc(&server, "user/setBlocked", list).json(), true);
    assert_eq!(
        server.manage("/user/getBlocked/1").json(),
        json!(["1:2", "fb:x"])
    );
    assert_eq!(stalker.expect("userchange")["1:1"], "offline");
    // Nothing of her arrives any more, over any transport.
    mel.request("status", json!("busy"));
    mel.request("set", json!({"name": "Melanie"}));
    let seen = stalker.request("lookup", json!(["1:1"]));
    assert_eq!(seen["1:1"], json!({"state": "offline", "devices": 0}));
    let poll = PollClient::user(&server, "1:2");
    assert_eq!(
        poll.request("$av:lookup", json!(["1:1"]))["1:1"]["state"],
        "offline"
    );
    let (mut socket, _) = Socket::user(server.address, "websocket", "1:2");
    socket.emit("subscribe", json!(["1:1"]));
    assert_eq!(socket.expect("userchange")["1:1"], "offline");
    let join = json!({"channel": "CStrike", "self": "1:2", "invite": ["1:1"]});
    stalker.request("joingame", join);
    // Others see and invite her.
    let mut friend = server.user("1:3");
    assert_eq!(friend.subscribe(&["1:1"])["1:1"], "busy");
    friend.expect("profiles");
    friend.request(
        "joingame",
        json!({"channel": "Four", "self": "1:3", "invite": ["1:1"]}),
    );
    assert_eq!(mel.expect("invite")["channel"], "Four");
    let none = json!({"userId": 1, "userIds": []});
    assert_eq!(rpc(&server, "user/setBlocked", none).json(), true);
    let state = stalker.await_command("userchange");
    assert_eq!(state["1:1"], "busy");
    assert_eq!(stalker.expect("profiles")["1:1"]["name"], "Melanie");
}

#[test]
fn client_changes_its_own_block_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let settings = [
        ("store.path", path.to_str().unwrap()),
        ("portal.blocked_max", "2"),
    ];
    let mut server = Server::with(&settings);
    let mut mel = server.user("1:1");
    let mut stalker = server.user("1:2");
    assert_eq!(stalker.subscribe(&["1:1"])["1:1"], "online");
    assert_eq!(mel.request("block", json!({})), json!({"blocked": []}));
    // Oneself is no user to block.
    mel.command("block", json!({"add": ["fb:x", "1:1"]}));
    assert_eq!(mel.expect_error("bad_message")["data"]["command"], "block");
    assert_eq!(mel.request("block", json!({})), json!({"blocked": []}));
    let list = mel.request("block", json!({"add": ["fb:x", "1:2"]}));
    assert_eq!(list, json!({"blocked": ["1:2", "fb:x"]}));
    assert_eq!(stalker.expect("userchange")["1:1"], "offline");
    mel.command("block", json!({"add": ["1:3"]}));
    let error = mel.expect_error("too_many")["data"].clone();
    assert_eq!(error["command"], "block");
    assert_eq!(error["details"]["max"], 2);
    // What is answered is durable.
    server.signal("KILL");
    server.wait();
    let server = Server::with(&settings);
    let poll = PollClient::user(&server, "1:1");
    let list = poll.request("$av:block", json!({"add": ["1:3"], "remove": ["fb:x"]}));
    assert_eq!(list, json!({"blocked": ["1:2", "1:3"]}));
    assert_eq!(
        server.manage("/user/getBlocked/1").json(),
        json!(["1:2", "1:3"])
    );
    let mut stalker = server.user("1:2");
    assert_eq!(stalker.subscribe(&["1:1"])["1:1"], "offline");
    poll.request("$av:block", json!({"remove": ["1:2"]}));
    assert_eq!(stalker.expect("userchange")["1:1"], "online");
}

#[test]
fn block_list_is_limited_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let settings = [
        ("store.path", path.to_str().unwrap()),
        ("portal.blocked_max", "2"),
        ("portal.block_lists_max", "1"),
    ];
    let mut first = Server::with(&settings);
    let set = |server: &Server, user: u32, list: &[u32]| {
        rpc(
            server,
            "user/setBlocked",
            json!({"userId": user, "userIds": list}),
        )
    };
    assert_eq!(
        set(&first, 1, &[2, 3, 4]).error(),
        (429, "too_many".to_owned())
    );
    assert_eq!(set(&first, 1, &[2, 3]).json(), true);
    assert_eq!(set(&first, 2, &[1]).error(), (429, "too_many".to_owned()));
    first.signal("KILL");
    first.wait();
    let second = Server::with(&settings);
    assert_eq!(
        second.manage("/user/getBlocked/1").json(),
        json!(["1:2", "1:3"])
    );
}

#[test]
fn nothing_is_left_of_an_erased_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut server = Server::with(&[("store.path", path.to_str().unwrap())]);
    assert_eq!(server.manage("/auth/set/1/secret").json(), true);
    let mut client = server.connect();
    client.command("idme", json!({"credentials": {"sessionId": "secret"}}));
    client.expect("welcome");
    client.request("set", json!({"name": "Mel", "email": "mel@example.org"}));
    let list = json!({"userId": 1, "userIds": [2]});
    assert_eq!(rpc(&server, "user/setBlocked", list).json(), true);
    let mut friend = server.user("1:3");
    friend.subscribe(&["1:1"]);
    friend.expect("profiles");
    assert_eq!(server.manage("/user/erase/1").json(), 1);
    client.expect_error("session_expired");
    client.expect_close(4004);
    let seen = server.manage("/user/getPresence/1").json();
    assert_eq!(seen["1:1"], json!({"state": "offline", "devices": 0}));
    assert_eq!(server.manage("/user/getAttributes/1").json(), json!({}));
    assert_eq!(server.manage("/user/getBlocked/1").json(), json!([]));
    let claim = json!({"credentials": {"sessionId": "secret"}});
    let error = ENTRIES[0].1(server.address, &claim).unwrap_err();
    assert_eq!(error["code"], "unauthorized");
    server.signal("KILL");
    server.wait();
    let mut lines = Vec::new();
    turntable::store::transfer::backup(&path, &mut lines).unwrap();
    let left = String::from_utf8(lines).unwrap();
    assert!(!left.contains("1:1\"") && !left.contains("Mel"), "{left}");
}

#[test]
fn erased_user_is_on_no_channel_of_the_operator() {
    let server = Server::start();
    let mut before = server.user("1:1");
    let subscribe = json!({"userId": 1, "channelId": "c"});
    assert_eq!(rpc(&server, "channel/subscribe", subscribe).json(), 1);
    before.expect("joined");
    assert_eq!(server.manage("/user/erase/1").json(), 1);
    let mut after = server.user("1:1");
    after.request("lookup", json!(["1:1"]));
    let of = json!({"userId": 1});
    let left = rpc(&server, "channel/getSubscriptions", of).json();
    assert_eq!(left, json!([]));
}

#[test]
fn block_lists_of_one_address_are_bounded_and_listed() {
    let server = Server::with(&[
        ("portal.blocked_per_address_max", "24"),
        ("portal.block_lists_max", "2"),
        ("portal.blocked_total_max", "15"),
    ]);
    let mut mel = server.user("1:1");
    let mut tom = server.user("1:2");
    mel.request("block", json!({"add": ["1:5", "1:6"]}));
    let refused = |client: &mut turntable_testkit::Client, add: &[&str]| {
        client.command("block", json!({"add": add}));
        client.expect_error("too_many")["data"]["details"]["max"].clone()
    };
    assert_eq!(refused(&mut tom, &["1:5", "1:6", "1:7"]), 24);
    tom.request("block", json!({"add": ["1:5", "1:6"]}));
    assert_eq!(refused(&mut mel, &["1:7"]), 24);
    let mut third = server.user("1:3");
    assert_eq!(refused(&mut third, &["1:5"]), 2);
    let listed = server.manage("/user/listBlocked").json();
    assert_eq!(listed, json!({"1:1": 2, "1:2": 2}));
    // The operator makes room. It is bounded by the totals alone.
    let set = |user: u32, list: Vec<u32>| {
        rpc(
            &server,
            "user/setBlocked",
            json!({"userId": user, "userIds": list}),
        )
    };
    assert_eq!(
        set(1, (100..120).collect()).error(),
        (429, "too_many".to_owned())
    );
    assert_eq!(set(1, (100..110).collect()).json(), true);
    assert_eq!(set(2, Vec::new()).json(), true);
    third.request("block", json!({"add": ["1:5"]}));
}

#[test]
fn block_list_of_a_guest_has_an_end_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let settings = [
        ("store.path", path.to_str().unwrap()),
        ("portal.guest_days", "30"),
    ];
    let mut server = Server::with(&settings);
    let mut guest = server.connect();
    guest.command("idme", json!({"credentials": {"guest": true}}));
    let welcome = guest.expect("welcome");
    guest.request("block", json!({"add": ["1:2"]}));
    let list = json!({"userId": 1, "userIds": [2]});
    assert_eq!(rpc(&server, "user/setBlocked", list).json(), true);
    server.signal("KILL");
    server.wait();
    let mut lines = Vec::new();
    turntable::store::transfer::backup(&path, &mut lines).unwrap();
    let now_s = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for line in String::from_utf8(lines).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let blocked = &line["blocked"];
        if line["user"] == welcome["user"] {
            let days = (blocked["ends"].as_u64().unwrap() - now_s + 600) / 86_400;
            assert_eq!((days, &blocked["users"]), (30, &json!(["1:2"])));
        } else if line["user"] == "1:1" {
            assert_eq!(*blocked, json!(["1:2"]));
        }
    }
    let server = Server::with(&settings);
    let listed = server.manage("/user/listBlocked").json();
    assert_eq!(listed[welcome["user"].as_str().unwrap()], 1);
}
