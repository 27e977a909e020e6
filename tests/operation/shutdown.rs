//! Shutdown: clients are asked to reconnect and closed, in order and in time.

use std::fs::OpenOptions;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use turntable_testkit::metric::SESSIONS;
use turntable_testkit::websocket::handshake;
use turntable_testkit::workspace::turntable;
use turntable_testkit::{DEADLINE, Frame, Opcode, Server, http, request};

#[test]
fn terminated_server_asks_clients_to_reconnect_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::with(&[("server.echo", "true")]);
        let (mut user, mut unidentified, mut echo) =
            (server.user("1:1"), server.connect(), server.echo());
        server.signal(signal);
        let goaway = user.expect("goaway");
        assert!(goaway["reason"].is_string(), "{goaway}");
        assert!(goaway["reconnect_ms"].as_u64().unwrap() > 0);
        user.expect_close(1001);
        unidentified.expect_close(1001);
        echo.expect_close(1001);
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    }
}

#[test]
fn server_without_a_terminal_goes_on_after_a_hang_up() {
    let mut server = Server::start();
    let mut user = server.user("1:1");
    server.signal("HUP");
    let _ = server.await_log("the configuration is unchanged (signal by server)");
    user.expect_nothing_pending();
    server.signal("TERM");
    user.expect("goaway");
    drop(user);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn server_with_too_few_files_says_so_and_does_not_start() {
    for files in [12, 20, 64, 100] {
        let turntable = turntable();
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -n {files} && exec \"$0\" serve"))
            .arg(turntable.get_program())
            .env("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0")
            .env("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0")
            .env("TURNTABLE_SERVER__WORKERS", "2")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{files}: {error}");
        let expected = format!("the system allows {files} open files");
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("ulimit -n"), "{error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn idle_server_stops_at_once() {
    let mut server = Server::with(&[("server.shutdown_ms", "60000")]);
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(TcpStream::connect(server.address).is_err());
    assert!(TcpStream::connect(server.management).is_err());
}

#[test]
fn unresponsive_clients_delay_shutdown_until_timeout() {
    let mut server = Server::with(&[("server.shutdown_ms", "700")]);
    let mut unresponsive = server.user("1:1");
    let start = Instant::now();
    server.signal("TERM");
    unresponsive.expect("goaway");
    let close = unresponsive.frame();
    assert_eq!(
        (close.opcode, close.close_code()),
        (Opcode::CLOSE, Some(1001))
    );
    // The client neither answers nor closes.
    assert_eq!(server.wait().code(), Some(0));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(600), "{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(unresponsive.frame_or_end(), None);
}

#[test]
fn stopping_server_is_live_but_not_ready() {
    let server = Server::with(&[("server.shutdown_ms", "60000")]);
    assert_eq!(server.manage("/health/ready").status, 200);
    let mut unresponsive = server.user("1:1");
    server.signal("TERM");
    unresponsive.expect("goaway");
    let ready = server.manage("/health/ready");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json(), json!({"status": "draining"}));
    assert_eq!(server.manage("/health/live").status, 200);
}

#[test]
fn clients_that_come_while_the_server_stops_get_an_answer() {
    let server = Server::with(&[("server.shutdown_ms", "60000")]);
    let mut unresponsive = server.user("1:1");
    server.signal("TERM");
    unresponsive.expect("goaway");
    let upgrade = request(server.address, &handshake("/ws", ""));
    assert_eq!(upgrade.error(), (503, "unavailable".to_owned()));
    assert!(upgrade.header("Retry-After").is_some());
    for (method, target, body) in [
        ("GET", "/tunnel?new=1&format=ndjson", ""),
        ("GET", "/tunnel?new=1&format=sse&user=1:2", ""),
        ("POST", "/poll", "[]"),
        ("GET", "/socket.io/?EIO=4&transport=polling", ""),
    ] {
        let answer = http::send(server.address, method, target, "", body);
        assert_eq!(answer.status, 503, "{target}");
        assert!(answer.header("Retry-After").is_some(), "{target}");
        assert_eq!(answer.error().1, "unavailable", "{target}");
    }
    assert_eq!(server.metric(SESSIONS), 1.0, "of the first client alone");
}

#[test]
fn nobody_comes_in_right_after_the_signal_under_load() {
    let server = Server::with(&[
        ("server.shutdown_ms", "60000"),
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let mut clients: Vec<_> = (0..8).map(|n| server.user(&format!("1:{n}"))).collect();
    for client in &mut clients {
        client.request("joinchannel", json!({"channel": "busy"}));
    }
    let publish = json!({"command": "publish", "data": {"channel": "busy", "data": 1}});
    let flood = Frame::text(&publish.to_string()).masked().repeat(500);
    // Each of these is delivered eight times; nobody reads them.
    for client in &mut clients {
        client.send_raw(&flood);
    }
    server.signal("TERM");
    let begin = Instant::now();
    while server.manage("/health/ready").status == 200 {
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "it is still ready"
        );
    }
    // From then on no worker lets anybody in.
    for _ in 0..8 {
        let upgrade = request(server.address, &handshake("/ws", ""));
        assert_eq!(upgrade.error(), (503, "unavailable".to_owned()));
        assert!(upgrade.header("Retry-After").is_some());
        assert_eq!(server.manage("/health/ready").status, 503);
    }
}

#[test]
fn blocked_reader_does_not_delay_shutdown() {
    let mut server = Server::with(&[
        ("server.shutdown_ms", "500"),
        ("limits.publish.per_second", "0"),
        ("limits.bytes.per_second", "0"),
        ("limits.address_publish.per_second", "0"),
        ("channel.bytes.per_second", "0"),
    ]);
    let mut blocked = server.user("2:1");
    blocked.command("joinchannel", json!({"channel": "busy"}));
    blocked.expect("joined");
    let mut publisher = server.user("1:1");
    let filler = "x".repeat(60_000);
    for _ in 0..150 {
        publisher.request("publish", json!({"channel": "busy", "data": filler}));
    }
    server.signal("TERM");
    publisher.expect("goaway");
    publisher.expect_close(1001);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn address_can_be_reused_at_once() {
    let mut first = Server::start();
    let mut client = first.user("1:1");
    first.signal("TERM");
    assert_eq!(client.close_code(), 1001);
    first.wait();
    let listen = first.address.to_string();
    let second = Server::with(&[("server.listen", &listen)]);
    assert_eq!(second.address, first.address);
    second.user("1:1");
}

#[test]
fn standard_output_that_cannot_be_written_does_not_keep_the_server_from_starting() {
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let (server, management) = (free(), free());
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = turntable()
        .arg("serve")
        .env("TURNTABLE_SERVER__LISTEN", server.to_string())
        .env("TURNTABLE_MANAGEMENT__LISTEN", management.to_string())
        .stdout(full)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + DEADLINE;
    while TcpStream::connect(management).is_err() {
        assert!(Instant::now() < until, "the server does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(http::get(management, "/health/live").status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
}
