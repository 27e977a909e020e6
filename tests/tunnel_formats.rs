//! The formats of tunnels: what each one writes, and that whatever is published
//! arrives as it was, in each of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod stream;
mod support;

use serde_json::{Value, json};
use stream::{Stream, Tunnel, ask, encode, fault, refused};
use support::Server;

/// What could break out of a format, as the data of publications.
const NASTY: &[&str] = &[
    r#""</script><script>alert(1)</script>""#,
    r#""<!-- --> <![CDATA[ ]]> &lt; &amp;""#,
    "\"\u{2028}\u{2029}\u{feff}\u{1f600}\"",
    r#""\u2028 \u0000 \ud83d\ude00""#,
    r#""line\nline\r\n\r\nline""#,
    r#""\r\n--turntable\r\nContent-Type: text/html\r\n\r\n--turntable--\r\n""#,
    r#""--turntable--""#,
    r#""data: x\n\nevent: close\nid: 7""#,
    r#""'); alert('x'); //\\""#,
    r#""\\\\u003c \\\" \" ' ` ${x}""#,
    r#""%d %D %i %t %% %c""#,
    "\"])}, \\\"close\\\": true\"",
    "{\"a\" :\n[1,\r\n\t2 ] }",
    "0",
    "\"\"",
    "null",
];

