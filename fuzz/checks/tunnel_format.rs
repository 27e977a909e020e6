//! Any settings of a format are refused with a message or can be rendered; published data
//! cannot change the structure of the built-in formats.
//!
//! An input consists of lines: name, encoding's digit, content type, header, envelope,
//! keepalive and footer; the rest is a payload.

use serde_json::value::RawValue;
use turntable_core::id::MessageId;
use turntable_wire::datagram::{Datagram, Receiver};
use turntable_wire::tunnel_format::{
    Encoding, Format, FormatSettings, Opening, Template, built_in, is_callback,
};

const T: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn rendered(format: &Format, message: &str, opening: &Opening<'_>) -> String {
    let to = Receiver {
        tunnel: T,
        user: None,
    };
    let datagram = Datagram::of(message, MessageId::nil(), &to).expect("a message");
    let mut out = Vec::new();
    format.envelope(&datagram, opening, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn own(format: &Format, message: &str) {
    let opening = Opening {
        tunnel: T,
        now_ms: u64::MAX,
        callback: Some("f"),
        code: 4999,
    };
    let text = rendered(format, message, &opening);
    if !format.is_personal() {
        assert_eq!(text, rendered(format, message, &Opening::default()));
    }
    let mut out = Vec::new();
    format.header(&opening, &mut out);
    format.keepalive(&opening, &mut out);
    format.footer(&opening, &mut out);
    assert!(String::from_utf8(out).is_ok());
    assert!(
        format
            .content_type()
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte))
    );
}

/// Data of another client cannot end the frame around it.
fn framed(message: &str) {
    for format in built_in() {
        let text = rendered(&format, message, &Opening::default());
        let inner = |head: &str, tail: &str| {
            let inner = text
                .strip_prefix(head)
                .and_then(|rest| rest.strip_suffix(tail));
            inner.expect("its frame").to_owned()
        };
        let json = match format.name() {
            "sse" => inner("id: 00000000000000000000000000\ndata: ", "\n\n"),
            "ndjson" => inner("", "\n"),
            "multipart" => inner(
                "Content-Type: application/json\r\n\r\n",
                "\r\n--turntable\r\n",
            ),
            "longpoll" | "jsonp" => inner(",", ""),
            "length" => {
                let (length, json) = text.split_once('\n').expect("a length");
                assert_eq!(length, json.len().to_string());
                json.to_owned()
            }
            "iframe" => {
                let string = inner("<script>parent.turntable.datagram(", ")</script>\n");
                let content = string.trim_matches('"');
                assert!(!content.contains(['"', '\'', '<', '>', '&', '\u{2028}', '\u{2029}']));
                // The JavaScript escapes that the encoding writes are valid in JSON, too.
                serde_json::from_str(&string).expect("a string")
            }
            name => unreachable!("no reader for {name}"),
        };
        assert!(!json.contains(['\n', '\r']));
        if format.needs_callback() {
            assert!(!json.contains(['\u{2028}', '\u{2029}']));
        }
        assert!(serde_json::from_str::<&RawValue>(&json).is_ok(), "{json}");
    }
}

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(error) = Template::parse(text) {
        assert!(!error.to_string().is_empty());
    }
    let mut lines = text.splitn(8, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let name = line();
    let encoding = match line() {
        "1" => Encoding::JsString,
        "2" => Encoding::Html,
        "3" => Encoding::Base64,
        _ => Encoding::None,
    };
    let settings = FormatSettings {
        content_type: line().into(),
        header: line().into(),
        envelope: line().into(),
        keepalive: line().into(),
        footer: line().into(),
        encoding,
        once: false,
    };
    let published = line();
    let payload = match serde_json::from_str::<&RawValue>(published) {
        Ok(json) => json.get().to_owned(),
        Err(_) => serde_json::to_string(published).expect("a string"),
    };
    let message = format!(r#"{{"command":"message","data":{{"channel":"c","data":{payload}}}}}"#);
    framed(&message);
    match Format::from_settings(name, &settings) {
        Ok(format) => own(&format, &message),
        Err(error) => assert!(!error.message.is_empty()),
    }
    if is_callback(name) {
        assert!(name.is_ascii() && !name.contains(['(', ' ', '<', '\n']));
    }
}
