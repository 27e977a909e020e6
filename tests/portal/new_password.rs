//! Passwords that change while the server runs: by the user, and by the operator.

use serde_json::{Value, json};

use crate::entry::ENTRIES;
use crate::password::{claim, server, sign_up};
use turntable_testkit::Server;
use turntable_testkit::http::{Response, send};
use turntable_testkit::poll::PollClient;
use turntable_testkit::socketio::Socket;

fn set_password(server: &Server, body: &Value) -> Response {
    let json = "Content-Type: application/json\r\n";
    let (path, body) = ("/rpc/user/setPassword", body.to_string());
    send(server.management, "POST", path, json, &body)
}

/// The code and the reason of a refusal.
fn refusal(answer: &Response) -> (Value, Value) {
    let error = answer.json()["error"].take();
    (error["code"].clone(), error["details"]["reason"].clone())
}

fn change(old: &str, new: &str) -> Value {
    json!({"credentials": {"password": old, "new_password": new}})
}

fn with_user(folder: &tempfile::TempDir, more: &[(&str, &str)]) -> Server {
    let server = server(&folder.path().join("users.db"), more);
    let body = json!({"userId": "1:mel", "password": "open sesame"});
    assert_eq!(set_password(&server, &body).json(), true);
    server
}

fn is_accepted(server: &Server, password: &str) -> bool {
    ENTRIES[0].1(server.address, &claim("1:mel", password)).is_ok()
}

#[test]
fn user_changes_its_password_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = with_user(&folder, &[]);
    let mut other = server.connect();
    other.command("idme", claim("1:mel", "open sesame"));
    other.expect("welcome");
    let mut websocket = server.connect();
    websocket.command("idme", claim("1:mel", "open sesame"));
    let before = websocket.expect("welcome");
    let welcome = websocket.request("authenticate", change("open sesame", "password 2"));
    assert_eq!(welcome["session"], before["session"]);
    assert!(is_accepted(&server, "password 2") && !is_accepted(&server, "open sesame"));
    // Sessions that were begun with the one before end; the one that changed it stays.
    let error = other.expect_error("unauthorized");
    assert_eq!(error["data"]["details"]["reason"], "revoked");
    other.expect_close(4009);
    websocket.request("lookup", json!(["1:mel"]));
    let poll = PollClient::identified(&server, claim("1:mel", "password 2"));
    let changed = poll.request("$av:authenticate", change("password 2", "password 3"));
    assert_eq!(changed["user"], "1:mel");
    websocket.expect_error("unauthorized");
    let claimed = claim("1:mel", "password 3");
    let mut socket = Socket::connect(server.address, "websocket", claimed);
    socket.expect("idyou");
    socket.expect("welcome");
    let changed = socket.request("authenticate", change("password 3", "password 4"));
    assert_eq!(changed["user"], "1:mel");
    // It is durable when it is answered.
    server.signal("KILL");
    server.wait();
    let again = crate::password::server(&folder.path().join("users.db"), &[]);
    assert!(is_accepted(&again, "password 4") && !is_accepted(&again, "password 3"));
    assert!(!server.log().contains("password 4") && !server.log().contains("password 3"));
}

#[test]
fn change_needs_the_old_password_and_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_user(&folder, &[("portal.password.sign_up", "true")]);
    let mut mel = server.connect();
    mel.command("idme", claim("1:mel", "open sesame"));
    mel.expect("welcome");
    mel.command("authenticate", change("open sesam", "password 2"));
    let error = mel.expect_error("unauthorized");
    assert_eq!(error["data"]["details"]["reason"], "invalid");
    mel.command("authenticate", change("open sesame", "short"));
    mel.expect_error("refused");
    let mut odd = change("open sesame", "");
    odd["credentials"]["new_password"] = json!(7);
    mel.command("authenticate", odd);
    mel.expect_error("bad_message");
    let mut both = sign_up("1:mel", "open sesame");
    both["credentials"]["new_password"] = json!("password 2");
    mel.command("authenticate", both);
    mel.expect_error("bad_message");
    // A session that is somebody changes nothing of others.
    mel.command("authenticate", sign_up("1:jo", "open sesame"));
    mel.expect_error("forbidden");
    let jo = ENTRIES[0].1(server.address, &claim("1:jo", "open sesame"));
    assert_eq!(jo.unwrap_err()["code"], "unauthorized");
    let mut claimed = change("open sesame", "password 2");
    claimed["user"] = json!("1:mel");
    for (name, identify) in ENTRIES {
        let error = identify(server.address, &claimed).unwrap_err();
        assert_eq!(error["code"], "bad_message", "{name}");
    }
    assert!(is_accepted(&server, "open sesame"));
    mel.request("lookup", json!(["1:mel"]));
}