/// Publishes everything nasty on a channel.
fn publish_nasty(server: &Server, channel: &str) {
    let friend = Tunnel::of(server, "1:9");
    for data in NASTY {
        let (id, path) = (&friend.id, format!("/channel/{channel}"));
        let body = format!(r#"{{"tunnel": "{id}", "path": "{path}", "data": {data}}}"#);
        let answer = ask(server, "POST", "/tunnel/send", "", &body);
        assert_eq!(answer.json(), json!({"ok": true}), "{data}");
    }
}

/// A tunnel on the channel `c` that has to come back to get everything nasty.
/// Returns the query that does.
fn with_nasty(server: &Server, format: &str) -> (String, String) {
    let tunnel = Tunnel::on(server, "1:1", "c");
    publish_nasty(server, "c");
    let query = format!("id={}&format={format}&after={}", tunnel.id, tunnel.last);
    (query, tunnel.id)
}

/// The datagram has to be the next of the nasty ones.
fn expect_nasty(text: &str, data: &str) {
    let datagram: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
    assert_eq!(datagram["path"], "/channel/c");
    assert_eq!(datagram["id"].as_str().unwrap().len(), 26);
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(datagram["data"], data);
    assert!(!text.contains(['\n', '\r']), "{text:?}");
}

#[test]
fn an_unknown_format_is_refused_with_the_names_of_those_there_are() {
    let server = Server::start();
    for format in [
        "&format=flash",
        "&format=",
        "",
        "&format=SSE",
        "&format=sse%00",
    ] {
        let answer = refused(&server, &format!("new=1&user=1:1{format}"));
        assert_eq!(fault(&answer), (400, "bad_message".to_owned()));
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
fn sse_is_what_an_event_source_reads() {
    let server = Server::start();
    let (query, id) = with_nasty(&server, "sse");
    let mut stream = Stream::open(&server, &query);
    stream.expect("retry: 1000\nevent: open\n");
    stream.expect(&format!("data: {{\"tunnel\":\"{id}\"}}\n\n"));
    for data in NASTY {
        let event = stream.until("\n\n");
        let lines: Vec<&str> = event.trim_end().split('\n').collect();
        let [first, second] = lines[..] else {
            panic!("{event:?} is not two lines");
        };
        let text = second.strip_prefix("data: ").unwrap();
        expect_nasty(text, data);
        let datagram: Value = serde_json::from_str(text).unwrap();
        assert_eq!(json!(first.strip_prefix("id: ").unwrap()), datagram["id"]);
    }
}

#[test]
fn ndjson_is_a_datagram_on_each_line() {
    let server = Server::start();
    let (query, id) = with_nasty(&server, "ndjson");
    let mut stream = Stream::open(&server, &query);
    stream.expect(&format!("{{\"tunnel\":\"{id}\"}}\n"));
    for data in NASTY {
        expect_nasty(stream.until("\n").trim_end_matches('\n'), data);
    }
}

#[test]
fn multipart_is_a_part_for_each_datagram() {
    let server = Server::start();
    let (query, id) = with_nasty(&server, "multipart");
    let mut stream = Stream::open(&server, &query);
    let head = "Content-Type: application/json\r\n\r\n";
    stream.expect(&format!(
        "--turntable\r\n{head}{{\"tunnel\":\"{id}\"}}\r\n--turntable\r\n"
    ));
    for data in NASTY {
        stream.expect(head);
        let part = stream.until("\r\n--turntable\r\n");
        expect_nasty(part.strip_suffix("\r\n--turntable\r\n").unwrap(), data);
    }
}

#[test]
fn length_says_how_many_bytes_a_datagram_has() {
    let server = Server::start();
    let (query, id) = with_nasty(&server, "length");
    let mut stream = Stream::open(&server, &query);
    stream.expect(&format!("35\n{{\"tunnel\":\"{id}\"}}"));
    for data in NASTY {
        let length = stream.until("\n").trim_end().parse().unwrap();
        expect_nasty(&stream.take(length), data);
    }
}

/// What a script engine makes of a string literal with escapes.
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
fn iframe_is_a_page_of_scripts_that_nothing_breaks_out_of() {
    let server = Server::start();
    let (query, id) = with_nasty(&server, "iframe");
    let mut stream = Stream::open(&server, &query);
    let policy = stream.response.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
    let header = stream.until(&format!(
        "<script>parent.turntable.open(\"{id}\")</script>\n"
    ));
    assert!(header.starts_with("<!doctype html>"), "{header}");
    // Browsers show nothing of a shorter page.
    assert!(header.len() > 1024);
    for data in NASTY {
        stream.expect("<script>parent.turntable.datagram(\"");
        let script = stream.until("\")</script>\n");
        let literal = script.strip_suffix("\")</script>\n").unwrap();
        assert!(
            !literal.contains(['<', '>', '&', '\u{2028}', '\n']),
            "{literal}"
        );
        expect_nasty(&unescape(literal), data);
    }
}

#[test]
fn longpoll_is_an_array_of_one_batch() {
    let server = Server::start();
    let (query, id) = with_nasty(&server, "longpoll");
    let text = Stream::open(&server, &query).rest();
    let batch: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(batch[0], json!({"tunnel": id}));
    assert_eq!(batch.len(), 1 + NASTY.len());
    for (datagram, data) in batch[1..].iter().zip(NASTY) {
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(datagram["data"], data);
    }
}

#[test]
fn jsonp_calls_the_callback_with_an_array() {
    let server = Server::start();
    let (query, id) = with_nasty(&server, "jsonp");
    let mut stream = Stream::open(&server, &format!("{query}&callback=my.app.$take_1"));
    let text = stream.rest();
    let list = text.strip_prefix("/**/my.app.$take_1(").unwrap();
    let list = list.strip_suffix(");").unwrap();
    // Older engines end a line there.
    assert!(!list.contains(['\u{2028}', '\u{2029}', '\n']), "{list}");
    let batch: Vec<Value> = serde_json::from_str(list).unwrap();
    assert_eq!(batch[0], json!({"tunnel": id}));
    for (datagram, data) in batch[1..].iter().zip(NASTY) {
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(datagram["data"], data);
    }
}

#[test]
fn a_callback_is_a_name_and_nothing_else() {
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
        let query = format!("new=1&format=jsonp&callback={}", encode(callback));
        assert_eq!(
            fault(&refused(&server, &query)),
            (400, "bad_message".to_owned())
        );
    }
    refused(&server, "new=1&format=jsonp");
    // In a format without one it is not looked at.
    let query = format!("new=1&format=sse&callback={}", encode("alert(1)"));
    let mut stream = Stream::open(&server, &query);
    assert!(!stream.until("\n\n").contains("alert"));
}

#[test]
fn a_quiet_tunnel_shows_a_sign_of_life_each_interval() {
    let server = Server::with(&[("tunnel.keepalive_ms", "100")]);
    for (format, sign) in [
        ("sse", ":\n\n"),
        ("ndjson", "\n"),
        ("iframe", "<!-- -->\n"),
        (
            "multipart",
            "Content-Type: application/json\r\n\r\nnull\r\n--turntable\r\n",
        ),
        ("length", "0\n"),
    ] {
        let tunnel = Tunnel::on(&server, "1:1", "c");
        let query = format!("id={}&format={format}&after={}", tunnel.id, tunnel.last);
        let mut stream = Stream::open(&server, &query);
        let mut text = stream.until(sign);
        while !text.ends_with(&format!("{sign}{sign}")) {
            text.push_str(&stream.take(1));
        }
        let (_, time) = stream::timed(|| stream.expect(sign));
        assert!(time.as_millis() >= 50, "{format}: {time:?}");
    }
}

#[test]
fn the_footer_is_the_last_there_is_when_the_server_stops() {
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
    let mut nobody = Stream::open(&server, "new=1&format=ndjson");
    nobody.until("idyou");
    // One that waits for its first batch ends whole, too.
    let id = Tunnel::of(&server, "1:2").id;
    let kept = Tunnel::open(&server, &format!("id={id}&received=0"));
    server.signal("TERM");
    for ((format, footer), stream) in formats.iter().zip(&mut streams) {
        let rest = stream.rest();
        let (before, _) = rest
            .rsplit_once("goaway")
            .unwrap_or_else(|| panic!("{rest}"));
        assert!(!before.contains("close(1"), "{format}: {rest}");
        assert!(rest.ends_with(footer), "{format}: {rest:?}");
    }
    assert!(nobody.rest().ends_with("{\"close\":1001}\n"));
    drop(kept);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

const OWN: &str = r#"
[tunnel.formats.lines]
content_type = "text/x-lines"
encoding = "base64"
header = "hello %t at %T, 100%%\n"
envelope = "%i %p %l %d %D\n"
keepalive = "...\n"
footer = "bye %t\n"

[tunnel.formats.page]
content_type = "text/html"
encoding = "html"
header = "<ul>\n"
envelope = "<li title='%p'>%D</li>\n"
keepalive = " "
footer = "</ul>\n"

[tunnel.formats.sse]
content_type = "text/event-stream"
header = ": mine\n\n"
envelope = "data: %d\n\n"
keepalive = ":\n\n"
footer = ": bye\n\n"
"#;

fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = alphabet.iter().position(|known| *known == letter).unwrap();
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[test]
fn a_format_of_ones_own_needs_a_configuration_and_nothing_else() {
    let mut server = Server::configured(OWN, &[]);
    let (query, id) = with_nasty(&server, "lines");
    let mut stream = Stream::open(&server, &query);
    assert_eq!(stream.response.header("Content-Type"), Some("text/x-lines"));
    stream.expect(&format!("hello {id} at "));
    let time = stream.until(", 100%\n");
    assert!(time.starts_with("17") && time.len() == 13 + 7, "{time}");
    for data in NASTY {
        let line = stream.until("\n");
        let fields: Vec<&str> = line.trim_end().split(' ').collect();
        let [datagram_id, path, length, datagram, payload] = fields[..] else {
            panic!("{line}");
        };
        assert_eq!(base64(path), b"/channel/c");
        assert_eq!(length, datagram.len().to_string());
        let datagram = String::from_utf8(base64(datagram)).unwrap();
        expect_nasty(&datagram, data);
        assert!(datagram.contains(datagram_id));
        let payload = String::from_utf8(base64(payload)).unwrap();
        assert_eq!(payload, data.replace(['\n', '\r'], " "));
    }
    // One under the name of a built-in one takes its place.
    let mut mine = Stream::open(&server, "new=1&format=sse");
    mine.expect(": mine\n\n");
    server.signal("TERM");
    assert!(stream.rest().ends_with(&format!("bye {id}\n")));
    assert!(mine.rest().ends_with(": bye\n\n"));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn what_is_published_stays_text_in_a_page_of_ones_own() {
    let server = Server::configured(OWN, &[]);
    let (query, _) = with_nasty(&server, "page");
    let mut stream = Stream::open(&server, &query);
    stream.expect("<ul>\n");
    for data in NASTY {
        stream.expect("<li title='/channel/c'>");
        let text = stream.until("</li>\n");
        let text = text.strip_suffix("</li>\n").unwrap();
        assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&");
        assert_eq!(text, data.replace(['\n', '\r'], " "));
    }
}
