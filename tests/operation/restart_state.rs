//! The file of a server that stopped: a state of each version that is read goes on.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::json;

use turntable::restart::file::{decode, encode, write};
use turntable_testkit::session::Session;
use turntable_testkit::workspace::root;
use turntable_testkit::{Server, channel, http, room};

const CONFIG: &str = "
[channels.lobby]
history_max = 10
history_ms = 60000
[games.chess]
seat_ms = 60000
";

/// A state of version 1, with things of every kind.
fn stored() -> PathBuf {
    root().join("tests/operation/state_1.bin")
}

/// Long enough to be once in the state.
fn first() -> serde_json::Value {
    json!("first ".repeat(20))
}

#[test]
fn state_of_version_1_is_read_and_written_as_it_was() {
    let bytes = fs::read(stored()).unwrap();
    let state = decode(&bytes).unwrap();
    let owners = &state.owners;
    let counts = [
        state.sessions(),
        owners.avatars.len(),
        owners.rooms.len(),
        owners.channels.len(),
    ];
    assert_eq!(counts, [3, 3, 1, 1]);
    let mut saved = state.sessions.iter();
    assert!(
        saved.any(|saved| !saved.texts.is_empty()),
        "shared messages"
    );
    assert!(encode(&state).unwrap() == bytes, "the same bytes");
}

#[test]
fn state_of_version_1_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut state = decode(&fs::read(stored()).unwrap()).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    state.saved_ms = now.unwrap().as_millis() as u64;
    write(&path("users.db.state"), &state).unwrap();
    let store = path("users.db");
    let server = Server::configured(CONFIG, &[("store.path", store.to_str().unwrap())]);
    let log = server.await_log("restored 3 of 3 sessions");
    assert!(log.contains("5 users, rooms and channels"), "{log}");
    let mut late = server.user("1:8");
    let joined = late.request("joinchannel", json!({"channel": "lobby", "history": 10}));
    assert!(
        joined["epoch"].is_string() || joined["epoch"].is_number(),
        "{joined}"
    );
    let history: [serde_json::Value; 1] = channel::published(&mut late);
    assert_eq!(history, [first()]);
    let joined = room::join(&mut late, "table", "1:8");
    assert_eq!(joined["members"]["1:1"]["state"], "joined", "{joined}");
}

/// Writes the file of the current version to the path in `STATE_OUT`. The name of a new version's
/// file has its number.
#[test]
#[ignore = "it makes a file for the tests above"]
fn make_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = path("users.db");
    let mut server = Server::configured(CONFIG, &[("store.path", store.to_str().unwrap())]);
    let [mut a, mut b] = ["1:1", "1:2"].map(|user| Session::begin(&server, user));
    for session in [&mut a, &mut b] {
        session.request("joinchannel", json!({"channel": "lobby"}));
    }
    let join = json!({"channel": "table", "self": "1:1", "game": "chess", "invite": ["1:2"]});
    a.client.command("joingame", join);
    a.expect("joined");
    b.client.command("subscribe", json!(["1:1"]));
    b.expect("invite");
    b.expect("userchange");
    room::act(&mut a.client, "table", "1:1", json!("before"));
    a.expect("game");
    let mut publisher = server.user("1:9");
    channel::publish(&mut publisher, "lobby", first());
    publisher.bye();
    a.expect("message");
    let body = json!([{"f": "$av:idme", "args": "1:4"}]).to_string();
    assert_eq!(
        http::send(server.address, "POST", "/poll", "", &body).status,
        200
    );
    // One without a connection.
    b.cut();
    server.signal("TERM");
    a.expect("goaway");
    drop(a);
    server.wait();
    let out = std::env::var_os("STATE_OUT").unwrap();
    fs::copy(path("users.db.state"), out).unwrap();
}
