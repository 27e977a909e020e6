//! Formats that an operator configures.

use turntable_testkit::Server;
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::Tunnel;

use crate::hostile::{HOSTILE, expect_hostile, tunnel_with_hostile};

/// The formats of an operator.
const FORMATS: &str = r#"
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
fn custom_format_needs_only_configuration() {
    let mut server = Server::configured(FORMATS, &[]);
    let (query, id) = tunnel_with_hostile(&server, "lines");
    let mut stream = Stream::open(&server, &query);
    assert_eq!(stream.response.header("Content-Type"), Some("text/x-lines"));
    stream.expect(&format!("hello {id} at "));
    let time = stream.until(", 100%\n");
    assert!(time.starts_with("17") && time.len() == 13 + 7, "{time}");
    for data in HOSTILE {
        let line = stream.until("\n");
        let fields: Vec<&str> = line.trim_end().split(' ').collect();
        let [datagram_id, path, length, datagram, payload] = fields[..] else {
            panic!("{line}");
        };
        assert_eq!(base64(path), b"/channel/c");
        assert_eq!(length, datagram.len().to_string());
        let datagram = String::from_utf8(base64(datagram)).unwrap();
        expect_hostile(&datagram, data);
        assert!(datagram.contains(datagram_id));
        let payload = String::from_utf8(base64(payload)).unwrap();
        assert_eq!(payload, data.replace(['\n', '\r'], " "));
    }
    // A configured format replaces the built-in one of the same name.
    let mut mine = Stream::open(&server, "new=1&format=sse");
    mine.expect(": mine\n\n");
    server.signal("TERM");
    assert!(stream.rest().ends_with(&format!("bye {id}\n")));
    assert!(mine.rest().ends_with(": bye\n\n"));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn custom_html_format_escapes_data() {
    let server = Server::configured(FORMATS, &[]);
    let (query, _) = tunnel_with_hostile(&server, "page");
    let mut stream = Stream::open(&server, &query);
    stream.expect("<ul>\n");
    for data in HOSTILE {
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

#[test]
fn personal_format_names_the_reader_in_what_it_shared_before() {
    // `%t` is a secret: that of another session must never be read.
    let file = "[tunnel.formats.own]\ncontent_type = \"text/plain\"\nenvelope = \"%t %D\\n\"\n";
    let server = Server::configured(file, &[("server.workers", "1")]);
    let mut tunnels = [
        Tunnel::on_channel(&server, "1:1", "c"),
        Tunnel::on_channel(&server, "1:2", "c"),
    ];
    for tunnel in &mut tunnels {
        tunnel.stream.cut();
    }
    Tunnel::user(&server, "1:3").publish("c", serde_json::json!("for both"));
    for tunnel in &tunnels {
        let query = format!("id={}&format=own&after={}", tunnel.id, tunnel.last);
        let line = Stream::open(&server, &query).until("\n");
        assert!(line.starts_with(&format!("{} ", tunnel.id)), "{line}");
        assert!(line.contains("for both"), "{line}");
    }
}
