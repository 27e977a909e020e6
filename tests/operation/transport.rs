//! Transports that are switched on and off, and tunnel formats from the
//! configuration.

use serde_json::json;

use turntable_testkit::metric::transport_key;
use turntable_testkit::poll::{self, PollClient};
use turntable_testkit::tunnel::{self, Tunnel};
use turntable_testkit::websocket::handshake;
use turntable_testkit::workspace::turntable;
use turntable_testkit::{Server, http, request};

const TRANSPORTS: [&str; 3] = ["websocket", "tunnel", "poll"];

/// The status that a transport answers GET with, and those of requests that it
/// would accept.
fn statuses(server: &Server, transport: &str) -> (u16, Vec<u16>) {
    let upgrade = || request(server.address, &handshake("/ws", "Connection: close\r\n"));
    match transport {
        "websocket" => (server.get("/ws").status, vec![upgrade().status]),
        "tunnel" => (
            server.get("/tunnel?new=1&format=sse").status,
            vec![
                server.get("/tunnel/send?d=[]").status,
                tunnel::post(server, &json!([])).status,
                http::send(server.address, "OPTIONS", "/tunnel", "", "").status,
            ],
        ),
        _ => (
            server.get("/poll").status,
            vec![poll::post(server, "/poll", "", "[]").status],
        ),
    }
}

/// A user must be able to connect over this transport.
fn connect(server: &Server, transport: &str) {
    match transport {
        "websocket" => server.user("1:1").bye(),
        "tunnel" => drop(Tunnel::on_channel(server, "1:1", "c")),
        _ => drop(PollClient::on_channel(server, "1:1", "c")),
    }
}

#[test]
fn disabled_transport_is_not_found_and_others_still_work() {
    for disabled in TRANSPORTS {
        let server = Server::with(&[(&transport_key(disabled), "false")]);
        for transport in TRANSPORTS {
            if transport == disabled {
                let (by_get, others) = statuses(&server, transport);
                assert_eq!(by_get, 404, "{transport}");
                assert!(
                    others.iter().all(|status| *status >= 400),
                    "{transport}: {others:?}"
                );
            } else {
                connect(&server, transport);
            }
        }
    }
}

#[test]
fn all_transports_are_enabled_by_default() {
    let server = Server::start();
    for transport in TRANSPORTS {
        connect(&server, transport);
    }
}

/// What `turntable check` reports about a tunnel format; `serve` must not start
/// with it and report the same.
fn check(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, format!("[tunnel.formats.mine]\n{format}\n")).unwrap();
    let run = |command: &[&str]| turntable().args(command).arg(&path).output().unwrap();
    let (check, serve) = (run(&["check"]), run(&["serve", "--config"]));
    assert_eq!(check.status.code(), Some(1));
    assert!(!serve.status.success(), "it starts with {format}");
    let report = String::from_utf8(check.stderr).unwrap();
    let log = String::from_utf8(serve.stderr).unwrap();
    for line in report
        .lines()
        .filter(|line| line.contains("tunnel.formats"))
    {
        let (_, message) = line.split_once("tunnel.formats").unwrap();
        assert!(log.contains(message), "{log:?} without {message:?}");
    }
    report
}

#[test]
fn invalid_tunnel_format_prevents_start_and_reports_position() {
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
        let report = check(&format);
        assert!(report.contains("config.toml:"), "{report}");
        assert!(report.contains("tunnel.formats.mine"), "{report}");
        for word in words {
            assert!(report.contains(word), "{word:?} in {report}");
        }
    }
}
