//! The exact text of every format.

use super::*;

const HEAD: &str = r#"{"id":"00000000000000000000000000","path":"/channel/c/\"<","data":"#;

/// Header, envelope, keepalive and footer.
fn texts(name: &str) -> [String; 4] {
    let format = format(name);
    [
        written(|out| format.header(&OPENING, out)),
        envelope(&format, &published(r#""<hi>""#)),
        written(|out| format.keepalive(&OPENING, out)),
        written(|out| format.footer(&OPENING, out)),
    ]
}

fn datagram() -> String {
    format!(r#"{HEAD}"<hi>"}}"#)
}

#[test]
fn sse() {
    assert_eq!(
        texts("sse"),
        [
            "retry: 1000\nevent: open\ndata: {\"tunnel\":\"AAAAAAAAAAAAAAAAAAAAAA\"}\n\n".into(),
            format!("id: 00000000000000000000000000\ndata: {}\n\n", datagram()),
            ":\n\n".into(),
            "event: close\ndata: {\"close\":1001}\n\n".to_owned(),
        ]
    );
}

#[test]
fn ndjson() {
    assert_eq!(
        texts("ndjson"),
        [
            "{\"tunnel\":\"AAAAAAAAAAAAAAAAAAAAAA\"}\n".into(),
            format!("{}\n", datagram()),
            "\n".into(),
            "{\"close\":1001}\n".to_owned(),
        ]
    );
}

#[test]
fn iframe() {
    let [header, envelope, keepalive, footer] = texts("iframe");
    assert!(
        header.starts_with("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
    );
    assert!(header.len() > 1_024);
    assert!(
        header
            .ends_with("-->\n<script>parent.turntable.open(\"AAAAAAAAAAAAAAAAAAAAAA\")</script>\n")
    );
    assert_eq!(
        envelope,
        concat!(
            r#"<script>parent.turntable.datagram("{\u0022id\u0022:\u002200000000000000000000000000\u0022,"#,
            r#"\u0022path\u0022:\u0022/channel/c/\\\u0022\u003c\u0022,"#,
            r#"\u0022data\u0022:\u0022\u003chi\u003e\u0022}")</script>"#,
            "\n"
        )
    );
    assert_eq!(keepalive, "<!-- -->\n");
    assert_eq!(
        footer,
        "<script>parent.turntable.close(1001)</script>\n</body></html>\n"
    );
}

#[test]
fn multipart() {
    let head = "Content-Type: application/json\r\n\r\n";
    assert_eq!(
        texts("multipart"),
        [
            format!(
                "--turntable\r\n{head}{{\"tunnel\":\"AAAAAAAAAAAAAAAAAAAAAA\"}}\r\n--turntable\r\n"
            ),
            format!("{head}{}\r\n--turntable\r\n", datagram()),
            format!("{head}null\r\n--turntable\r\n"),
            format!("{head}{{\"close\":1001}}\r\n--turntable--\r\n"),
        ]
    );
}

#[test]
fn longpoll() {
    assert_eq!(
        texts("longpoll"),
        [
            "[{\"tunnel\":\"AAAAAAAAAAAAAAAAAAAAAA\"}".into(),
            format!(",{}", datagram()),
            " ".into(),
            "]".to_owned(),
        ]
    );
}

#[test]
fn jsonp() {
    assert_eq!(
        texts("jsonp"),
        [
            "/**/app.got([{\"tunnel\":\"AAAAAAAAAAAAAAAAAAAAAA\"}".into(),
            format!(",{}", datagram()),
            String::new(),
            "]);".to_owned(),
        ]
    );
}

#[test]
fn length() {
    let datagram = datagram();
    assert_eq!(
        texts("length"),
        [
            "35\n{\"tunnel\":\"AAAAAAAAAAAAAAAAAAAAAA\"}".into(),
            format!("{}\n{datagram}", datagram.len()),
            "0\n".into(),
            "14\n{\"close\":1001}".to_owned(),
        ]
    );
}

#[test]
fn built_in_formats_have_the_documented_properties() {
    let rows: Vec<_> = built_in()
        .iter()
        .map(|format| {
            (
                format.name().to_owned(),
                format.content_type().to_owned(),
                format.encoding(),
                format.is_once(),
                format.needs_callback(),
                format.is_personal(),
            )
        })
        .collect();
    let row = |name: &str, content_type: &str, encoding, once, callback| {
        (
            name.to_owned(),
            content_type.to_owned(),
            encoding,
            once,
            callback,
            false,
        )
    };
    let plain = Encoding::None;
    assert_eq!(
        rows,
        [
            row("sse", "text/event-stream", plain, false, false),
            row("ndjson", "application/x-ndjson", plain, false, false),
            row(
                "iframe",
                "text/html; charset=utf-8",
                Encoding::JsString,
                false,
                false
            ),
            row(
                "multipart",
                "multipart/x-mixed-replace; boundary=turntable",
                plain,
                false,
                false
            ),
            row("longpoll", "application/json", plain, true, false),
            row("jsonp", "application/javascript", plain, true, true),
            row("length", "application/octet-stream", plain, false, false),
        ]
    );
}

#[test]
fn each_letter_inserts_its_value() {
    let format = enveloped("%i|%p|%D|%t|%T|%c|%%d|%d", Encoding::None);
    assert!(format.is_personal() && format.needs_callback());
    assert_eq!(
        envelope(&format, &published("[1.50,\n{}]")),
        format!(
            "00000000000000000000000000|/channel/c/\"<|[1.50, {{}}]|{T}|1700000000123|app.got|%d|{HEAD}[1.50, {{}}]}}"
        )
    );
    let format = enveloped("%D %%t%%T%%c", Encoding::None);
    assert!(!format.is_personal() && !format.needs_callback());
}

#[test]
fn every_client_chosen_value_is_encoded() {
    let data = "\"\\\\ '&<>\u{2028}\u{2029}\u{7f}\u{e9}\"";
    let path_and_data = |encoding| envelope(&enveloped("%p %D", encoding), &published(data));
    assert_eq!(
        path_and_data(Encoding::None),
        format!("/channel/c/\"< {data}")
    );
    assert_eq!(
        path_and_data(Encoding::JsString),
        "/channel/c/\\u0022\\u003c \\u0022\\\\\\\\ \\u0027\\u0026\\u003c\\u003e\\u2028\\u2029\\u007f\u{e9}\\u0022"
    );
    assert_eq!(
        path_and_data(Encoding::Html),
        "/channel/c/&quot;&lt; &quot;\\\\ &#39;&amp;&lt;&gt;\u{2028}\u{2029}\u{7f}\u{e9}&quot;"
    );
    let base64 = enveloped("%D", Encoding::Base64);
    for (data, expected) in [
        ("1", "MQ=="),
        ("12", "MTI="),
        ("123", "MTIz"),
        ("\"a?>\"", "ImE/PiI="),
        ("\"\u{fb}\u{ff}\"", "IsO7w78i"),
    ] {
        assert_eq!(envelope(&base64, &published(data)), expected);
    }
}

#[test]
fn end_of_a_tunnel_is_written_in_an_envelope() {
    for (name, expected) in [
        ("longpoll", ",{\"close\":1001}]"),
        ("jsonp", ",{\"close\":1001}]);"),
    ] {
        let mut out = Vec::new();
        format(name).closing(&OPENING, &mut out);
        format(name).footer(&OPENING, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn length_is_that_of_the_inserted_text() {
    for encoding in [
        Encoding::None,
        Encoding::JsString,
        Encoding::Html,
        Encoding::Base64,
    ] {
        let text = envelope(&enveloped("%l:%d", encoding), &published("\"ü<\""));
        let (length, rest) = text.split_once(':').unwrap();
        assert_eq!(length, rest.len().to_string(), "{encoding:?}");
        // The length does not depend on its position.
        let text = envelope(&enveloped("%d %l", encoding), &published("\"ü<\""));
        let (whole, length) = text.rsplit_once(' ').unwrap();
        assert_eq!(length, whole.len().to_string());
        assert_eq!(whole, rest);
    }
}
