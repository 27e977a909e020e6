//! Keys that calls set while the server runs, their layer, and the versions.

use std::fs;

use serde_json::{Value, json};

use crate::reload::{call, post, value};
use turntable_testkit::Server;
use turntable_testkit::http::{get, send};
use turntable_testkit::workspace::turntable;

fn set(server: &Server, keys: &Value) -> Value {
    call(server, "set", &json!({"config": keys}))
}

fn setting(server: &Server, key: &str) -> Value {
    call(server, "get", &json!({}))["settings"][key].clone()
}

/// The message of a refusal.
fn refused(server: &Server, method: &str, body: &Value) -> String {
    let answer = post(server, method, body);
    assert_eq!(answer.error(), (400, "bad_message".to_owned()), "{body}");
    answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn keys_that_a_call_sets_are_above_all_others_until_they_are_removed() {
    let server = Server::configured(
        "presence.watch_max = 5\nsession.rooms_max = 3\n",
        &[("presence.lookup_max", "6")],
    );
    let mut client = server.user("1:1");
    let layer = |key: &str| setting(&server, key)["layer"].clone();
    assert_eq!(layer("presence.watch_max"), "file");
    assert_eq!(layer("presence.lookup_max"), "environment");
    assert_eq!(layer("presence.grace_ms"), "default");
    let keys = json!({"presence": {"watch_max": 1, "lookup_max": 2}, "games.strike.tick_ms": 30});
    let applied = set(&server, &keys);
    assert_eq!(applied["version"], 2);
    assert_eq!(
        applied["changed"],
        json!([
            {"key": "games.strike.tick_ms", "from": 20, "to": 30, "layer": "api", "restart": false},
            {"key": "presence.lookup_max", "from": 6, "to": 2, "layer": "api", "restart": false},
            {"key": "presence.watch_max", "from": 5, "to": 1, "layer": "api", "restart": false},
        ])
    );
    client.command("subscribe", json!(["2:1", "2:2"]));
    client.expect_error("too_many");
    assert_eq!(
        setting(&server, "presence.watch_max")["origin"],
        "config.set"
    );
    let removed = set(&server, &json!({"presence": null}));
    assert_eq!(removed["version"], 3);
    assert_eq!(value(&server, "presence.watch_max"), 5);
    assert_eq!(layer("presence.lookup_max"), "environment");
    assert_eq!(value(&server, "games.strike.tick_ms"), 30);
    assert_eq!(set(&server, &json!({}))["version"], 3);
}

#[test]
fn set_is_all_or_nothing_and_says_what_is_wrong() {
    let server = Server::start();
    for (keys, expected) in [
        (
            json!({"presence.watch_max": 7, "presence.lookup_max": 0}),
            "config.set: presence.lookup_max = 0: accepted is 1 to",
        ),
        (json!({"presence.no": 1}), "unknown key `no`"),
        (
            json!({"server.listen": "0.0.0.0:80"}),
            "server.listen is not changed by a call",
        ),
        (
            json!({"management": {"listen": "0.0.0.0:1"}}),
            "management.listen is not",
        ),
        (json!({"store.path": "x"}), "store.path is not"),
        (
            json!({"server.workers": 7}),
            "server.workers takes effect with a restart",
        ),
        (
            json!({"server.tls": {"certificate": "/no/such", "key": "/no/such"}}),
            "server.tls.certificate: /no/such: ",
        ),
        (json!({"presence.watch_max": null, "x": {}}), "x"),
        (json!({"channels.\"a": {}}), "is no key"),
    ] {
        let message = refused(&server, "set", &json!({"config": keys}));
        assert!(message.contains(expected), "{message}");
        let checked = refused(&server, "check", &json!({"config": keys}));
        assert_eq!(checked, message);
    }
    assert_eq!(call(&server, "getStatus", &json!({}))["version"], 1);
    assert_ne!(value(&server, "presence.watch_max"), 7);
    let stale = post(
        &server,
        "set",
        &json!({"config": {"presence.watch_max": 7}, "version": 9}),
    );
    assert_eq!(stale.error(), (409, "conflict".to_owned()));
    let right = json!({"config": {"presence.watch_max": 7}, "version": 1});
    assert_eq!(call(&server, "set", &right)["version"], 2);
    let preview = call(
        &server,
        "check",
        &json!({"config": {"presence.watch_max": 8}}),
    );
    assert_eq!(preview["changed"][0]["to"], 8);
    assert_eq!(value(&server, "presence.watch_max"), 7);
    let file = json!({"config": "[presence]\nwatch_max = 1\n[store]\nwrite_ms = 1\n"});
    let preview = call(&server, "check", &file);
    assert_eq!(preview["restart"], json!(["store.write_ms"]));
    assert!(refused(&server, "check", &json!({"config": "[presence"})).contains(":1:"));
    assert!(refused(&server, "check", &json!({"config": 5})).contains("config must be"));
}

fn bearer(server: &Server, token: &str, method: &str, body: &Value) -> (u16, Value) {
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n");
    let path = format!("/rpc/config/{method}");
    let answer = send(
        server.management,
        "POST",
        &path,
        &headers,
        &body.to_string(),
    );
    (answer.status, answer.json())
}

#[test]
fn tokens_change_while_the_server_runs_and_are_shown_nowhere() {
    let admin = "administers-0123456789";
    let server = Server::with(&[
        ("management.token_required", "true"),
        (
            "management.tokens.root",
            &format!("{{ token = \"{admin}\", role = \"admin\" }}"),
        ),
    ]);
    let (new, newer) = ("geheim-0123456789-new", "geheim-0123456789-newer");
    let tokens = |token: &str| {
        let entry = json!({"token": token, "role": "admin"});
        json!({"config": {"management.tokens.deploy": entry}})
    };
    assert_eq!(bearer(&server, new, "getStatus", &json!({})).0, 401);
    let (status, applied) = bearer(&server, admin, "set", &tokens(new));
    assert_eq!(status, 200, "{applied}");
    assert_eq!(applied["changed"][0]["key"], "management.tokens.deploy");
    let (status, applied) = bearer(&server, new, "set", &tokens(newer));
    assert_eq!(status, 200, "{applied}");
    assert_eq!(bearer(&server, new, "getStatus", &json!({})).0, 401);
    let list_max = json!({"config": {"management.list_max": 1}});
    assert_eq!(bearer(&server, newer, "set", &list_max).0, 200);
    let (_, history) = bearer(&server, newer, "getHistory", &json!({}));
    let by: Vec<&Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["by"])
        .collect();
    assert_eq!(by, ["deploy", "deploy", "root", "server"]);
    let (_, shown) = bearer(&server, newer, "get", &json!({}));
    let (_, status) = bearer(&server, newer, "getStatus", &json!({}));
    let (_, last) = bearer(&server, newer, "rollback", &json!({"version": 1}));
    assert_eq!(last["version"], 5);
    assert_eq!(bearer(&server, newer, "getStatus", &json!({})).0, 401);
    let log = server.log();
    for text in [
        shown.to_string(),
        status.to_string(),
        history.to_string(),
        last.to_string(),
        log,
    ] {
        assert!(!text.contains("geheim") && !text.contains(admin), "{text}");
    }
}

