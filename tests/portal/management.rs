//! `auth` and `user` of the management listener.

use serde_json::{Value, json};

use crate::entry::ENTRIES;
use turntable_testkit::Server;
use turntable_testkit::http::{Response, send};
use turntable_testkit::poll::{PollClient, entries};
use turntable_testkit::socketio::Socket;

/// A call of a method with named arguments.
pub(crate) fn rpc(server: &Server, method: &str, arguments: Value) -> Response {
    let json = "Content-Type: application/json\r\n";
    let body = arguments.to_string();
    send(
        server.management,
        "POST",
        &format!("/rpc/{method}"),
        json,
        &body,
    )
}

#[test]
fn session_of_auth_set_identifies_over_every_transport() {
    let server = Server::start();
    let set = rpc(
        &server,
        "auth/set",
        json!({"userId": 7, "sessionId": "abc/d"}),
    );
    assert_eq!((set.status, set.json()), (200, json!(true)));
    for (name, identify) in ENTRIES {
        for claim in [
            json!({"user": "1:7", "credentials": {"sessionId": "abc/d"}}),
            json!({"credentials": {"sessionId": "abc/d"}}),
        ] {
            let welcome = identify(server.address, &claim).expect(name);
            assert_eq!(welcome["user"], "1:7", "{name}");
        }
        // Who has an entry needs it.
        let bare = identify(server.address, &json!({"user": "1:7"})).unwrap_err();
        assert_eq!(bare["code"], "unauthorized", "{name}");
    }
    let get = |path: &str| server.manage(path).json();
    assert_eq!(get("/auth/check/abc%2Fd"), "1:7");
    assert_eq!(get("/auth/check/x"), Value::Null);
    assert_eq!(get("/auth/set/fb:mel/xyz"), true);
    assert_eq!(get("/auth/listAll"), json!(["1:7", "fb:mel"]));
    assert_eq!(get("/auth/remove/fb:mel"), true);
    assert_eq!(get("/auth/remove/fb:mel"), false);
    assert!(!server.log().contains("abc/d"));
}

#[test]
fn long_lists_come_page_by_page() {
    let server = Server::with(&[("management.list_max", "3"), ("server.workers", "2")]);
    let _clients: Vec<_> = (1..=5).map(|n| server.user(&format!("1:{n}"))).collect();
    let all = server.manage("/user/listAll");
    assert_eq!(all.error(), (413, "too_large".to_owned()), "{}", all.text());
    let first = server.manage("/user/listAll/2").json();
    assert_eq!(first, json!({"users": ["1:1", "1:2"], "next": "1:2"}));
    let rest = rpc(&server, "user/listAll", json!({"after": "1:2"})).json();
    assert_eq!(rest, json!({"users": ["1:3", "1:4", "1:5"]}));
    for n in 1..=4 {
        let user = format!("1:{n}");
        rpc(&server, "user/ban", json!({"userId": user, "seconds": 0}));
        let list = json!({"userId": user, "userIds": ["1:8", "1:9"]});
        assert_eq!(rpc(&server, "user/setBlocked", list).json(), true);
        rpc(
            &server,
            "auth/set",
            json!({"userId": user, "sessionId": user}),
        );
    }
    let bans = server.manage("/user/listBans/3").json();
    assert_eq!(bans["next"], "1:3");
    assert_eq!(bans["bans"].as_object().unwrap().len(), 3);
    let all = server.manage("/user/listBlocked");
    assert_eq!(all.error(), (413, "too_large".to_owned()), "{}", all.text());
    let lists = server.manage("/user/listBlocked/2").json();
    assert_eq!(
        lists,
        json!({"blocked": {"1:1": 2, "1:2": 2}, "next": "1:2"})
    );
    let lists = server.manage("/user/listBlocked/2/1:2").json();
    assert_eq!(lists, json!({"blocked": {"1:3": 2, "1:4": 2}}));
    let users = rpc(&server, "auth/listAll", json!({"limit": 9, "after": "1:3"})).json();
    assert_eq!(users, json!({"users": ["1:4"]}));
    let services = server.manage("/service/listAll").json();
    assert_eq!(services, json!({}));
    assert_eq!(
        server.manage("/channel/listAll/1").json(),
        json!({"channels": []})
    );
}

#[test]
fn wrong_calls_are_refused() {
    let server = Server::start();
    let error = |method: &str, arguments: Value| rpc(&server, method, arguments).error();
    let (wrong, gone) = ("bad_message".to_owned(), "not_found".to_owned());
    assert_eq!(
        error("auth/set", json!({"userId": "1:1"})),
        (400, wrong.clone())
    );
    assert_eq!(error("auth/set", json!([])), (400, wrong.clone()));
    assert_eq!(error("auth/no", json!({})), (404, gone));
    let id = error("auth/remove", json!({"userId": "a b:c"}));
    assert_eq!(id, (400, "invalid_id".to_owned()));
    let taken = |user: &str| {
        rpc(
            &server,
            "auth/set",
            json!({"userId": user, "sessionId": "s"}),
        )
    };
    assert_eq!(taken("1:1").status, 200);
    assert_eq!(taken("1:2").error(), (409, "conflict".to_owned()));
    // A page of another site reaches none.
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    let answer = send(server.management, "GET", "/auth/set/1:3/x", foreign, "");
    assert_eq!(answer.error(), (403, "forbidden".to_owned()));
    assert_eq!(server.manage("/auth/check/x").json(), Value::Null);
    let answer = send(server.management, "GET", "/rpc/auth/listAll", "", "");
    assert_eq!(answer.status, 405);
}

