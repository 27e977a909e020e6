//! Doors as an operator opens and shuts them, and formats of tunnels as an
//! operator writes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod caller;
mod stream;
mod support;

use std::process::Command;

use caller::{Caller, poll};
use stream::{Tunnel, ask, post};
use support::{Server, handshake, request};

/// The answers of a door to one that asks for it with GET, and to requests that
/// it would take.
fn knock(server: &Server, door: &str) -> (u16, Vec<u16>) {
    let upgrade = || request(server.address, &handshake("/ws", "Connection: close\r\n"));
    match door {
        "websocket" => (server.get("/ws").status, vec![upgrade().status]),
        "tunnel" => (
            server.get("/tunnel?new=1&format=sse").status,
            vec![
                server.get("/tunnel/send?d=[]").status,
                post(server, &serde_json::json!([])).status,
                ask(server, "OPTIONS", "/tunnel", "", "").status,
            ],
        ),
        _ => (
            server.get("/poll").status,
            vec![poll(server, "/poll", "", "[]").status],
        ),
    }
}

/// That the door lets users in.
fn use_door(server: &Server, door: &str) {
    match door {
        "websocket" => server.user("1:1").bye(),
        "tunnel" => drop(Tunnel::on(server, "1:1", "c")),
        _ => drop(Caller::on(server, "1:1", "c")),
    }
}

#[test]
fn a_door_that_is_off_is_not_found_and_the_others_are_as_they_were() {
    let doors = ["websocket", "tunnel", "poll"];
    for off in doors {
        let server = Server::with(&[(&format!("transports.{off}"), "false")]);
        for door in doors {
            if door == off {
                let (by_get, others) = knock(&server, door);
                assert_eq!(by_get, 404, "{door}");
                assert!(
                    others.iter().all(|status| *status >= 400),
                    "{door}: {others:?}"
                );
            } else {
                use_door(&server, door);
            }
        }
    }
}

#[test]
fn with_nothing_configured_all_doors_are_open() {
    let server = Server::start();
    for door in ["websocket", "tunnel", "poll"] {
        use_door(&server, door);
    }
}

/// What `turntable check` says of a format, and whether `serve` starts with it.
fn told_of(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, format!("[tunnel.formats.mine]\n{format}\n")).unwrap();
    let run = |command: &[&str]| {
        let mut turntable = Command::new(env!("CARGO_BIN_EXE_turntable"));
        turntable.args(command).arg(&path).output().unwrap()
    };
    let (check, serve) = (run(&["check"]), run(&["serve", "--config"]));
    assert_eq!(check.status.code(), Some(1));
    assert!(!serve.status.success(), "it starts with {format}");
    let told = String::from_utf8(check.stderr).unwrap();
    let log = String::from_utf8(serve.stderr).unwrap();
    for line in told.lines().filter(|line| line.contains("tunnel.formats")) {
        let (_, message) = line.split_once("tunnel.formats").unwrap();
        assert!(log.contains(message), "{log:?} without {message:?}");
    }
    told
}

#[test]
fn a_broken_format_stops_the_start_and_is_told_with_its_place() {
    let whole = "content_type = \"text/plain\"\nheader = \"\"\nkeepalive = \"\"\nfooter = \"\"\n";
    for (format, words) in [
        (format!("{whole}envelope = \"%x\""), vec!["%x"]),
        (format!("{whole}envelope = \"no datagram\""), vec!["%d"]),
        (format!("{whole}envelope = \"%d %\""), vec!["%"]),
        (
            "content_type = \"text/plain\"\nheader = \"%d\"\nenvelope = \"%d\"\n\
             keepalive = \"\"\nfooter = \"\""
                .to_owned(),
            vec!["%d"],
        ),
        (
            "content_type = \"text\"\nheader = \"\"\nenvelope = \"%d\"\nkeepalive = \"\"\nfooter = \"\""
                .to_owned(),
            vec!["TYPE/SUBTYPE"],
        ),
        (
            "content_type = \"text/plain\\r\\nX: y\"\nheader = \"\"\nenvelope = \"%d\"\n\
             keepalive = \"\"\nfooter = \"\""
                .to_owned(),
            vec!["TYPE/SUBTYPE"],
        ),
        (format!("{whole}envelope = \"%d\"\nencoding = \"rot13\""), vec!["rot13", "base64"]),
        (format!("{whole}envelope = \"%d\"\nfoter = \"x\""), vec!["foter", "footer"]),
        (format!("{whole}envelope = \"{}%d\"", "x".repeat(20_000)), vec!["16384"]),
    ] {
        let told = told_of(&format);
        assert!(told.contains("config.toml:"), "{told}");
        assert!(told.contains("tunnel.formats.mine"), "{told}");
        for word in words {
            assert!(told.contains(word), "{word:?} in {told}");
        }
    }
}
