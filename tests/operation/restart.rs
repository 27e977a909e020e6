//! Restarts that lose nobody: in place, and by a stop and a start. What friends, rooms,
//! channels and clients without a connection see of it, over real sockets.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::poll::PollClient;
use turntable_testkit::session::{Session, expect_expired, resume};
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::workspace::turntable;
use turntable_testkit::{Server, channel, http, room};

const CONFIG: &str = "
[channels.lobby]
history_max = 10
history_ms = 60000
[games.chess]
seat_ms = 60000
[presence]
grace_ms = 50
";

/// A folder with a configuration and a store.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self::with("")
    }

    /// With these lines behind the configuration, which ends in the middle of `[presence]`.
    fn with(lines: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.path("config.toml"), format!("{CONFIG}{lines}")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn server(&self) -> Server {
        let store = self.path("users.db");
        let keys = [("store.path", store.to_str().unwrap())];
        Server::of_file(&self.path("config.toml"), &keys)
    }

    fn refused(&self) -> usize {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".refused-")).count()
    }
}

fn goes_away(session: &mut Session<'_>) {
    let goaway = session.expect("goaway");
    assert!(goaway["reconnect_ms"].as_u64().unwrap() <= 250, "{goaway}");
    session.client.expect_close(1001);
}

/// By the command line.
fn restart(server: &Server) {
    let url = format!("http://{}", server.management);
    let output = turntable()
        .args(["restart", "--no-wait", "--url", &url])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("serving"),
        "{output:?}"
    );
}

/// Connects again and again until it is dropped. No connection may be refused.
struct Visitors {
    is_over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<usize>>,
}