#[test]
fn filter_of_the_log_changes_while_the_server_runs() {
    let server = Server::start();
    // The request of a page that may not connect, which is logged at `debug`.
    let refuse = || {
        let page = "Origin: http://elsewhere.example\r\nContent-Type: application/json\r\n";
        let refused = send(server.address, "POST", "/poll", page, "[]");
        assert_eq!(refused.status, 403, "{}", refused.text());
    };
    refuse();
    assert!(!server.log().contains("DEBUG"), "{}", server.log());
    set(&server, &json!({"log.filter": "info,turntable=debug"}));
    refuse();
    let _ = server.await_log("DEBUG");
    set(&server, &json!({"log.filter": null}));
    let wrong = json!({"config": {"log.filter": "turntable=loud"}});
    assert!(refused(&server, "set", &wrong).contains("log.filter"));
}

#[test]
fn key_of_a_namespace_has_its_own_layer() {
    let file = "[channels.\"lobby/**\"]\nhistory_ms = 3600000\npublish = \"nobody\"\n\
                [services.forum]\nproviders = [\"service:forum\"]\n";
    let server = Server::configured(file, &[]);
    let of = |key: &str| {
        let setting = setting(&server, key);
        (setting["layer"].clone(), setting["origin"].clone())
    };
    let layer = |key: &str| of(key).0;
    let key = |name: &str| format!("channels.\"lobby/**\".{name}");
    let (history, origin) = of(&key("history_ms"));
    assert_eq!(history, "file");
    assert!(origin.as_str().unwrap().ends_with(":2:1"), "{origin}");
    assert_eq!(layer(&key("join")), "default");
    set(
        &server,
        &json!({key("history_max"): 60, "services.forum.timeout_ms": 3000}),
    );
    assert_eq!(layer(&key("history_max")), "api");
    assert_eq!(of(&key("history_ms")), (history, origin));
    assert_eq!(layer(&key("publish")), "file");
    assert_eq!(layer(&key("join")), "default");
    assert_eq!(layer("services.forum.timeout_ms"), "api");
    assert_eq!(layer("services.forum.providers"), "file");
}

