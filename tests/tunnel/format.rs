//! The built-in formats: what each one writes, and that any data arrives unchanged
//! in each of them.

use std::time::Instant;

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::http::escape;
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::{Tunnel, refused};

use crate::hostile::{HOSTILE, expect_hostile, tunnel_with_hostile};

#[test]
fn unknown_format_is_refused_with_known_names() {
    let server = Server::start();
    for format in [
        "&format=flash",
        "&format=",
        "",
        "&format=SSE",
        "&format=sse%00",
    ] {
        let answer = refused(&server, &format!("new=1&user=1:1{format}"));
        assert_eq!(answer.error(), (400, "bad_message".to_owned()));
        for name in [
            "sse",
            "ndjson",
            "iframe",
            "multipart",
            "longpoll",
            "jsonp",
            "length",
        ] {
            assert!(answer.text().contains(name), "{name} in {}", answer.text());
        }
    }
}

#[test]
fn every_format_has_its_content_type() {
    let server = Server::start();
    for (format, kind) in [
        ("sse", "text/event-stream"),
        ("ndjson", "application/x-ndjson"),
        ("iframe", "text/html; charset=utf-8"),
        ("multipart", "multipart/x-mixed-replace; boundary=turntable"),
        ("longpoll", "application/json"),
        ("jsonp&callback=f", "application/javascript"),
        ("length", "application/octet-stream"),
    ] {
        let stream = Stream::open(&server, &format!("new=1&user=1:1&format={format}"));
        assert_eq!(stream.response.header("Content-Type"), Some(kind));
        let policy = stream.response.header("X-Content-Type-Options");
        assert_eq!(policy, Some("nosniff"), "{format}");
    }
}

#[test]
fn sse_is_a_valid_event_stream() {
    let server = Server::start();
    let (query, id) = tunnel_with_hostile(&server, "sse");
    let mut stream = Stream::open(&server, &query);
    stream.expect("retry: 1000\nevent: open\n");
    stream.expect(&format!("data: {{\"tunnel\":\"{id}\"}}\n\n"));
    for data in HOSTILE {
        let event = stream.until("\n\n");
        let lines: Vec<&str> = event.trim_end().split('\n').collect();
        let [first, second] = lines[..] else {
            panic!("{event:?} is not two lines");
        };
        let text = second.strip_prefix("data: ").unwrap();
        expect_hostile(text, data);
        let datagram: Value = serde_json::from_str(text).unwrap();
        assert_eq!(json!(first.strip_prefix("id: ").unwrap()), datagram["id"]);
    }
}

#[test]
fn ndjson_has_one_datagram_per_line() {
    let server = Server::start();
    let (query, id) = tunnel_with_hostile(&server, "ndjson");
    let mut stream = Stream::open(&server, &query);
    stream.expect(&format!("{{\"tunnel\":\"{id}\"}}\n"));
    for data in HOSTILE {
        expect_hostile(stream.until("\n").trim_end_matches('\n'), data);
    }
}

#[test]
fn multipart_has_one_part_per_datagram() {
    let server = Server::start();
    let (query, id) = tunnel_with_hostile(&server, "multipart");
    let mut stream = Stream::open(&server, &query);
    let head = "Content-Type: application/json\r\n\r\n";
    stream.expect(&format!(
        "--turntable\r\n{head}{{\"tunnel\":\"{id}\"}}\r\n--turntable\r\n"
    ));
    for data in HOSTILE {
        stream.expect(head);
        let part = stream.until("\r\n--turntable\r\n");
        expect_hostile(part.strip_suffix("\r\n--turntable\r\n").unwrap(), data);
    }
}

#[test]
fn length_precedes_each_datagram() {
    let server = Server::start();
    let (query, id) = tunnel_with_hostile(&server, "length");
    let mut stream = Stream::open(&server, &query);
    stream.expect(&format!("35\n{{\"tunnel\":\"{id}\"}}"));
    for data in HOSTILE {
        let length = stream.until("\n").trim_end().parse().unwrap();
        expect_hostile(&stream.take(length), data);
    }
}

/// The value of a JavaScript string literal with escapes.
fn unescape(literal: &str) -> String {
    let mut json = String::from("\"");
    let mut letters = literal.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next().unwrap() {
                'x' => json.push_str("\\u00"),
                '\'' => json.push('\''),
                other => json.extend(['\\', other]),
            },
            letter => json.push(letter),
        }
    }
    json.push('"');
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn iframe_data_cannot_break_out_of_scripts() {
    let server = Server::start();
    let (query, id) = tunnel_with_hostile(&server, "iframe");
    let mut stream = Stream::open(&server, &query);
    let policy = stream.response.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
    let header = stream.until(&format!(
        "<script>parent.turntable.open(\"{id}\")</script>\n"
    ));
    assert!(header.starts_with("<!doctype html>"), "{header}");
    // Browsers render nothing of a shorter page.
    assert!(header.len() > 1024);
    for data in HOSTILE {
        stream.expect("<script>parent.turntable.datagram(\"");
        let script = stream.until("\")</script>\n");
        let literal = script.strip_suffix("\")</script>\n").unwrap();
        assert!(
            !literal.contains(['<', '>', '&', '\u{2028}', '\n']),
            "{literal}"
        );
        expect_hostile(&unescape(literal), data);
    }
}

