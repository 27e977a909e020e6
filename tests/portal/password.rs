//! Users with a password: made on the command line and by clients, and stored in a file.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::entry::ENTRIES;
use turntable_testkit::Server;
use turntable_testkit::metric::CONNECTIONS;
use turntable_testkit::session::Session;
use turntable_testkit::workspace::turntable;

/// Hashes that cost little.
const CHEAP: [(&str, &str); 2] = [
    ("portal.password.memory_kib", "64"),
    ("portal.password.passes", "1"),
];

fn user(store: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = turntable();
    command
        .arg("user")
        .args(arguments)
        .env("TURNTABLE_STORE__PATH", store);
    for (key, value) in CHEAP {
        let name = key.to_uppercase().replace('.', "__");
        command.env(format!("TURNTABLE_{name}"), value);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs no password may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn done(store: &Path, arguments: &[&str], input: &str) -> String {
    let output = user(store, arguments, input);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(store: &Path, arguments: &[&str], input: &str) -> String {
    let output = user(store, arguments, input);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

pub(crate) fn server(store: &Path, more: &[(&str, &str)]) -> Server {
    let keys = [
        ("store.path", store.to_str().unwrap()),
        ("portal.checkers", r#"["password", "anonymous"]"#),
        ("portal.address_failures.per_minute", "0"),
        ("portal.user_failures.per_minute", "0"),
    ];
    let keys: Vec<_> = keys.iter().chain(&CHEAP).chain(more).copied().collect();
    Server::with(&keys)
}

pub(crate) fn claim(user: &str, password: &str) -> Value {
    json!({"user": user, "credentials": {"password": password}})
}

pub(crate) fn sign_up(user: &str, password: &str) -> Value {
    json!({"user": user, "credentials": {"password": password, "sign_up": true}})
}

#[test]
fn password_identifies_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("users.db");
    done(&store, &["add", "mel"], "open sesame\n");
    let server = server(&store, &[]);
    for (name, identify) in ENTRIES {
        let welcome = identify(server.address, &claim("1:mel", "open sesame")).expect(name);
        assert_eq!(welcome["user"], "1:mel", "{name}");
        for (user, password) in [
            ("1:mel", "open sesam"),
            ("1:mel", ""),
            ("1:nobody", "open sesame"),
            ("1:nobody", ""),
        ] {
            let error = identify(server.address, &claim(user, password)).unwrap_err();
            assert_eq!(error["details"]["reason"], "invalid", "{name} {user}");
        }
        // A user with a password is nobody's to claim without it; another one is.
        let error = identify(server.address, &json!({"user": "1:mel"})).unwrap_err();
        assert_eq!(error["details"]["reason"], "invalid", "{name}");
        assert!(identify(server.address, &json!({"user": "1:other"})).is_ok());
        let error = identify(server.address, &sign_up("1:new", "open sesame")).unwrap_err();
        assert_eq!(error["code"], "forbidden", "{name}");
    }
    let odd = json!({"user": "1:mel", "credentials": {"password": 7}});
    assert_eq!(
        ENTRIES[0].1(server.address, &odd).unwrap_err()["code"],
        "unauthorized"
    );
    assert!(!server.log().contains("open sesam"));
}

#[test]
fn command_adds_changes_lists_and_removes_users() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("users.db");
    assert!(refused(&store, &["list"], "").contains("there is no file"));
    assert!(refused(&store, &["add", "1:mel"], "short\n").contains("at least 8 characters"));
    done(&store, &["add", "1:mel"], "open sesame\r\n");
    done(&store, &["add", "fb:jo"], "open sesame");
    assert!(refused(&store, &["add", "1:mel"], "open sesame").contains("has a password"));
    assert!(refused(&store, &["password", "1:no"], "open sesame").contains("no password"));
    assert!(refused(&store, &["add", "a b"], "open sesame").contains("no user id"));
    done(&store, &["password", "1:mel"], "another one");
    assert_eq!(done(&store, &["list"], ""), "1:mel\nfb:jo\n");
    done(&store, &["remove", "fb:jo"], "");
    {
        let server = server(&store, &[]);
        let identify = ENTRIES[0].1;
        assert!(identify(server.address, &claim("1:mel", "another one")).is_ok());
        assert!(identify(server.address, &claim("1:mel", "open sesame")).is_err());
        assert!(identify(server.address, &json!("fb:jo")).is_ok());
        // The file is the server's while it runs.
        assert!(refused(&store, &["list"], "").contains("another process has it open"));
    }
    assert!(refused(Path::new(""), &["list"], "").contains("store.path is not set"));
}

#[test]
fn client_makes_a_user_who_is_there_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("users.db");
    let more = [
        ("portal.password.sign_up", "true"),
        ("portal.password.users_max", "4"),
    ];
    let mut first = server(&store, &more);
    for (number, (name, identify)) in ENTRIES.iter().enumerate() {
        let user = format!("1:{number}");
        let welcome = identify(first.address, &sign_up(&user, "open sesame")).expect(name);
        assert_eq!(welcome["user"], user, "{name}");
        let error = identify(first.address, &sign_up(&user, "another one")).unwrap_err();
        assert_eq!(error["code"], "conflict", "{name}");
    }
    let code = |claim: &Value| ENTRIES[0].1(first.address, claim).unwrap_err()["code"].clone();
    assert_eq!(code(&sign_up("1:5", "open sesame")), "too_many");
    assert_eq!(code(&sign_up("fb:5", "open sesame")), "forbidden");
    assert_eq!(code(&sign_up("1:5", "short")), "refused");
    // A user is durable when it is welcomed.
    first.signal("KILL");
    first.wait();
    let second = server(&store, &more);
    for (number, (name, identify)) in ENTRIES.iter().enumerate() {
        let user = format!("1:{number}");
        identify(second.address, &claim(&user, "open sesame")).expect(name);
        assert!(identify(second.address, &claim(&user, "another one")).is_err());
    }
}

#[test]
fn users_made_from_one_address_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let more = [
        ("portal.password.sign_up", "true"),
        ("portal.password.sign_ups.burst", "2"),
    ];
    let server = server(&folder.path().join("users.db"), &more);
    let identify = ENTRIES[0].1;
    for user in ["1:1", "1:2"] {
        assert!(identify(server.address, &sign_up(user, "open sesame")).is_ok());
    }
    let error = identify(server.address, &sign_up("1:3", "open sesame")).unwrap_err();
    assert_eq!(error["code"], "rate_limited");
    assert!(error["details"]["retry_ms"].as_u64().unwrap() > 0);
    assert!(identify(server.address, &claim("1:2", "open sesame")).is_ok());
}

#[test]
fn sign_up_takes_over_no_user_of_the_backend() {
    let folder = tempfile::tempdir().unwrap();
    let more = [("portal.password.sign_up", "true")];
    let server = server(&folder.path().join("users.db"), &more);
    assert_eq!(server.manage("/auth/set/7/secret").json(), true);
    for (name, identify) in ENTRIES {
        let error = identify(server.address, &sign_up("1:7", "open sesame")).unwrap_err();
        assert_eq!(error["code"], "conflict", "{name}");
    }
    assert!(ENTRIES[0].1(server.address, &sign_up("1:8", "open sesame")).is_ok());
}

#[test]
fn sign_up_ends_sessions_that_showed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let more = [("portal.password.sign_up", "true")];
    let server = server(&folder.path().join("users.db"), &more);
    let mut before = server.user("1:jo");
    let mut away = Session::begin(&server, "1:jo");
    away.cut();
    server.await_metric(CONNECTIONS, 1.0);
    let mut jo = server.connect();
    jo.command("idme", sign_up("1:jo", "open sesame"));
    assert_eq!(jo.expect("welcome")["user"], "1:jo");
    let error = before.expect_error("unauthorized");
    assert_eq!(error["data"]["details"]["reason"], "revoked");
    before.expect_close(4009);
    let mut back = server.connect();
    back.command("resume", json!({"session": away.secret, "received": 0}));
    back.expect_error("unauthorized");
    back.expect_close(4009);
    jo.request("lookup", json!(["1:jo"]));
}

#[test]
fn anonymous_session_that_signs_up_stays() {
    let folder = tempfile::tempdir().unwrap();
    let more = [("portal.password.sign_up", "true")];
    let server = server(&folder.path().join("users.db"), &more);
    let mut other = server.user("1:jo");
    let mut jo = server.connect();
    let before = jo.identify("1:jo");
    let welcome = jo.request("authenticate", sign_up("1:jo", "open sesame"));
    assert_eq!(welcome["session"], before["session"]);
    other.expect_error("unauthorized");
    other.expect_close(4009);
    jo.request("lookup", json!(["1:jo"]));
}