#[test]
fn rollback_restores_the_file_and_the_keys_of_a_version() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "presence.watch_max = 1\n").unwrap();
    let server = Server::of_file(&file, &[("management.watch_file", "false")]);
    set(&server, &json!({"session.rooms_max": 2}));
    fs::write(&file, "presence.watch_max = 3\n").unwrap();
    assert_eq!(call(&server, "reload", &json!({}))["version"], 3);
    set(&server, &json!({"session.rooms_max": 4}));
    let stale = post(&server, "rollback", &json!({"version": 2, "expected": 3}));
    assert_eq!(stale.error(), (409, "conflict".to_owned()));
    assert_eq!(value(&server, "session.rooms_max"), 4);
    // What it would do is what it does.
    let preview = call(&server, "checkRollback", &json!({"version": 2}));
    assert_eq!(value(&server, "session.rooms_max"), 4);
    let back = call(&server, "rollback", &json!({"version": 2, "expected": 4}));
    assert_eq!(back["version"], 5);
    assert_eq!(preview["changed"], back["changed"]);
    let change = |key: &str, from: u64, to: u64, layer: &str| json!({"key": key, "from": from, "to": to, "layer": layer, "restart": false});
    assert_eq!(
        back["changed"],
        json!([
            change("presence.watch_max", 3, 1, "file"),
            change("session.rooms_max", 4, 2, "api"),
        ])
    );
    let status = call(&server, "getStatus", &json!({}));
    assert_eq!(status["file_differs"], true);
    let history = call(&server, "getHistory", &json!({}));
    let sources: Vec<&Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["source"])
        .collect();
    assert_eq!(sources, ["rollback", "set", "reload", "set", "start"]);
    assert_eq!(history[0]["of"], 2);
    for method in ["rollback", "checkRollback"] {
        let unknown = post(&server, method, &json!({"version": 77}));
        assert_eq!(unknown.error(), (404, "not_found".to_owned()), "{method}");
    }
    // The file takes effect with the next reload.
    let again = call(&server, "reload", &json!({}));
    assert_eq!(
        again["changed"],
        json!([change("presence.watch_max", 1, 3, "file")])
    );
}

