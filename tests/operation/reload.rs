//! The configuration file is read again: by SIGHUP, by a call, and when it was saved.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::http::{Response, send};

const VERSION: &str = "turntable_config_version";

/// The metric of attempts with this result.
fn reloads(result: &str) -> String {
    format!("turntable_config_reloads_total{{result=\"{result}\"}}")
}

pub(crate) fn post(server: &Server, method: &str, body: &Value) -> Response {
    let json = "Content-Type: application/json\r\n";
    let path = format!("/rpc/config/{method}");
    send(server.management, "POST", &path, json, &body.to_string())
}

/// What a call returns that succeeds.
pub(crate) fn call(server: &Server, method: &str, body: &Value) -> Value {
    let answer = post(server, method, body);
    assert_eq!(answer.status, 200, "{method} {body}: {}", answer.text());
    answer.json()
}

pub(crate) fn value(server: &Server, key: &str) -> Value {
    call(server, "get", &json!({}))["settings"][key]["value"].clone()
}

/// A folder with a configuration file.
struct Folder {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Folder {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, text).unwrap();
        Self { folder, file }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn watch_max(number: usize) -> String {
    format!("[presence]\nwatch_max = {number}\n")
}

/// Saves as editors do that write a new file first.
fn rename(folder: &Folder, to: &Path, text: &str) {
    let new = folder.path("config.toml.new");
    fs::write(&new, text).unwrap();
    fs::rename(new, to).unwrap();
}

#[test]
fn saved_file_takes_effect_however_it_was_saved() {
    let folder = Folder::new(&watch_max(1));
    let server = Server::of_file(&folder.file, &[]);
    let mut client = server.user("1:1");
    let mut expect = |number: usize, version: f64| {
        server.await_metric(VERSION, version);
        assert_eq!(value(&server, "presence.watch_max"), number);
        let users: Vec<String> = (0..=number).map(|of| format!("2:{of}")).collect();
        client.command("subscribe", json!(users));
        client.expect_error("too_many");
    };
    expect(1, 1.0);
    // In place.
    fs::write(&folder.file, watch_max(2)).unwrap();
    expect(2, 2.0);
    rename(&folder, &folder.file, &watch_max(3));
    expect(3, 3.0);
    // Removed, and written again.
    fs::remove_file(&folder.file).unwrap();
    fs::write(&folder.file, watch_max(4)).unwrap();
    expect(4, 4.0);
    let history = call(&server, "getHistory", &json!({}));
    let last = &history[0];
    assert_eq!(
        (&last["source"], &last["by"]),
        (&json!("file"), &json!("server"))
    );
    assert_eq!(
        last["changed"],
        json!([{
            "key": "presence.watch_max", "from": 3, "to": 4, "layer": "file", "restart": false,
        }])
    );
    let line = "version 4 of the configuration is in force (file by server): \
                presence.watch_max 3 -> 4 (file)";
    assert!(server.await_log(line).contains(line));
}

/// As Kubernetes mounts a ConfigMap: a link to a folder is replaced.
#[test]
fn link_that_is_replaced_takes_effect() {
    let folder = Folder::new("");
    for (name, number) in [("one", 1), ("two", 2)] {
        fs::create_dir(folder.path(name)).unwrap();
        fs::write(folder.path(name).join("config.toml"), watch_max(number)).unwrap();
    }
    symlink("one", folder.path("current")).unwrap();
    fs::remove_file(&folder.file).unwrap();
    symlink("current/config.toml", &folder.file).unwrap();
    let server = Server::of_file(&folder.file, &[]);
    assert_eq!(value(&server, "presence.watch_max"), 1);
    symlink("two", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("current")).unwrap();
    server.await_metric(VERSION, 2.0);
    assert_eq!(value(&server, "presence.watch_max"), 2);
    // In place, behind both links.
    fs::write(folder.path("two").join("config.toml"), watch_max(3)).unwrap();
    server.await_metric(VERSION, 3.0);
    assert_eq!(value(&server, "presence.watch_max"), 3);
}

#[test]
fn file_that_is_wrong_or_empty_changes_nothing() {
    let folder = Folder::new(&watch_max(1));
    let server = Server::of_file(&folder.file, &[("management.watch_file", "false")]);
    let reload = || post(&server, "reload", &json!({}));
    let wrong = format!("{}lookup_max = 0\n[session]\nrooms_max = 5\n", watch_max(2));
    for (text, expected) in [
        ("", "it is empty"),
        (" \n\n", "it is empty"),
        ("[presence", "config.toml:1:"),
        (
            wrong.as_str(),
            "config.toml:3:1: presence.lookup_max = 0: accepted is",
        ),
        ("[server]\nlisen = 1\n", "unknown key `lisen`"),
        (
            "[portal]\ncheckers = [\"none\"]\n",
            "there is no checker \"none\"",
        ),
        (
            "[portal]\nguest_key_file = \"/no/such/file\"\n",
            "/no/such/file",
        ),
        ("[games.chess]\nschema = \"no.json\"\n", "no.json"),
    ] {
        fs::write(&folder.file, text).unwrap();
        let refused = reload();
        assert_eq!(refused.error(), (400, "bad_message".to_owned()), "{text}");
        let message = refused.json()["error"]["message"].clone();
        assert!(message.as_str().unwrap().contains(expected), "{message}");
        let status = call(&server, "getStatus", &json!({}));
        assert_eq!(status["version"], 1);
        assert_eq!(status["refused"]["message"], message);
        assert_eq!(status["refused"]["source"], "reload");
    }
    assert_eq!(value(&server, "presence.watch_max"), 1);
    assert_ne!(value(&server, "session.rooms_max"), 5);
    assert_eq!(server.metric(&reloads("refused")), 8.0);
    fs::remove_file(&folder.file).unwrap();
    assert_eq!(reload().error().0, 400);
    // What is right takes effect, and nothing is refused any more.
    fs::write(&folder.file, watch_max(2)).unwrap();
    let applied = call(&server, "reload", &json!({}));
    assert_eq!(
        (&applied["version"], &applied["restart"]),
        (&json!(2), &json!([]))
    );
    let status = call(&server, "getStatus", &json!({}));
    assert_eq!(status["refused"], Value::Null);
    assert_eq!(status["is_watched"], false);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn pipe_in_place_of_a_file_is_refused_at_once() {
    let folder = Folder::new(&watch_max(1));
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let server = Server::of_file(&folder.file, &[("management.watch_file", "false")]);
    let plain = |answer: Response| {
        assert_eq!(answer.error(), (400, "bad_message".to_owned()));
        let text = answer.json().to_string();
        assert!(text.contains("it is no plain file"), "{text}");
    };
    for key in ["games.chess.schema", "portal.guest_key_file"] {
        plain(post(&server, "check", &json!({"config": {key: pipe}})));
    }
    fs::remove_file(&folder.file).unwrap();
    fs::rename(&pipe, &folder.file).unwrap();
    plain(post(&server, "reload", &json!({})));
    // Nothing waits for it, and the next file takes effect.
    rename(&folder, &folder.file, &watch_max(2));
    assert_eq!(post(&server, "reload", &json!({})).status, 200);
    assert_eq!(value(&server, "presence.watch_max"), 2);
}

#[test]
fn saved_file_that_is_empty_for_a_while_is_refused_once() {
    let folder = Folder::new(&watch_max(1));
    let server = Server::of_file(&folder.file, &[]);
    fs::write(&folder.file, "").unwrap();
    server.await_metric(&reloads("refused"), 1.0);
    assert_eq!(value(&server, "presence.watch_max"), 1);
    fs::write(&folder.file, watch_max(2)).unwrap();
    server.await_metric(VERSION, 2.0);
    assert_eq!(value(&server, "presence.watch_max"), 2);
    assert_eq!(server.metric(&reloads("refused")), 1.0);
}

#[test]
fn hang_up_reads_the_file_and_reports_what_waits_for_a_restart() {
    let folder = Folder::new(&watch_max(1));
    let keys = [("management.watch_file", "false")];
    let server = Server::of_file(&folder.file, &keys);
    let other = format!(
        "{}[store]\nwrite_ms = 7\n[tunnel]\nbatch_max = 9\n",
        watch_max(2)
    );
    fs::write(&folder.file, other).unwrap();
    server.signal("HUP");
    server.await_metric(VERSION, 2.0);
    let log = server.await_log("version 2 of the configuration");
    let line = log.lines().find(|line| line.contains("version 2")).unwrap();
    assert!(
        line.ends_with(
            "(signal by server): presence.watch_max 1 -> 2 (file), \
             tunnel.batch_max 256 -> 9 (file); with the next restart: \
             store.write_ms 100 -> 7 (file)"
        ),
        "{line}"
    );
    let status = call(&server, "getStatus", &json!({}));
    assert_eq!(status["restart"], json!(["store.write_ms"]));
    assert_eq!(status["source"], "signal");
    assert_eq!(status["file_differs"], false);
    let setting = call(&server, "get", &json!({}))["settings"]["store.write_ms"].clone();
    assert_eq!(
        (&setting["value"], &setting["restart"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(setting["layer"], "file");
    let origin = setting["origin"].as_str().unwrap();
    assert!(origin.ends_with("config.toml:4:1"), "{origin}");
}

#[test]
fn sessions_and_entries_of_auth_stay_when_the_configuration_changes() {
    let folder = Folder::new("[portal]\ncheckers = [\"session\", \"anonymous\"]\n");
    let server = Server::of_file(&folder.file, &[]);
    let auth = |method: &str, body: Value| {
        let json = "Content-Type: application/json\r\n";
        let path = format!("/rpc/auth/{method}");
        send(server.management, "POST", &path, json, &body.to_string()).json()
    };
    assert_eq!(
        auth("set", json!({"userId": "1:7", "sessionId": "abc"})),
        true
    );
    let (mut one, mut other) = (server.user("1:1"), server.user("1:2"));
    one.subscribe(&["1:2"]);
    let checkers = "[portal]\ncheckers = [\"session\"]\nattempts_max = 3\n";
    rename(&folder, &folder.file, checkers);
    server.await_metric(VERSION, 2.0);
    other.request("status", json!("busy"));
    while one.await_command("userchange") != json!({"1:2": "busy"}) {}
    assert_eq!(auth("check", json!({"sessionId": "abc"})), "1:7");
    let mut late = server.connect();
    late.command("idme", json!("1:3"));
    assert_eq!(late.next()["data"]["code"], "unauthorized");
}
