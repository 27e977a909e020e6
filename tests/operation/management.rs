//! The management listener: metrics and health.

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::http::send;
use turntable_testkit::metric::{ACCEPTED, ACTORS_LOST, AVATARS, CONNECTIONS, SESSIONS};

#[test]
fn metrics_are_in_prometheus_format() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client.command("dance", json!({}));
    client.expect_error("unknown_command");
    client.request("lookup", json!([]));
    let page = server.manage("/metrics");
    assert_eq!(page.status, 200);
    let kind = page.header("Content-Type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = page.text();
    assert!(text.ends_with("# EOF\n"));
    for line in [
        format!("# TYPE {CONNECTIONS} gauge"),
        format!("{CONNECTIONS} 1"),
        format!("{ACCEPTED} 1"),
        format!("{SESSIONS} 1"),
        "turntable_commands_total{name=\"idme\"} 1".to_owned(),
        "turntable_commands_total{name=\"lookup\"} 1".to_owned(),
        "turntable_errors_total{name=\"unknown_command\"} 1".to_owned(),
        format!("{AVATARS} 1"),
        format!("{ACTORS_LOST} 0"),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "no {line} in\n{text}"
        );
    }
    assert!(server.metric("turntable_received_bytes_total") > 0.0);
    assert!(server.metric("turntable_sent_bytes_total") > 0.0);
    drop(client);
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn health_endpoints_answer() {
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
fn management_pages_answer_head_and_refuse_other_methods() {
    let server = Server::start();
    for path in ["/metrics", "/health", "/health/live", "/health/ready"] {
        let [get, head, post] =
            ["GET", "HEAD", "POST"].map(|method| send(server.management, method, path, "", ""));
        assert_eq!(
            (get.status, head.status, post.status),
            (200, 200, 405),
            "{path}"
        );
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"));
        assert!(head.body.is_empty(), "{path}");
        assert!(!get.body.is_empty(), "{path}");
        assert_eq!(post.header("Allow"), Some("GET, HEAD"));
        assert_eq!(post.error(), (405, "bad_message".to_owned()));
    }
    assert_eq!(
        send(server.management, "HEAD", "/other", "", "").status,
        404
    );
    let short = server.manage("/health");
    assert_eq!(short.json(), server.manage("/health/ready").json());
}

#[test]
fn management_and_public_pages_are_on_separate_listeners() {
    let server = Server::start();
    for path in ["/metrics", "/health", "/health/live", "/health/ready"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.manage("/index.html").status, 404);
    assert_eq!(server.manage("/ws").status, 404);
}
