//! Histories that outlive the process: over a restart, and over a kill.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use turntable_testkit::channel::{join, leave, publish, publish_numbers, published};
use turntable_testkit::{Client, Server};

fn with_file(path: &Path, entry: &str) -> Server {
    let file = format!("[channels.\"c/**\"]\nhistory_max = 10\nretained = true\n{entry}\n");
    let keys = [
        ("store.path", path.to_str().unwrap()),
        ("attributes.durable", r#"["mark"]"#),
    ];
    Server::configured(&file, &keys)
}

/// Waits until what was published is in the file: a durable attribute behind it is.
fn await_stored(client: &mut Client) {
    let before = client.request("lookup", json!(["1:0"]));
    client.request("set", json!({"mark": before}));
    client.request("set", json!({"mark": null}));
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert!(server.wait().success());
}

fn join_since(client: &mut Client, channel: &str, epoch: &Value, offset: u64) -> Value {
    let since = json!({"epoch": epoch, "offset": offset});
    let data = json!({"channel": channel, "since": since, "history": 100});
    client.request("joinchannel", data)
}

#[test]
fn restart_keeps_epoch_offsets_and_messages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let server = with_file(&file, "");
    let mut mel = server.user("1:1");
    publish_numbers(&mut mel, "c", 1..13);
    let place = publish(&mut mel, "c", json!({"digits": 1.50}));
    publish(&mut mel, "c/other", json!("other"));
    publish(&mut mel, "d", json!("not retained"));
    stop(server);
    let server = with_file(&file, "");
    let mut mel = server.user("1:1");
    let joined = join_since(&mut mel, "c", &place["epoch"], 10);
    assert_eq!(
        (&joined["epoch"], &joined["offset"]),
        (&place["epoch"], &json!(13))
    );
    assert_eq!(joined["recovered"], true);
    let first = mel.expect("message");
    assert_eq!(
        (&first["offset"], &first["from"]),
        (&json!(11), &json!("1:1"))
    );
    assert_eq!(published(&mut mel), [json!(12), json!({"digits": 1.50})]);
    // Ten are retained, so what was before them proves nothing.
    let joined = join_since(&mut mel, "c", &place["epoch"], 2);
    assert_eq!(joined["recovered"], false);
    assert_eq!(published::<10>(&mut mel)[0], 4);
    let next = publish(&mut server.user("1:2"), "c", json!("next"));
    assert_eq!(
        (&next["epoch"], &next["offset"]),
        (&place["epoch"], &json!(14))
    );
    let message = mel.expect("message");
    assert_eq!(
        (&message["offset"], message.get("epoch")),
        (&json!(14), None)
    );
    // Others are where they were, too.
    mel.request("joinchannel", json!({"channel": "c/other", "history": 9}));
    assert_eq!(published(&mut mel), ["other"]);
    assert_eq!(join(&mut mel, "d")["offset"], 1);
    mel.expect_nothing_pending();
}

#[test]
fn kill_keeps_messages_and_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let mut epochs = Vec::new();
    let mut last_offset = 0;
    for round in 0..3 {
        let mut server = with_file(&file, "");
        let mut mel = server.user("1:1");
        if let Some(epoch) = epochs.last() {
            // A position that clients had before, the last one included.
            for offset in [last_offset, last_offset - 1] {
                let joined = join_since(&mut mel, "c", epoch, offset);
                assert_eq!(joined["recovered"], false);
                assert!(!epochs.contains(&joined["epoch"]), "another life");
                let known = joined["offset"].as_u64().unwrap();
                assert!(known <= last_offset, "{known} {last_offset}");
                // What is retained has no gap and ends with the last message.
                for n in (known + 1).saturating_sub(10).max(1)..=known {
                    let message = mel.expect("message");
                    assert_eq!(message["offset"], n);
                    assert_eq!(message["data"], n);
                }
            }
            last_offset = join(&mut mel, "c")["offset"].as_u64().unwrap();
        }
        leave(&mut mel, "c");
        for n in 1..40 {
            let data = json!({"channel": "c", "data": last_offset + n});
            mel.send(json!({"command": "publish", "data": data, "id": n}));
        }
        for n in 1..30 {
            let reply = mel.next();
            assert_eq!(reply["data"]["offset"], last_offset + n, "{reply}");
            if n == 1 {
                epochs.push(reply["data"]["epoch"].clone());
            }
        }
        last_offset += 39;
        if round == 1 {
            // So that a part of them is written.
            await_stored(&mut server.user("1:2"));
        }
        server.signal("KILL");
        server.wait();
    }
}

