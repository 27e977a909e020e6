//! Attributes of absent users: in memory and in a file, over restarts and kills.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use turntable_testkit::metric::{AVATARS, limit_reached};
use turntable_testkit::presence::lookup;
use turntable_testkit::{Client, Server};

/// A server with a file, in which `name` and `n` are durable.
fn with_file(path: &Path) -> Server {
    Server::with(&[
        ("store.path", path.to_str().unwrap()),
        ("attributes.durable", r#"["name", "n"]"#),
    ])
}

fn attributes(server: &Server, user: &str) -> Value {
    server.connect().identify(user)["attributes"].clone()
}

/// The same for every store.
fn absent_user_has_its_attributes(server: &Server) {
    let mut friend = server.user("1:1");
    let all = json!({"name": "Mel", "playing": "strike", "email": "a@b"});
    friend.request("set", all.clone());
    friend.bye();
    server.await_metric("turntable_actors{name=\"avatar\"}", 0.0);
    let profile = json!({"name": "Mel"});
    assert_eq!(lookup(server, "1:1")["profile"], profile);
    let mut client = server.user("2:1");
    let states = client.subscribe_to("1:1");
    assert_eq!(states, json!({"1:1": profile}));
    assert_eq!(attributes(server, "1:1"), all);
    let mut second = server.user("1:1");
    second.request("set", json!({"email": null, "playing": null, "name": null}));
    assert_eq!(attributes(server, "1:1"), json!({}));
}

trait SubscribeTo {
    fn subscribe_to(&mut self, user: &str) -> Value;
}

impl SubscribeTo for turntable_testkit::Client {
    /// The profiles that come with the state of a user, before or behind it.
    fn subscribe_to(&mut self, user: &str) -> Value {
        self.command("subscribe", json!([user]));
        assert_eq!(self.expect("userchange"), json!({ user: "offline" }));
        self.expect("profiles")
    }
}

#[test]
fn absent_user_has_its_attributes_in_memory() {
    absent_user_has_its_attributes(&Server::start());
}

#[test]
fn absent_user_has_its_attributes_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    absent_user_has_its_attributes(&with_file(&folder.path().join("store")));
}

#[test]
fn restart_keeps_all_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let mut server = with_file(&file);
    let all = json!({"name": "Mel", "digits": 1.50, "list": [null]});
    server.user("1:1").request("set", all.clone());
    server.signal("TERM");
    assert!(server.wait().success());
    let server = with_file(&file);
    assert_eq!(lookup(&server, "1:1")["profile"], json!({"name": "Mel"}));
    assert_eq!(attributes(&server, "1:1"), all);
}

/// A client identifies with these data of `idme`, sets its name, which is durable, where there
/// is one, and leaves. Returns its `welcome`.
fn welcome_of(server: &Server, claim: &Value, name: Option<&str>) -> Value {
    let mut client = server.connect();
    client.command("idme", claim.clone());
    let welcome = client.expect("welcome");
    if let Some(name) = name {
        client.request("set", json!({ "name": name }));
    }
    client.bye();
    server.await_metric(AVATARS, 0.0);
    welcome
}

/// New guests find a place in a store that is full of users that log in, and push out no
/// more of them than an eighth.
fn full_store_has_places_for_new_guests(server: &Server) {
    let login = |n: usize| json!({"credentials": {"sessionId": format!("secret{n}")}});
    for n in 0..16 {
        let set = server.manage(&format!("/auth/set/1:{n}/secret{n}"));
        assert_eq!(set.json(), true);
        welcome_of(server, &login(n), Some("known"));
    }
    let guest = json!({"credentials": {"guest": true}});
    let guests = (0..30).map(|_| welcome_of(server, &guest, Some("guest")));
    let guests: Vec<Value> = guests.collect();
    let token = |welcome: &Value| json!({"credentials": {"token": welcome["token"]}});
    let last = welcome_of(server, &token(&guests[29]), None);
    assert_eq!(last["attributes"], json!({"name": "guest"}));
    // One that lost its attributes is the same user, and sets them anew.
    let first = welcome_of(server, &token(&guests[0]), Some("again"));
    assert_eq!(
        (&first["user"], &first["attributes"]),
        (&guests[0]["user"], &json!({}))
    );
    let again = welcome_of(server, &token(&first), None);
    assert_eq!(again["user"], guests[0]["user"]);
    assert_eq!(again["attributes"], json!({"name": "again"}));
    for n in 0..16 {
        let known = welcome_of(server, &login(n), None);
        let expected = if n < 2 {
            json!({})
        } else {
            json!({"name": "known"})
        };
        assert_eq!(known["attributes"], expected, "{n}");
    }
    assert!(server.metric(&limit_reached("store.users_max")) >= 30.0);
}

