//! What an operator sees, and the pages that browsers get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::{Response, Server, request};

fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Response {
    let address = server.address;
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n"
    );
    request(address, &text)
}

#[test]
fn metrics_are_for_prometheus() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client.command("dance", json!({}));
    client.expect_error("unknown_command");
    client.ask("lookup", json!([]));
    let page = server.manage("/metrics");
    assert_eq!(page.status, 200);
    let kind = page.header("Content-Type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = page.text();
    assert!(text.ends_with("# EOF\n"));
    for line in [
        "# TYPE turntable_connections gauge",
        "turntable_connections 1",
        "turntable_connections_accepted_total 1",
        "turntable_sessions 1",
        "turntable_commands_total{name=\"idme\"} 1",
        "turntable_commands_total{name=\"lookup\"} 1",
        "turntable_errors_total{name=\"unknown_command\"} 1",
        "turntable_actors{name=\"avatar\"} 1",
        "turntable_actors_lost_total 0",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "no {line} in\n{text}"
        );
    }
    assert!(server.metric("turntable_received_bytes_total") > 0.0);
    assert!(server.metric("turntable_sent_bytes_total") > 0.0);
    drop(client);
    server.await_metric("turntable_connections", 0.0);
}

#[test]
fn health_is_told() {
    let server = Server::start();
    let live = server.manage("/health/live");
    assert_eq!((live.status, live.json()), (200, json!({"status": "live"})));
    let ready = server.manage("/health/ready");
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"status": "ready"}))
    );
}

#[test]
fn the_operators_pages_are_not_on_the_public_listener_nor_the_other_way() {
    let server = Server::start();
    for path in ["/metrics", "/health/live", "/health/ready"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.manage("/index.html").status, 404);
    assert_eq!(server.manage("/ws").status, 404);
}

#[test]
fn pages_have_their_types() {
    let server = Server::start();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/strike/", "text/html; charset=utf-8"),
        ("/friends/", "text/html; charset=utf-8"),
        ("/turntable.js", "text/javascript; charset=utf-8"),
    ] {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("Content-Type"), Some(kind), "{path}");
        assert!(!page.body.is_empty(), "{path}");
    }
}

#[test]
fn pages_may_run_and_show_what_is_ours_only() {
    let server = Server::start();
    let page = server.get("/");
    let policy = page.header("Content-Security-Policy").unwrap();
    for part in ["default-src 'self'", "object-src 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe-"), "{policy}");
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
}

#[test]
fn a_page_that_is_known_is_not_sent_again() {
    let server = Server::start();
    let page = server.get("/turntable.js");
    let tag = page.header("ETag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    for known in [
        tag.to_owned(),
        format!("\"other\", {tag}"),
        format!("W/{tag}"),
        "*".to_owned(),
    ] {
        let again = ask(
            &server,
            "GET",
            "/turntable.js",
            &format!("If-None-Match: {known}\r\n"),
        );
        assert_eq!(again.status, 304, "{known}");
        assert!(again.body.is_empty());
        assert_eq!(again.header("ETag"), Some(tag));
    }
    let other = ask(
        &server,
        "GET",
        "/turntable.js",
        "If-None-Match: \"other\"\r\n",
    );
    assert_eq!((other.status, other.body.len()), (200, page.body.len()));
}

#[test]
fn a_folder_is_sent_to_its_slash() {
    let server = Server::start();
    let answer = server.get("/strike");
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("Location"), Some("/strike/"));
    let answer = server.get("/strike?room=a%2Fb&x=1");
    assert_eq!(answer.header("Location"), Some("/strike/?room=a%2Fb&x=1"));
    // Never to another host.
    for path in ["//evil.example", "//strike", "/\\evil.example"] {
        let answer = server.get(path);
        if let Some(place) = answer.header("Location") {
            let second = place.as_bytes().get(1);
            assert!(
                place.starts_with('/') && !matches!(second, Some(b'/' | b'\\')),
                "{place}"
            );
        }
    }
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let server = Server::start();
    for path in [
        "/../Cargo.toml",
        "/strike/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/%2E%2E%2FCargo.toml",
        "/..%2fCargo.toml",
        "/..%5cCargo.toml",
        "/strike/..",
        "/strike/../index.html",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/./../Cargo.toml",
        "/index.html%00",
        "/nowhere",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "not_found", "{path}");
    }
}

#[test]
fn the_head_of_a_page_is_that_of_the_page() {
    let server = Server::start();
    let page = server.get("/");
    let head = ask(&server, "HEAD", "/", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("ETag"), page.header("ETag"));
    let length = page.body.len().to_string();
    assert_eq!(head.header("Content-Length"), Some(length.as_str()));
}

#[test]
fn pages_are_read_and_not_written() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(&server, method, "/index.html", "Content-Length: 0\r\n");
        assert_eq!(answer.status, 405, "{method}");
    }
}
