//! The process side of a restart in place: listeners at other addresses, a next program that is
//! not sound, and signals and calls that come meanwhile.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::session::{Session, resume};
use turntable_testkit::websocket::handshake;
use turntable_testkit::workspace::turntable;
use turntable_testkit::{Client, Server, http};

/// A folder with a configuration and a program of its own.
struct Own(tempfile::TempDir);

impl Own {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the configuration: the public listener is at this address.
    fn configure(&self, listen: SocketAddr) {
        let text = format!(
            "[server]\nlisten = \"{listen}\"\nworkers = 1\n[management]\nlisten = \"127.0.0.1:0\"\n"
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// The same with a store, at any port.
    fn configure_store(&self) {
        self.configure(any());
        let mut text = fs::read_to_string(self.path("config.toml")).unwrap();
        text += &format!("[store]\npath = \"{}\"\n", self.path("users.db").display());
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Puts a shell script in the place of the program.
    fn install(&self, text: &str) {
        let [written, next, program] = ["text", "next", "turntable"].map(|name| self.path(name));
        fs::write(&written, format!("#!/bin/sh\n{text}\n")).unwrap();
        // No child of another thread has a file open for writing that another process made. Such
        // a one cannot be started.
        let mut install = Command::new("install");
        let installed = install.args(["-m", "700"]).args([&written, &next]).status();
        assert!(installed.unwrap().success());
        fs::rename(&next, &program).unwrap();
    }

    fn server_of(&self, command: Command) -> Server {
        Server::of_command(command, &self.path("config.toml"))
    }
}

/// An address with a port that the server chooses.
fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// An address that nothing listens at now.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn built() -> PathBuf {
    turntable().get_program().into()
}

#[test]
fn listener_has_another_address_after_a_restart() {
    let own = Own::new();
    let first = free();
    own.configure(first);
    let server = own.server_of(turntable());
    let restart = || server.rpc("node/restart", &json!({}));
    // One that is taken: the server goes on.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    own.configure(taken.local_addr().unwrap());
    let mut user = server.user("1:1");
    let answer = restart();
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("server.listen"), "{}", answer.text());
    user.expect_nothing_pending();
    user.bye();
    // Another one. Nothing listens at the first any more.
    let second = free();
    own.configure(second);
    assert_eq!(restart().status, 200);
    let _ = server.await_log(&format!("open http://{second}"));
    assert_eq!(http::get(second, "/turntable.js").status, 200);
    assert!(TcpStream::connect(first).is_err());
    // One that overlaps.
    let everywhere = SocketAddr::from(([0, 0, 0, 0], second.port()));
    own.configure(everywhere);
    assert_eq!(restart().status, 200);
    let _ = server.await_log(&format!("open http://{everywhere}"));
    assert_eq!(http::get(second, "/turntable.js").status, 200);
}

#[test]
fn signals_are_handled_while_the_next_program_is_checked() {
    let own = Own::new();
    own.configure(any());
    let program = own.path("turntable");
    if fs::hard_link(built(), &program).is_err() {
        fs::copy(built(), &program).unwrap();
    }
    let mut server = own.server_of(Command::new(&program));
    // Its check does not end.
    let started = own.path("started");
    own.install(&format!("touch {}\nexec sleep 60", started.display()));
    server.signal("USR2");
    let until = Instant::now() + turntable_testkit::DEADLINE;
    while !started.exists() {
        assert!(Instant::now() < until, "no check begins");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.signal("HUP");
    let _ = server.await_log("the configuration is unchanged (signal by server)");
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    // The check ends with it.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn program_that_is_no_server_is_not_started() {
    let own = Own::new();
    own.configure(any());
    let program = own.path("turntable");
    if fs::hard_link(built(), &program).is_err() {
        fs::copy(built(), &program).unwrap();
    }
    let server = own.server_of(Command::new(&program));
    // Its check ends well, whatever it is called with.
    own.install("exit 0");
    let answer = server.rpc("node/restart", &json!({}));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(
        answer.text().contains("is it a turntable?"),
        "{}",
        answer.text()
    );
    server.user("1:1").expect_nothing_pending();
}

/// What `turntable restart` ends with.
fn restart(server: &Server, more: &[&str]) -> (Option<i32>, String, String) {
    restart_at(server.management, more)
}

/// The same, of a server at this address.
fn restart_at(management: SocketAddr, more: &[&str]) -> (Option<i32>, String, String) {
    let url = format!("http://{management}");
    let mut command = turntable();
    let output = command.args(["restart", "--url", &url]).args(more).output();
    let output = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn command_returns_when_the_new_program_serves() {
    let own = Own::new();
    own.configure_store();
    let server = own.server_of(turntable());
    let started = || server.rpc("node/getStatus", &json!({})).json()["started_ms"].clone();
    let user = Session::begin(&server, "1:1");
    let (secret, received) = (user.secret.clone(), user.received);
    let first = started();
    let (code, output, error) = restart(&server, &[]);
    assert_eq!((code, &*error), (Some(0), ""));
    let status: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(status["state"], "serving");
    assert_ne!(status["started_ms"], first);
    assert_eq!(status["started_ms"], started());
    // Sessions of before are there.
    assert_eq!(status["sessions"], 1, "{status}");
    assert_eq!(server.manage("/health/ready").status, 200);
    let (client, welcome) = resume(&server, &secret, received);
    assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
    client.bye();
}

#[test]
fn command_fails_where_no_new_program_serves() {
    let own = Own::new();
    own.configure(any());
    let program = own.path("turntable");
    if fs::hard_link(built(), &program).is_err() {
        fs::copy(built(), &program).unwrap();
    }
    let server = own.server_of(Command::new(&program));
    own.install("echo no >&2; exit 1");
    let (code, output, error) = restart(&server, &[]);
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(error.contains("conflict: the new program: no"), "{error}");
    // Its check is well, and it ends at once.
    own.install("echo OK");
    let (code, output, error) = restart(&server, &["--timeout", "2"]);
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(error.contains("after 2 s no new program serves"), "{error}");
    assert!(error.contains("unreachable"), "{error}");
}

#[test]
fn signals_do_not_end_the_next_program_before_it_handles_them() {
    let server = Server::with(&[("server.workers", "1")]);
    for _ in 0..80 {
        for signal in ["USR2", "HUP"] {
            server.signal(signal);
        }
    }
    let log = server.await_log("a socket that was handed over");
    assert!(log.contains("restarting in place as"), "{log}");
    assert_eq!(server.manage("/health/live").status, 200);
}

#[test]
fn signal_that_ends_the_server_during_a_restart_ends_it_with_its_sessions_saved() {
    let own = Own::new();
    own.configure_store();
    for signal in ["TERM", "INT"] {
        let mut server = own.server_of(turntable());
        // It does not close its connection, so the restart waits for it.
        let mut user = Session::begin(&server, "1:1");
        server.signal("USR2");
        user.expect("goaway");
        server.signal(signal);
        let (secret, received) = (user.secret.clone(), user.received);
        drop(user);
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        let log = server.log();
        assert!(log.contains("shutting down instead"), "{log}");
        let server = own.server_of(turntable());
        let _ = server.await_log("restored 1 of 1 sessions");
        let (client, welcome) = resume(&server, &secret, received);
        assert_eq!(welcome["data"]["resumed"], true, "{signal}: {welcome}");
        client.bye();
    }
}

#[test]
fn restart_is_refused_where_sessions_cannot_be_saved() {
    let own = Own::new();
    own.configure_store();
    let server = own.server_of(turntable());
    let mut user = server.user("1:1");
    fs::create_dir(own.path("users.db.state")).unwrap();
    let answer = server.rpc("node/restart", &json!({}));
    assert_eq!(answer.status, 409, "{}", answer.text());
    let why = "users.db.state cannot be written: is a directory";
    assert!(answer.text().contains(why), "{}", answer.text());
    user.expect_nothing_pending();
    fs::remove_dir(own.path("users.db.state")).unwrap();
    assert_eq!(server.rpc("node/restart", &json!({})).status, 200);
    let _ = server.await_log("restored 1 of 1 sessions");
}

#[test]
fn server_that_can_open_no_file_is_not_restarted_and_goes_on() {
    let own = Own::new();
    own.configure_store();
    let server = own.server_of(turntable());
    let mut user = server.user("1:1");
    server.exhaust_files();
    server.signal("USR2");
    let log = server.await_log("not restarted, the server goes on");
    assert!(log.contains("Too many open files"), "{log}");
    user.request("lookup", json!(["1:1"]));
    // One that comes is admitted as soon as there are files again.
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(handshake("/ws", "").as_bytes()).unwrap();
    server.free_files();
    let mut late = Client::after_handshake(stream);
    late.expect("idyou");
    late.identify("1:2");
    user.expect_nothing_pending();
    drop([user, late]);
    server.signal("USR2");
    let _ = server.await_log("restored 2 of 2 sessions");
}

#[test]
fn restart_without_a_store_says_that_sessions_end() {
    let own = Own::new();
    own.configure(any());
    let server = own.server_of(turntable());
    assert_eq!(server.rpc("node/restart", &json!({})).status, 200);
    let _ = server.await_log("sessions end with the restart: store.path");
    let program = format!("restarting in place as {}", built().display());
    let _ = server.await_log(&program);
}

#[test]
fn restart_is_refused_while_the_server_stops() {
    let server = Server::with(&[("server.shutdown_ms", "60000")]);
    let mut unresponsive = server.user("1:1");
    server.signal("TERM");
    unresponsive.expect("goaway");
    let answer = server.rpc("node/restart", &json!({}));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(
        answer.text().contains("the server is stopping"),
        "{}",
        answer.text()
    );
}

#[test]
fn systemd_is_requested_to_wait_while_sessions_are_saved() {
    let own = Own::new();
    own.configure(any());
    let path = own.path("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd
        .set_read_timeout(Some(turntable_testkit::DEADLINE))
        .unwrap();
    let store = own.path("users.db");
    let mut command = turntable();
    command
        .env("NOTIFY_SOCKET", &path)
        .env("TURNTABLE_STORE__PATH", &store);
    let mut server = own.server_of(command);
    let next = || {
        let mut report = [0; 1_024];
        let length = systemd.recv(&mut report).unwrap();
        String::from_utf8_lossy(&report[..length]).trim().to_owned()
    };
    // Its start takes longer where sessions are restored.
    assert_eq!(next(), "EXTEND_TIMEOUT_USEC=30000000");
    assert_eq!(next(), "READY=1");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert_eq!(next(), "STOPPING=1");
    let waits = "EXTEND_TIMEOUT_USEC=35000000";
    assert_eq!(next(), waits, "server.shutdown_ms, and more");
    assert_eq!(next(), "EXTEND_TIMEOUT_USEC=30000000", "it saves");
}

#[test]
fn program_that_answers_once_more_and_ends_was_not_restarted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // A version that does not say when it started. It answers the call and one look, and ends.
    let earlier = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                          content-length: 19\r\nconnection: close\r\n\r\n{\"state\":\"serving\"}";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let (code, output, error) = restart_at(address, &["--timeout", "2"]);
    earlier.join().unwrap();
    assert_eq!((code, &*output), (Some(1), ""), "{error}");
    assert!(error.contains("after 2 s no new program serves"), "{error}");
}

/// Reads one request: its head, and the object behind that of a POST.
fn read_request(stream: &mut TcpStream) {
    let (mut read, mut part) = (Vec::new(), [0; 1024]);
    let is_whole = |read: &[u8]| {
        let head = read.windows(4).position(|end| end == b"\r\n\r\n");
        head.is_some_and(|head| read[head + 4..].ends_with(b"}") || !read.starts_with(b"POST"))
    };
    while !is_whole(&read) {
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "it ended: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&part[..length]);
    }
}
