//! The management listener: metrics and health.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::http::{Response, send, text};
use turntable_testkit::metric::{ACCEPTED, ACTORS_LOST, AVATARS, CONNECTIONS, SESSIONS};
use turntable_testkit::{DEADLINE, Server};

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

/// An alert on the increase of a series does not see the value that it begins with.
#[test]
fn counters_begin_with_0() {
    let server = Server::with(&[("services.forum.providers", "[\"service:forum\"]")]);
    // The owner of the service begins a moment later.
    let start = Instant::now();
    let mut page = server.manage("/metrics");
    while !page.text().contains("{service=\"forum\"}") && start.elapsed() < DEADLINE {
        page = server.manage("/metrics");
    }
    for series in [
        "handshakes_refused_total{name=\"origin\"}",
        "connections_closed_total{name=\"too_slow\"}",
        "errors_total{name=\"rate_limited\"}",
        "limits_reached_total{name=\"limits.publish\"}",
        "limits_reached_total{name=\"server.memory_bytes_max\"}",
        "config_reloads_total{result=\"refused\"}",
        "commands_total{name=\"publish\"}",
        "messages_sent_total{name=\"message\"}",
        "service_errors_total{service=\"forum\",code=\"service_down\"}",
        "service_discarded_total{service=\"forum\"}",
    ] {
        let line = format!("turntable_{series} 0\n");
        assert!(page.text().contains(&line), "no {line}");
    }
    // Those of TLS are there where there is TLS.
    assert!(
        !page
            .text()
            .contains("turntable_tls_handshakes_failed_total{")
    );
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

/// A connection to the operator's listener, on which this was sent.
fn half_sent(server: &Server, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.management).unwrap();
    // It may have ended by then.
    let _ = socket.write_all(text.as_bytes());
    socket
}

#[test]
fn health_is_answered_beside_requests_that_never_end() {
    let server = Server::start();
    for text in [
        "GET /metrics HTTP/1.1\r\nHo",
        "POST /rpc/user/find HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n{",
        // Its answers are not read.
        &"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(30),
        // Nothing follows.
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let unfinished: Vec<TcpStream> = (0..200).map(|_| half_sent(&server, text)).collect();
        let began = Instant::now();
        for _ in 0..3 {
            assert_eq!(server.manage("/health/live").status, 200, "{text}");
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?} beside {text}");
        drop(unfinished);
    }
}

/// An upgrade has no body that ends.
#[test]
fn calls_that_want_an_upgrade_are_refused_at_once_and_hold_nobody_up() {
    let server = Server::start();
    let head = "POST /rpc/user/listAll HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                Upgrade: WebSocket\r\n";
    let body = format!("{head}Content-Length: 2\r\n\r\n{{}}");
    let mut unanswered: Vec<TcpStream> = (0..100)
        .map(|_| half_sent(&server, &format!("{head}\r\n")))
        .collect();
    let began = Instant::now();
    assert_eq!(server.manage("/health/live").status, 200);
    unanswered.extend([half_sent(&server, &body), half_sent(&server, &body)]);
    for socket in unanswered.iter_mut().rev().take(8) {
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("bad_message"), "{answer}");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn hundred_calls_at_the_same_time_are_all_answered() {
    let server = Server::start();
    let json = "Content-Type: application/json\r\n";
    let calls = [
        ("GET", "/node/getStatus", "", 200),
        ("POST", "/rpc/user/listAll", "{}", 200),
        ("GET", "/metrics", "", 200),
        ("POST", "/rpc/user/kick", r#"{"userId": []}"#, 400),
        ("POST", "/rpc/user/kick", "{", 400),
        ("GET", "/session/get/0123456789abcdef", "", 404),
        ("GET", "/user/nothing", "", 404),
        ("POST", "/rpc/user/publish", &"x".repeat(70_000), 413),
    ];
    std::thread::scope(|scope| {
        for index in 0..100 {
            let (method, path, body, expected) = calls[index % calls.len()];
            let server = &server;
            scope.spawn(move || {
                for _ in 0..5 {
                    let answer = send(server.management, method, path, json, body);
                    assert_eq!(answer.status, expected, "{path}: {}", answer.text());
                    let has_sentence = || answer.json()["error"]["message"].as_str().is_some();
                    assert!(expected == 200 || has_sentence(), "{path}");
                }
            });
        }
    });
}

#[test]
fn few_idle_connections_of_the_operator_stay() {
    let server = Server::start();
    let text = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut open: Vec<TcpStream> = (0..16).map(|_| half_sent(&server, text)).collect();
    for socket in &mut open {
        for is_last in [false, true] {
            let mut answer = [0; 1_024];
            let count = socket.read(&mut answer).unwrap();
            assert!(answer[..count].starts_with(b"HTTP/1.1 200 "));
            if !is_last {
                socket.write_all(text.as_bytes()).unwrap();
            }
        }
    }
}

#[test]
fn request_that_came_while_the_server_was_stopped_is_answered() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.management).unwrap();
    // The connection is served once a later one was.
    assert_eq!(server.manage("/health/live").status, 200);
    server.freeze();
    let request = text(server.management, "GET", "/health/live", "", "");
    stream.write_all(request.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    server.thaw();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(Response::parse(&answer).status, 200);
}

#[test]
fn connection_whose_answers_are_not_read_ends() {
    let server = Server::with(&[("server.write_timeout_ms", "300")]);
    let mut stream = TcpStream::connect(server.management).unwrap();
    let host = server.management;
    let requests = format!("GET /openapi.json HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(100);
    stream.write_all(requests.as_bytes()).unwrap();
    server.await_metric(
        "turntable_handshakes_refused_total{name=\"write_timeout\"}",
        1.0,
    );
    // The kernel refuses what comes after it.
    let begin = Instant::now();
    while stream.write_all(b"\r\n").is_ok() {
        assert!(begin.elapsed() < DEADLINE, "it is open");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.manage("/health/live").status, 200);
}

#[test]
fn last_minutes_of_metrics_are_there_for_who_comes_later() {
    let server = Server::start();
    let mut client = server.user("1:1");
    client.command("dance", json!({}));
    client.expect_error("unknown_command");
    // A sample is taken every two seconds.
    let errors = "turntable_errors_total{name=\"unknown_command\"}";
    let start = Instant::now();
    let samples = loop {
        let samples = server.rpc("node/getSamples", &json!({})).json();
        if !samples["series"][errors].is_null() {
            break samples;
        }
        assert!(start.elapsed() < DEADLINE, "{samples}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let times: Vec<u64> = serde_json::from_value(samples["at_ms"].clone()).unwrap();
    assert!(times.is_sorted(), "{times:?}");
    assert!(samples["now_ms"].as_u64() >= times.last().copied());
    let series = samples["series"].as_object().unwrap();
    for (name, values) in series {
        let values = values.as_array().unwrap();
        assert!((1..=times.len()).contains(&values.len()), "{name}");
    }
    let last = |name: &str| series[name].as_array().unwrap().last().cloned();
    assert_eq!(last(errors), Some(json!(1)));
    assert_eq!(last(CONNECTIONS), Some(json!(1)));
    assert_eq!(last(AVATARS), Some(json!(1)));
    assert!(last("turntable_resident_bytes").unwrap().as_u64() > Some(1 << 20));
    // What never happened is left out.
    assert!(!series.contains_key("turntable_errors_total{name=\"internal\"}"));
}
