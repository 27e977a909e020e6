//! The file of a server that stopped: a state of each version that is read goes on.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use turntable::app::Running;
use turntable::config::Config;
use turntable::restart::State;
use turntable::restart::file::{decode, encode, write};
use turntable_testkit::session::Session;
use turntable_testkit::workspace::{root, turntable};
use turntable_testkit::{DEADLINE, Server, channel, http, room};

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
fn users_that_are_watched_do_not_overfill_the_queue_of_the_store() {
    const FAILURES: &str = "turntable_store_failures_total";
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("users.db");
    let keys = [
        ("store.path", store.to_str().unwrap()),
        ("store.queue_max", "100"),
    ];
    let mut server = Server::with(&keys);
    let mut client = server.user("1:1");
    for part in 0..20 {
        let names: Vec<String> = (0..30).map(|n| format!("2:{part}-{n}")).collect();
        let ids: Vec<&str> = names.iter().map(String::as_str).collect();
        client.subscribe(&ids);
    }
    assert_eq!(server.metric(FAILURES), 0.0);
    server.signal("TERM");
    server.wait();
    let server = Server::with(&keys);
    let _ = server.await_log("restored 1 of 1 sessions");
    assert_eq!(server.metric("turntable_absent_watched"), 600.0);
    assert_eq!(server.metric(FAILURES), 0.0);
}

#[test]
fn state_of_version_1_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("users.db.state"), &saved_now()).unwrap();
    let store = path("users.db");
    let server = Server::configured(CONFIG, &[("store.path", store.to_str().unwrap())]);
    let log = server.await_log("restored 3 of 3 sessions");
    assert!(log.contains("5 users, rooms and channels"), "{log}");
    let of = |result: &str| format!("turntable_restored_sessions{{result=\"{result}\"}}");
    server.await_metric(&of("restored"), 3.0);
    assert_eq!(server.metric(&of("lost")), 0.0);
    let [took_ms, gap_ms] =
        ["restore_ms", "restart_gap_ms"].map(|name| server.metric(&format!("turntable_{name}")));
    assert!(took_ms > 0.0 && gap_ms >= took_ms, "{took_ms} {gap_ms}");
    assert_eq!(server.metric("turntable_states_set_aside_total"), 0.0);
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

/// The stored state, saved now.
fn saved_now() -> State {
    let mut state = decode(&fs::read(stored()).unwrap()).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    state.saved_ms = now.unwrap().as_millis() as u64;
    state
}

/// Fills the queue of a socket: a program that reports to it waits until the queue is read.
fn fill(systemd: &UnixDatagram, path: &Path) {
    loop {
        // What one socket sends is limited, too.
        let other = UnixDatagram::unbound().unwrap();
        other.set_nonblocking(true).unwrap();
        if other.send_to(b"full", path).is_err() {
            break;
        }
    }
    systemd.set_nonblocking(true).unwrap();
}

#[test]
fn server_that_is_stopped_while_it_restores_leaves_the_state_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("users.db.state"), &saved_now()).unwrap();
    // The server reports that its start takes longer, and waits with that before the first step
    // of the restoration.
    let notified = path("notify");
    let systemd = UnixDatagram::bind(&notified).unwrap();
    fill(&systemd, &notified);
    let mut child = turntable()
        .env("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0")
        .env("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0")
        .env("TURNTABLE_SERVER__WORKERS", "1")
        .env("TURNTABLE_STORE__PATH", path("users.db"))
        .env("NOTIFY_SOCKET", &notified)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + DEADLINE;
    while !path("users.db.state.restoring").exists() {
        assert!(Instant::now() < until, "nothing is restored");
        std::thread::sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(killed.unwrap().success());
    assert!(path("users.db.state.restoring").exists());
    while systemd.recv(&mut [0; 64]).is_ok() {}
    let mut log = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
    assert!(log.contains("the next start restores"), "{log}");
    assert!(!path("users.db.state.restoring").exists());
    assert!(path("users.db.state").exists());

    let store = path("users.db");
    let server = Server::configured(CONFIG, &[("store.path", store.to_str().unwrap())]);
    let log = server.await_log("restored 3 of 3 sessions");
    assert!(log.contains("5 users, rooms and channels"), "{log}");
}

#[test]
fn program_that_stops_its_server_before_that_has_restored_leaves_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("users.db.state"), &saved_now()).unwrap();
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 1;
    config.store.path = path("users.db").to_str().unwrap().to_owned();
    actix::System::new().block_on(async {
        let running = Running::start(config.clone()).unwrap();
        running.stop(Duration::ZERO).await;
        assert!(path("users.db.state").exists());
        let mut running = Running::start(config).unwrap();
        assert!(running.restored().await);
        assert!(running.restored().await, "it still is");
        assert!(!path("users.db.state").exists());
        running.stop(Duration::ZERO).await;
    });
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