#[test]
fn full_store_in_memory_has_places_for_new_guests() {
    let keys = [
        ("store.users_max", "16"),
        ("attributes.durable", r#"["name"]"#),
    ];
    full_store_has_places_for_new_guests(&Server::with(&keys));
}

#[test]
fn full_file_has_places_for_new_guests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let server = Server::with(&[
        ("store.path", path.to_str().unwrap()),
        ("store.users_max", "16"),
        ("attributes.durable", r#"["name"]"#),
    ]);
    full_store_has_places_for_new_guests(&server);
    let log = server.await_log("more than store.users_max");
    assert!(log.contains("stored attributes of"), "{log}");
}

#[test]
fn full_file_loses_nothing_of_a_user_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let server = Server::with(&[
        ("store.path", path.to_str().unwrap()),
        ("store.users_max", "3"),
        ("attributes.durable", r#"["name"]"#),
    ]);
    let mut first = server.user("1:1");
    first.request("set", json!({"name": "Mel"}));
    for n in 2..12 {
        let mut other = server.user(&format!("1:{n}"));
        other.request("set", json!({"name": "other"}));
        other.bye();
        server.await_metric(AVATARS, 1.0);
    }
    first.bye();
    server.await_metric(AVATARS, 0.0);
    assert_eq!(attributes(&server, "1:1"), json!({"name": "Mel"}));
    assert_eq!(attributes(&server, "1:2"), json!({}));
}

#[test]
fn kill_keeps_every_durable_set_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let mut answered: u64 = 0;
    for _ in 0..3 {
        let mut server = with_file(&file);
        let mut client = server.connect();
        let before = client.identify("1:1")["attributes"]["n"].clone();
        let before = before.as_u64().unwrap_or(0);
        assert!(before >= answered, "{before} and {answered}");
        answered = before;
        for n in before + 1..before + 90 {
            client.send(json!({"command": "set", "data": {"n": n}, "id": n}));
        }
        for _ in 0..20 {
            let reply = client.next();
            assert_eq!(reply["command"], "reply");
            answered = reply["id"].as_u64().unwrap();
        }
        server.signal("KILL");
        server.wait();
    }
}

#[test]
fn durable_and_other_sets_are_answered_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_file(&folder.path().join("store"));
    let mut first = server.user("1:1");
    let mut second = server.user("1:1");
    for n in 0..50 {
        let key = if n % 2 == 0 { "n" } else { "other" };
        first.send(json!({"command": "set", "data": {key: n}, "id": n}));
    }
    for n in 0..50 {
        let reply = first.next();
        assert_eq!(reply["id"], n, "{reply}");
        let key = if n % 2 == 0 { "n" } else { "other" };
        assert_eq!(second.expect("attributes"), json!({ key: n }));
    }
}

fn program(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_turntable"))
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn file_that_is_no_store_or_cannot_be_made_is_an_error_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "no database ".repeat(1_000)).unwrap();
    let missing = folder.path().join("no/such/folder");
    for path in [&garbage, &missing] {
        let output = Command::new(env!("CARGO_BIN_EXE_turntable"))
            .env("TURNTABLE_STORE__PATH", path)
            .env("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0")
            .env("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0")
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("cannot be opened"), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert!(!program(&["store", "check", garbage.to_str().unwrap()]).0);
}

#[test]
fn backup_is_restored_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, lines, again) = (path("store"), path("lines"), path("again"));
    let mut server = with_file(Path::new(&file));
    server.user("1:1").request("set", json!({"name": "Mel"}));
    let (is_done, text) = program(&["store", "backup", &file, &lines]);
    assert!(!is_done && text.contains("another process"), "{text}");
    server.signal("TERM");
    server.wait();
    assert_eq!(
        program(&["store", "check", &file]),
        (true, "OK, 1 users\n".to_owned())
    );
    assert!(program(&["store", "backup", &file, &lines]).0);
    assert!(program(&["store", "restore", &again, &lines]).0);
    let server = with_file(Path::new(&again));
    assert_eq!(attributes(&server, "1:1"), json!({"name": "Mel"}));
}

const STORED: &str = "turntable_store_memory_bytes";

/// A user sets 4,000 bytes, from an address, and goes.
fn visit(server: &Server, user: &str, from: u8) {
    let mut client = Client::greeted_from(server.address, [127, 0, 0, from]);
    let attributes = json!({"text": "x".repeat(4_000)});
    client.request("idme", json!({"user": user, "attributes": attributes}));
    client.bye();
}

#[test]
fn absent_users_of_one_address_do_not_take_the_memory_of_others() {
    let server = Server::with(&[
        ("store.memory_bytes_max", "60000"),
        ("presence.grace_ms", "0"),
    ]);
    let mut present = server.user("1:1");
    let own = json!({"text": "y".repeat(4_000)});
    present.request("set", own.clone());
    visit(&server, "1:2", 2);
    for n in 100..140 {
        visit(&server, &format!("1:{n}"), 3);
    }
    server.await_metric("turntable_actors{name=\"avatar\"}", 1.0);
    let bytes = server.metric(STORED);
    assert!(bytes > 40_000.0 && bytes <= 60_000.0, "{bytes}");
    assert_eq!(attributes(&server, "1:1"), own);
    assert_ne!(attributes(&server, "1:2"), json!({}));
    assert_ne!(attributes(&server, "1:139"), json!({}));
    assert_eq!(attributes(&server, "1:100"), json!({}));
    assert!(server.metric("turntable_limits_reached_total{name=\"store.memory_bytes_max\"}") > 0.0);
}