#[test]
fn epoch_behind_a_kill_outlives_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let mut server = with_file(&file, "");
    let mut mel = server.user("1:1");
    let place = publish(&mut mel, "c", json!(1));
    await_stored(&mut mel);
    server.signal("KILL");
    server.wait();
    let server = with_file(&file, "");
    let joined = join(&mut server.user("1:1"), "c");
    assert_ne!(joined["epoch"], place["epoch"]);
    // Nothing was published.
    stop(server);
    let server = with_file(&file, "");
    let again = join_since(&mut server.user("1:1"), "c", &joined["epoch"], 1);
    assert_eq!(
        (&again["epoch"], &again["recovered"]),
        (&joined["epoch"], &json!(true))
    );
}

#[test]
fn first_message_behind_a_kill_has_the_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let mut server = Server::configured(
        "[channels.\"c\"]\nhistory_max = 10\nretained = true\n",
        &[
            ("store.path", file.to_str().unwrap()),
            ("store.write_ms", "0"),
        ],
    );
    let mut mel = server.user("1:1");
    let before = publish(&mut mel, "c", json!(1));
    await_stored(&mut mel);
    server.signal("KILL");
    server.wait();
    let server = with_file(&file, "");
    let mut above = server.user("1:1");
    above.request(
        "joinchannel",
        json!({"channel": "c", "subpaths": true, "history": 5}),
    );
    assert_eq!(published(&mut above), [1]);
    publish(&mut server.user("1:2"), "c", json!(2));
    let message = above.expect("message");
    assert_eq!(message["offset"], 2);
    assert!(message["epoch"].is_string() && message["epoch"] != before["epoch"]);
}

#[test]
fn old_messages_are_not_there_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let server = with_file(&file, "history_ms = 1000");
    let mut mel = server.user("1:1");
    let place = publish(&mut mel, "c", json!(1));
    server.await_metric("turntable_history_bytes", 0.0);
    stop(server);
    let server = with_file(&file, "history_ms = 1000");
    let mut mel = server.user("1:1");
    let joined = join_since(&mut mel, "c", &place["epoch"], 0);
    assert_eq!(
        (&joined["epoch"], &joined["offset"]),
        (&place["epoch"], &json!(1))
    );
    assert_eq!(joined["recovered"], false);
    mel.expect_nothing_pending();
    assert_eq!(
        join_since(&mut mel, "c", &place["epoch"], 1)["recovered"],
        true
    );
}

#[test]
fn retained_channels_need_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(
        &path,
        "[channels.\"c\"]\nhistory_max = 1\nretained = true\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_turntable"))
        .args(["check", path.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(text.contains("store.path"), "{text}");
}

#[test]
fn backup_has_the_histories_and_a_restored_one_is_not_proved() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    let server = with_file(&first, "");
    let place = publish(&mut server.user("1:1"), "c", json!("retained"));
    stop(server);
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turntable"));
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let lines = folder.path().join("lines");
    let [first, second, lines] = [&first, &second, &lines].map(|path| path.to_str().unwrap());
    program(&["store", "backup", first, lines]);
    program(&["store", "restore", second, lines]);
    let server = with_file(Path::new(second), "");
    let mut mel = server.user("1:1");
    let joined = join_since(&mut mel, "c", &place["epoch"], 1);
    assert_eq!(joined["recovered"], false);
    assert_eq!(published(&mut mel), ["retained"]);
}