#[test]
fn longpoll_is_an_array_of_one_batch() {
    let server = Server::start();
    let (query, id) = tunnel_with_hostile(&server, "longpoll");
    let text = Stream::open(&server, &query).rest();
    let batch: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(batch[0], json!({"tunnel": id}));
    assert_eq!(batch.len(), 1 + HOSTILE.len());
    for (datagram, data) in batch[1..].iter().zip(HOSTILE) {
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(datagram["data"], data);
    }
}

#[test]
fn jsonp_calls_callback_with_array() {
    let server = Server::start();
    let (query, id) = tunnel_with_hostile(&server, "jsonp");
    let mut stream = Stream::open(&server, &format!("{query}&callback=my.app.$take_1"));
    let text = stream.rest();
    let list = text.strip_prefix("/**/my.app.$take_1(").unwrap();
    let list = list.strip_suffix(");").unwrap();
    // Older engines treat these characters as line ends.
    assert!(!list.contains(['\u{2028}', '\u{2029}', '\n']), "{list}");
    let batch: Vec<Value> = serde_json::from_str(list).unwrap();
    assert_eq!(batch[0], json!({"tunnel": id}));
    for (datagram, data) in batch[1..].iter().zip(HOSTILE) {
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(datagram["data"], data);
    }
}

#[test]
fn callback_must_be_a_name() {
    let server = Server::start();
    let long = "f".repeat(65);
    for callback in [
        "alert(1)//",
        "f;alert",
        "f\r\nX: y",
        "f\n",
        "a..b",
        ".a",
        "a.",
        "1a",
        "a-b",
        "a[0]",
        "",
        "ünï",
        "<script>",
        "a b",
        "/**/",
        long.as_str(),
    ] {
        let query = format!("new=1&format=jsonp&callback={}", escape(callback));
        assert_eq!(
            refused(&server, &query).error(),
            (400, "bad_message".to_owned())
        );
    }
    refused(&server, "new=1&format=jsonp");
    // Formats without a callback ignore it.
    let query = format!("new=1&format=sse&callback={}", escape("alert(1)"));
    let mut stream = Stream::open(&server, &query);
    assert!(!stream.until("\n\n").contains("alert"));
}

#[test]
fn quiet_tunnel_sends_keepalive_each_interval() {
    let server = Server::with(&[("tunnel.keepalive_ms", "100")]);
    for (format, keepalive) in [
        ("sse", ":\n\n"),
        ("ndjson", "\n"),
        ("iframe", "<!-- -->\n"),
        (
            "multipart",
            "Content-Type: application/json\r\n\r\nnull\r\n--turntable\r\n",
        ),
        ("length", "0\n"),
    ] {
        let tunnel = Tunnel::on_channel(&server, "1:1", "c");
        let query = format!("id={}&format={format}&after={}", tunnel.id, tunnel.last);
        let mut stream = Stream::open(&server, &query);
        let mut text = stream.until(keepalive);
        while !text.ends_with(&format!("{keepalive}{keepalive}")) {
            text.push_str(&stream.take(1));
        }
        let start = Instant::now();
        stream.expect(keepalive);
        let time = start.elapsed();
        assert!(time.as_millis() >= 50, "{format}: {time:?}");
    }
}

#[test]
fn footer_is_sent_last_on_shutdown() {
    let mut server = Server::start();
    let formats = [
        ("sse", "event: close\ndata: {\"close\":1001}\n\n"),
        ("ndjson", "{\"close\":1001}\n"),
        (
            "iframe",
            "<script>parent.turntable.close(1001)</script>\n</body></html>\n",
        ),
        (
            "multipart",
            "Content-Type: application/json\r\n\r\n{\"close\":1001}\r\n--turntable--\r\n",
        ),
        ("length", "14\n{\"close\":1001}"),
    ];
    let mut streams: Vec<Stream> = formats
        .iter()
        .map(|(format, _)| {
            let mut stream = Stream::open(&server, &format!("new=1&user=1:1&format={format}"));
            stream.until("welcome");
            stream
        })
        .collect();
    let mut unidentified = Stream::open(&server, "new=1&format=ndjson");
    unidentified.until("idyou");
    // A tunnel without a batch yet ends in order, too.
    let id = Tunnel::user(&server, "1:2").id;
    let waiting = Tunnel::open(&server, &format!("id={id}&received=0"));
    server.signal("TERM");
    for ((format, footer), stream) in formats.iter().zip(&mut streams) {
        let rest = stream.rest();
        let (before, _) = rest
            .rsplit_once("goaway")
            .unwrap_or_else(|| panic!("{rest}"));
        assert!(!before.contains("close(1"), "{format}: {rest}");
        assert!(rest.ends_with(footer), "{format}: {rest:?}");
    }
    assert!(unidentified.rest().ends_with("{\"close\":1001}\n"));
    drop(waiting);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}