#[test]
fn message_for_a_user_arrives_at_every_session() {
    let server = Server::start();
    let mut websocket = server.user("1:1");
    let poll = PollClient::user(&server, "1:1");
    let (mut socket, _) = Socket::user(server.address, "websocket", "1:1");
    let mut other = server.user("1:2");
    let message = json!({"text": "hello", "n": 1});
    let publish = json!({"userId": 1, "message": message});
    assert_eq!(rpc(&server, "user/publish", publish).json(), 3);
    let expected = json!({"f": "user:message", "args": message});
    assert_eq!(
        websocket.next(),
        json!({"command": "call", "data": expected})
    );
    assert_eq!(socket.expect("call"), expected);
    assert_eq!(entries(&poll.send("", "[]")), [expected]);
    // In the form of a path, a text is one.
    assert_eq!(server.manage("/user/publish/1/good%20day").json(), 3);
    assert_eq!(websocket.expect("call")["args"], "good day");
    assert_eq!(server.manage("/user/publish/3/1").json(), 0);
    other.request("time", json!({"t0": 1}));
}

#[test]
fn presence_and_attributes_are_read_and_set() {
    let server = Server::start();
    let mut client = server.user("1:1");
    let mut watcher = server.user("1:2");
    watcher.subscribe(&["1:1"]);
    let digits = "12345678901234567890.50";
    let set = format!(r#"{{"userId": "1:1", "attributes": {{"score": {digits}, "name": "Mel"}}}}"#);
    let json = "Content-Type: application/json\r\n";
    let answer = send(
        server.management,
        "POST",
        "/rpc/user/setAttributes",
        json,
        &set,
    );
    assert_eq!((answer.status, answer.json()), (200, json!(true)));
    assert_eq!(client.expect("attributes")["name"], "Mel");
    assert_eq!(watcher.expect("profiles")["1:1"]["name"], "Mel");
    let answer = server.manage("/user/getAttributes/1");
    assert_eq!(
        answer.text(),
        format!(r#"{{"name":"Mel","score":{digits}}}"#)
    );
    let removed = json!({"userId": 1, "attributes": {"score": null}});
    assert_eq!(rpc(&server, "user/setAttributes", removed).json(), true);
    assert_eq!(client.expect("attributes"), json!({"score": null}));
    let long = json!({"userId": 1, "attributes": {"x": "x".repeat(60_000)}});
    assert_eq!(
        rpc(&server, "user/setAttributes", long).error().1,
        "too_large"
    );
    let seen = rpc(&server, "user/getPresence", json!({"userIds": [1, "1:9"]})).json();
    assert_eq!(seen["1:1"]["state"], "online");
    assert_eq!(seen["1:1"]["profile"]["name"], "Mel");
    assert_eq!(seen["1:9"], json!({"state": "offline", "devices": 0}));
    // A user that is not there has them, too.
    let set = json!({"userId": "1:9", "attributes": {"note": "later"}});
    assert_eq!(rpc(&server, "user/setAttributes", set).json(), true);
    assert_eq!(
        server.manage("/user/getAttributes/9").json(),
        json!({"note": "later"})
    );
}

#[test]
fn session_of_a_user_that_anyone_could_be_ends_when_it_needs_credentials() {
    let server = Server::start();
    let mut anyone = server.user("1:7");
    let mut other = server.user("1:8");
    assert_eq!(server.manage("/auth/set/7/secret").json(), true);
    let error = anyone.expect_error("unauthorized");
    assert_eq!(error["data"]["details"]["reason"], "revoked");
    anyone.expect_close(4009);
    // Who showed credentials stays, also with the next sessionId.
    let mut owner = server.connect();
    owner.command("idme", json!({"credentials": {"sessionId": "secret"}}));
    owner.expect("welcome");
    assert_eq!(server.manage("/auth/set/7/another").json(), true);
    owner.request("lookup", json!(["1:7"]));
    other.request("lookup", json!(["1:7"]));
}

#[test]
fn guest_stays_when_the_backend_gives_it_a_session() {
    let server = Server::start();
    let mut guest = server.connect();
    guest.command("idme", json!({"credentials": {"guest": true}}));
    let user = guest.expect("welcome")["user"].clone();
    let set = json!({"userId": user, "sessionId": "secret"});
    assert_eq!(rpc(&server, "auth/set", set).json(), true);
    guest.request("lookup", json!([user]));
}