#[test]
fn keys_and_versions_outlive_a_server_with_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let file = path("config.toml");
    let store = path("users.db");
    fs::write(&file, format!("[store]\npath = {store:?}\n")).unwrap();
    let start = || Server::of_file(file.as_ref(), &[]);
    let mut server = start();
    let keys = json!({"presence.watch_max": 7, "server.workers": 1});
    let applied = set(&server, &keys);
    assert_eq!(applied["restart"], json!(["server.workers"]));
    assert_eq!(call(&server, "getStatus", &json!({}))["is_stored"], true);
    // The commands show it while the server runs.
    let run = |arguments: &[&str]| {
        let output = turntable().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (out, notes) = run(&["check", &file]);
    assert_eq!(out, "OK\n");
    assert!(notes.contains("presence.watch_max = 7"), "{notes}");
    let (layers, _) = run(&["config", "--layers", "--config", &file]);
    assert!(
        layers.contains("presence.watch_max = 7  # config.set\n"),
        "{layers}"
    );
    let line = format!("store.path = {store:?}  # {file}:2:1\n");
    assert!(layers.contains(&line), "{layers}");
    server.signal("TERM");
    assert!(server.wait().success());

    let mut server = start();
    assert_eq!(value(&server, "presence.watch_max"), 7);
    let status = call(&server, "getStatus", &json!({}));
    assert_eq!(
        (&status["version"], &status["restart"]),
        (&json!(2), &json!([]))
    );
    set(&server, &json!({"presence.watch_max": null}));
    server.signal("TERM");
    assert!(server.wait().success());

    // What changed while it was stopped is a version, too.
    fs::write(
        &file,
        format!("presence.lookup_max = 3\n[store]\npath = {store:?}\n"),
    )
    .unwrap();
    let server = start();
    let history = call(&server, "getHistory", &json!({}));
    assert_eq!(history[0]["version"], 4);
    assert_eq!(history[0]["source"], "start");
    assert_eq!(history[0]["changed"][0]["key"], "presence.lookup_max");
    let back = call(&server, "rollback", &json!({"version": 2}));
    assert_eq!(back["version"], 5);
    assert_eq!(value(&server, "presence.watch_max"), 7);
    assert_eq!(get(server.management, "/health/ready").status, 200);
}

#[test]
fn torn_line_of_what_is_saved_is_left_out_and_other_damage_prevents_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, saved) = (path("config.toml"), path("users.db.config"));
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[management]\nlisten = \"127.0.0.1:0\"\n\
         [store]\npath = {:?}\n",
        path("users.db")
    );
    fs::write(&file, text).unwrap();
    let start = || Server::of_file(&file, &[]);
    let mut server = start();
    for watch_max in [7, 8] {
        set(&server, &json!({"presence.watch_max": watch_max}));
    }
    server.signal("TERM");
    assert!(server.wait().success());
    let whole = fs::read(&saved).unwrap();
    fs::write(&saved, &whole[..whole.len() - 20]).unwrap();
    let run = |arguments: &[&str]| {
        let output = turntable().args(arguments).arg(&file).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, warning) = run(&["check"]);
    assert_eq!(code, Some(0), "{warning}");
    assert!(
        warning.contains("users.db.config is not whole"),
        "{warning}"
    );
    let mut server = start();
    let log = server.await_log("the last change by a call is not in force");
    assert!(log.contains("users.db.config.torn-"), "{log}");
    assert_eq!(value(&server, "presence.watch_max"), 7);
    server.signal("TERM");
    assert!(server.wait().success());
    // Not the last line: roles and limits may be in it.
    fs::write(&saved, &whole[..100]).unwrap();
    let command = format!("mv {0} {0}.damaged", saved.display());
    for arguments in [["check"].as_slice(), &["serve", "--config"]] {
        let (code, error) = run(arguments);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(&command), "{error}");
    }
    let moved = std::process::Command::new("sh")
        .args(["-c", &command])
        .status();
    assert!(moved.unwrap().success());
    assert_ne!(value(&start(), "presence.watch_max"), 7);
}