impl Visitors {
    fn of(server: &Server) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (address, over) = (server.address, is_over.clone());
        let thread = std::thread::spawn(move || {
            let mut served = 0;
            while !over.load(Ordering::Relaxed) {
                let answer = http::get(address, "/turntable.js");
                assert_eq!(answer.status, 200, "after {served} visits");
                served += 1;
            }
            served
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }

    fn end(mut self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn restart_in_place_is_not_seen_by_anybody() {
    let folder = Folder::new();
    let server = folder.server();
    let [mut a, mut b] = ["1:1", "1:2"].map(|user| Session::begin(&server, user));
    for session in [&mut a, &mut b] {
        session.request("joinchannel", json!({"channel": "lobby"}));
    }
    let join = |user| json!({"channel": "table", "self": user, "game": "chess"});
    a.client.command("joingame", join("1:1"));
    a.expect("joined");
    b.client.command("joingame", join("1:2"));
    b.expect("joined");
    a.expect("memberchange");
    a.client.command("subscribe", json!(["1:2"]));
    let states = a.expect("userchange");
    assert_eq!(states, json!({"1:2": "busy"}), "it plays");
    room::act(&mut a.client, "table", "1:1", json!("before"));
    for session in [&mut a, &mut b] {
        assert_eq!(session.expect("game")["actions"][0]["data"], "before");
    }
    // One without a connection, for which a message waits.
    let mut away = Session::begin(&server, "1:3");
    away.request("joinchannel", json!({"channel": "lobby"}));
    away.cut();
    let poller = PollClient::on_channel(&server, "1:4", "lobby");
    let mut publisher = server.user("1:9");
    let published = channel::publish(&mut publisher, "lobby", json!("first"));
    for session in [&mut a, &mut b] {
        assert_eq!(session.expect("message")["data"], "first");
    }
    publisher.bye();

    let visitors = Visitors::of(&server);
    restart(&server);
    goes_away(&mut a);
    goes_away(&mut b);
    let log = server.await_log("restored 4 of 4 sessions");
    assert!(log.contains("saved 4 sessions"), "{log}");
    a.resume();
    b.resume();
    // Neither the user that is watched nor the member has gone, and nothing comes again.
    a.client.expect_nothing_pending();
    b.client.expect_nothing_pending();
    assert!(visitors.end() > 0);

    room::act(&mut b.client, "table", "1:2", json!("after"));
    for session in [&mut a, &mut b] {
        assert_eq!(session.expect("game")["actions"][0]["data"], "after");
    }
    let mut publisher = server.user("1:9");
    let again = channel::publish(&mut publisher, "lobby", json!("second"));
    for session in [&mut a, &mut b] {
        assert_eq!(session.expect("message")["data"], "second");
    }
    assert_eq!(again["epoch"], published["epoch"]);
    assert_eq!(
        again["offset"].as_u64().unwrap(),
        published["offset"].as_u64().unwrap() + 1
    );
    away.resume();
    let waited: Vec<Value> = (0..2).map(|_| away.published()).collect();
    assert_eq!(waited, ["first", "second"]);
    let answer = json!(poller.heartbeat()).to_string();
    let places: Vec<_> = ["first", "second"].map(|text| answer.find(text)).into();
    assert!(places[0].is_some() && places[0] < places[1], "{answer}");
    // What is retained is as it was.
    let mut late = server.user("1:8");
    let joined = late.request("joinchannel", json!({"channel": "lobby", "history": 10}));
    assert_eq!(joined["epoch"], published["epoch"]);
    let history: [Value; 2] = channel::published(&mut late);
    assert_eq!(history, ["first", "second"]);
    assert!(!folder.path("users.db.state").exists());
}

#[test]
fn restart_in_place_sends_all_clients_away_that_are_to_go_over_a_time() {
    let folder = Folder::with("[server]\ndrain_spread_ms = 2000\n");
    let server = folder.server();
    let users = (0..8).map(|number| format!("1:{number}"));
    let mut sessions: Vec<_> = users.map(|user| Session::begin(&server, &user)).collect();
    restart(&server);
    // In half of the second that they have to close their connections.
    for session in &mut sessions {
        let goaway = session.expect("goaway");
        assert!(goaway["reconnect_ms"].as_u64().unwrap() <= 750, "{goaway}");
        session.client.expect_close(1001);
    }
    let _ = server.await_log("restored 8 of 8 sessions");
    for session in &mut sessions {
        session.resume();
        session.client.expect_nothing_pending();
    }
}

#[test]
fn client_that_is_between_two_answers_comes_back_to_the_next_process() {
    let folder = Folder::with("[tunnel]\nlongpoll_ms = 100\n");
    let server = folder.server();
    let mut tunnel = Tunnel::user(&server, "1:1");
    let poll = |tunnel: &Tunnel<'_>| {
        let query = format!("id={}&format=longpoll&after={}", tunnel.id, tunnel.last);
        Stream::open(&server, &query).rest()
    };
    let empty = json!([{"tunnel": tunnel.id}]).to_string();
    assert_eq!(poll(&tunnel), empty);
    restart(&server);
    let _ = server.await_log("restored 1 of 1 sessions");
    assert_eq!(poll(&tunnel), empty, "it is not sent away once more");
    tunnel.resume_after_last();
    tunnel.expect_nothing_pending();
}

#[test]
fn request_that_comes_while_sessions_are_saved_is_answered_that_the_server_stops() {
    // It never answers, and the last webhooks have 2 s.
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", backend.local_addr().unwrap());
    let secret = format!("whsec_{}=", "A".repeat(43));
    let webhooks = format!("[webhooks]\nurl = \"{url}\"\nsecret = \"{secret}\"\n");
    let folder = Folder::with(&webhooks);
    let server = folder.server();
    let poller = PollClient::user(&server, "1:1");
    let mut tunnel = Tunnel::user(&server, "1:2");
    // New connections wait for the next process.
    let mut open = HttpConnection::open(&server);
    assert_eq!(open.post("/poll", &poller.header(), "[]").status, 200);
    restart(&server);
    tunnel.expect_command("goaway");
    tunnel.expect_footer();
    let log = server.await_log("saved 2 sessions");
    assert!(!log.contains("restored 2"), "{log}");
    let bye = tunnel.datagram("/server", json!({"command": "bye"}));
    let requests = [
        ("/poll", poller.header(), json!([])),
        ("/poll?batch=1&received=0", poller.header(), json!([])),
        ("/tunnel/send", String::new(), bye.clone()),
        ("/tunnel/send", String::new(), json!([bye])),
    ];
    // All at once, while the last webhooks wait.
    let text = requests
        .iter()
        .map(|(target, headers, body)| open.posted(target, headers, &body.to_string()));
    open.send(&text.collect::<String>());
    for (target, ..) in requests {
        let refused = open.answer();
        assert_eq!(refused.error(), (503, "unavailable".to_owned()), "{target}");
        assert!(refused.text().contains("stopping"), "{}", refused.text());
        assert!(refused.header("Retry-After").is_some());
    }
    let _ = server.await_log("restored 2 of 2 sessions");
    poller.heartbeat();
    tunnel.resume_after_last();
    tunnel.expect_nothing_pending();
}

#[test]
fn users_that_see_each_other_by_watching_do_so_after_a_restart() {
    let folder = Folder::with("watch = \"mutual\"\n");
    let server = folder.server();
    let [mut a, mut b] = ["1:1", "1:2"].map(|user| Session::begin(&server, user));
    a.client.command("subscribe", json!(["1:2"]));
    assert_eq!(a.expect("userchange"), json!({"1:2": "offline"}));
    b.client.command("subscribe", json!(["1:1"]));
    while b.expect("userchange") != json!({"1:1": "online"}) {}
    assert_eq!(a.expect("userchange"), json!({"1:2": "online"}));
    restart(&server);
    goes_away(&mut a);
    goes_away(&mut b);
    let _ = server.await_log("restored 2 of 2 sessions");
    a.resume();
    b.resume();
    b.client.command("status", json!("busy"));
    while a.expect("userchange") != json!({"1:2": "busy"}) {}
}

#[test]
fn sessions_go_on_after_a_stop_and_a_start() {
    let folder = Folder::new();
    let mut server = folder.server();
    let mut a = Session::begin(&server, "1:1");
    a.client.command(
        "joingame",
        json!({"channel": "table", "self": "1:1", "game": "chess"}),
    );
    a.expect("joined");
    server.signal("TERM");
    goes_away(&mut a);
    let (secret, received) = (a.secret.clone(), a.received);
    drop(a);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let state = folder.path("users.db.state");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&state).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let server = folder.server();
    assert!(!state.exists(), "it is restored once");
    let (mut client, welcome) = resume(&server, &secret, received);
    assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
    client.expect_nothing_pending();
    let mut other = server.user("1:2");
    let joined = room::join(&mut other, "table", "1:2");
    assert_eq!(joined["members"]["1:1"]["state"], "joined", "{joined}");
}

#[test]
fn state_that_cannot_be_read_is_set_aside() {
    let folder = Folder::new();
    let state = folder.path("users.db.state");
    for (number, damage) in [
        (|bytes: &mut Vec<u8>| bytes[8] = 99) as fn(&mut Vec<u8>),
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        Vec::clear,
    ]
    .into_iter()
    .enumerate()
    {
        let mut server = folder.server();
        let a = Session::begin(&server, "1:1");
        let secret = a.secret.clone();
        drop(a);
        server.signal("TERM");
        server.wait();
        damage_file(&state, damage);
        let server = folder.server();
        let log = server.await_log("starts fresh");
        assert!(log.contains("is not restored"), "{log}");
        assert_eq!(server.metric("turntable_states_set_aside_total"), 1.0);
        expect_expired(&server, &secret, 0);
        drop(server);
        assert!(!state.exists());
        // The names have seconds.
        assert!(folder.refused() >= 1, "{number}");
    }
}

fn damage_file(path: &Path, damage: fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    damage(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn server_whose_new_configuration_is_wrong_goes_on() {
    let folder = Folder::new();
    let server = folder.server();
    let mut user = server.user("1:1");
    fs::write(folder.path("config.toml"), "[server]\nworkers = \"many\"\n").unwrap();
    let answer = server.rpc("node/restart", &json!({}));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(
        answer.text().contains("server.workers"),
        "{}",
        answer.text()
    );
    user.expect_nothing_pending();
    let _ = server.await_log("the server goes on");
    assert_eq!(server.manage("/health/ready").status, 200);
}

#[test]
fn listener_that_systemd_opened_is_used() {
    let address = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let mut turntable = turntable();
    let program = turntable.get_program().to_owned();
    turntable = std::process::Command::new("systemd-socket-activate");
    turntable
        .args(["--listen", &address, "--fdname", "server"])
        .args(["--setenv", "TURNTABLE_SERVER__LISTEN=127.0.0.1:1"])
        .args(["--setenv", "TURNTABLE_MANAGEMENT__LISTEN=127.0.0.1:0"])
        .args(["--setenv", "TURNTABLE_SERVER__WORKERS=1"])
        .arg(program)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let Ok(mut child) = turntable.spawn() else {
        eprintln!("SKIPPED, SOCKET ACTIVATION WAS NOT TESTED: there is no systemd-socket-activate");
        return;
    };
    let until = std::time::Instant::now() + turntable_testkit::DEADLINE;
    let address = address.parse().unwrap();
    // The first connection that it accepts starts the server, which answers it.
    while std::net::TcpStream::connect::<std::net::SocketAddr>(address).is_err() {
        assert!(std::time::Instant::now() < until, "nothing listens");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let answer = http::get(address, "/turntable.js");
    let status = std::process::Command::new("kill")
        .args(["-s", "TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(answer.status, 200);
}

#[test]
fn sessions_of_a_killed_server_are_over() {
    let folder = Folder::new();
    let mut server = folder.server();
    let secret = Session::begin(&server, "1:1").secret;
    server.signal("KILL");
    server.wait();
    let server = folder.server();
    expect_expired(&server, &secret, 0);
}

#[test]
fn message_that_many_have_not_acknowledged_is_saved_once() {
    let folder = Folder::new();
    let mut server = folder.server();
    let mut sessions: Vec<Session<'_>> = (0..20)
        .map(|number| Session::begin(&server, &format!("2:{number}")))
        .collect();
    for session in &mut sessions {
        session.request("joinchannel", json!({"channel": "lobby"}));
    }
    let mut publisher = Session::begin(&server, "1:9");
    let long = "x".repeat(20_000);
    for number in 0..4 {
        let data = json!(format!("{number}{long}"));
        channel::publish(&mut publisher.client, "lobby", data);
    }
    let known: Vec<(Value, u64)> = sessions
        .iter_mut()
        .map(|session| {
            for _ in 0..4 {
                session.client.expect("message");
            }
            (session.secret.clone(), session.received)
        })
        .collect();
    server.signal("TERM");
    for session in &mut sessions {
        goes_away(session);
    }
    goes_away(&mut publisher);
    drop((sessions, publisher));
    server.wait();
    let state = fs::metadata(folder.path("users.db.state")).unwrap();
    // Each of two workers has each of the four.
    assert!(state.len() < 8 * 21_000 + 100_000, "{} bytes", state.len());

    let server = folder.server();
    for (secret, received) in known {
        let (mut client, welcome) = resume(&server, &secret, received);
        assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
        for number in 0..4 {
            let data = client.await_command("message")["data"].take();
            assert!(data.as_str().unwrap().starts_with(&number.to_string()));
        }
    }
}