#[test]
fn operator_sets_and_removes_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder.path().join("users.db"), &[]);
    let mut anonymous = server.user("1:mel");
    let first = json!({"userId": "mel", "password": "open sesame"});
    assert_eq!(set_password(&server, &first).json(), true);
    anonymous.expect_error("unauthorized");
    anonymous.expect_close(4009);
    let mut mel = server.connect();
    mel.command("idme", claim("1:mel", "open sesame"));
    mel.expect("welcome");
    let wrong = json!({"userId": "mel", "password": "password 2", "oldPassword": "open sesam"});
    let refused = set_password(&server, &wrong);
    assert_eq!(refused.status, 401);
    assert_eq!(refusal(&refused), (json!("unauthorized"), json!("invalid")));
    let short = json!({"userId": "mel", "password": "short"});
    assert_eq!(refusal(&set_password(&server, &short)).0, "refused");
    mel.request("lookup", json!(["1:mel"]));
    let right = json!({"userId": "mel", "password": "password 2", "oldPassword": "open sesame"});
    assert_eq!(set_password(&server, &right).json(), true);
    mel.expect_error("unauthorized");
    mel.expect_close(4009);
    assert!(is_accepted(&server, "password 2") && !is_accepted(&server, "open sesame"));
    let mut mel = server.connect();
    mel.command("idme", claim("1:mel", "password 2"));
    mel.expect("welcome");
    let removed = server.manage("/user/removePassword/mel");
    assert_eq!(removed.json(), true);
    mel.expect_error("unauthorized");
    mel.expect_close(4009);
    assert_eq!(server.manage("/user/removePassword/mel").json(), false);
    assert!(!is_accepted(&server, "password 2"));
}

#[test]
fn passwords_need_their_checker() {
    let server = Server::start();
    let body = json!({"userId": "mel", "password": "open sesame"});
    assert_eq!(refusal(&set_password(&server, &body)).0, "forbidden");
}

#[test]
fn wrong_old_passwords_of_a_page_of_the_operator_are_limited_by_user() {
    let folder = tempfile::tempdir().unwrap();
    let limit = [
        ("portal.user_failures.per_minute", "1"),
        ("portal.user_failures.burst", "2"),
    ];
    let server = server(&folder.path().join("users.db"), &limit);
    for user in ["mel", "jo"] {
        let first = json!({"userId": user, "password": "open sesame"});
        assert_eq!(set_password(&server, &first).json(), true);
    }
    let change = |user: &str, old: &str| {
        let call = json!({"userId": user, "password": "open sesame", "oldPassword": old});
        set_password(&server, &call)
    };
    // The right one counts for nothing.
    for _ in 0..4 {
        assert_eq!(change("mel", "open sesame").json(), true);
    }
    for _ in 0..2 {
        assert_eq!(change("mel", "open sesam").status, 401);
        // A new password that is refused forgives no guess before.
        let short = json!({"userId": "mel", "password": "x", "oldPassword": "open sesam"});
        assert_ne!(set_password(&server, &short).status, 200);
    }
    let refused = change("mel", "open sesame");
    assert_eq!(refused.error(), (429, "rate_limited".to_owned()));
    assert_eq!(change("jo", "open sesame").json(), true);
}

#[test]
fn passwords_are_no_part_of_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder.path().join("users.db"), &[]);
    let refused = server.manage("/user/setPassword/mel/open-sesame");
    assert_eq!(refused.error(), (400, "bad_message".to_owned()));
    assert!(!is_accepted(&server, "open-sesame"));
}