#[test]
fn versions_that_cannot_be_saved_are_in_the_answers_until_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let file = path("config.toml");
    let store = format!("[store]\npath = {:?}\n", path("users.db"));
    fs::write(&file, &store).unwrap();
    let server = Server::of_file(&file, &[("management.watch_file", "false")]);
    let warns = |answer: &Value| {
        answer["warnings"]
            .to_string()
            .contains("could not be saved")
    };
    let status = || call(&server, "getStatus", &json!({}));
    // A folder is in the way of the file that is written.
    let obstacle = path("users.db.config.new");
    fs::create_dir(&obstacle).unwrap();
    let lost = post(&server, "set", &json!({"config": {"session.rooms_max": 2}}));
    assert_eq!(lost.error(), (503, "unavailable".to_owned()));
    assert!(!warns(&status()));
    fs::write(&file, format!("presence.watch_max = 3\n{store}")).unwrap();
    let reloaded = call(&server, "reload", &json!({}));
    assert_eq!(reloaded["version"], 2);
    assert!(warns(&reloaded) && warns(&status()), "{reloaded}");
    let back = call(&server, "rollback", &json!({"version": 1}));
    assert!(warns(&back), "{back}");
    fs::remove_dir(&obstacle).unwrap();
    assert!(!warns(&set(&server, &json!({"session.rooms_max": 2}))));
    assert!(!warns(&status()));
    // It is written, and cannot take its place.
    fs::remove_file(path("users.db.config")).unwrap();
    fs::create_dir(path("users.db.config")).unwrap();
    assert!(warns(&set(&server, &json!({"session.rooms_max": 3}))));
}

#[test]
fn secret_of_a_wrong_form_is_in_no_answer() {
    let server = Server::start();
    for keys in [
        json!({"management.tokens.backend": "geheim-0123456789"}),
        json!({"management.tokens.a": {"token": "0123456789abcdef", "role": "geheim"}}),
        json!({"management.token": "geheim"}),
        json!({"services.forum.tokn": "geheim"}),
        json!({"webhooks.secrt": "geheim"}),
        json!({"service.forum.token": "geheim"}),
        json!({"webhooks.secret.x": "geheim"}),
        json!({"avatar.ulr": "https://user:geheim@a.example"}),
        json!({"presence.watch_ulr": "https://user:geheim@a.example"}),
        json!({"presence.watch_url": "htps://a.example/?key=geheim"}),
        json!({"portal.http.ulr": "https://user:geheim@a.example"}),
        json!({"portal.http": "https://user:geheim@a.example"}),
        json!({"portal.jwt": "https://user:geheim@a.example"}),
        json!({"portal": "https://user:geheim@a.example"}),
        json!({"presence": "https://user:geheim@a.example"}),
        json!({"avatar": "https://user:geheim@a.example"}),
    ] {
        let message = refused(&server, "set", &json!({"config": keys}));
        assert!(!message.contains("geheim"), "{message}");
        let status = call(&server, "getStatus", &json!({}));
        assert!(!status.to_string().contains("geheim"), "{status}");
    }
}

#[test]
fn call_does_not_take_the_right_to_change_the_configuration_from_all() {
    let entry = r#"{ token = "administers-01234", role = "admin" }"#;
    let server = Server::with(&[("management.tokens.root", entry)]);
    let less = json!({"token": "administers-01234", "role": "operate"});
    let keys = json!({"management": {"token_required": true, "tokens": {"root": less}}});
    for method in ["check", "set"] {
        let message = refused(&server, method, &json!({"config": keys}));
        assert!(message.contains("nobody could change"), "{message}");
    }
    set(&server, &json!({"management.tokens.root": less}));
    set(
        &server,
        &json!({"management.tokens.other": {"token": "administers-56789", "role": "admin"}}),
    );
    set(&server, &json!({"management.token_required": true}));
}
