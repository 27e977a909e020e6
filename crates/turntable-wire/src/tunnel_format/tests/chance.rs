//! Published data can be read back from the output of each format, and cannot
//! change its structure.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Any JSON, with strings and whitespace that could end a format's frame.
fn hostile_json() -> impl Strategy<Value = String> {
    let hostile = prop_oneof![
        Just("</script><script>alert(1)</script>"),
        Just("<!--<script>"),
        Just("]]>"),
        Just("\u{2028}\u{2029}"),
        Just("\n\nevent: close\ndata: x\n\n"),
        Just("\r\n--turntable\r\n"),
        Just("\r\n--turntable--\r\n"),
        Just("'\"\\`${x}&amp;%d%t"),
        Just("\0\u{1}\u{7f}\u{85}\u{feff}"),
        Just("]);//"),
        Just("14\n{\"close\":true}"),
    ];
    let text = prop_oneof![hostile.prop_map(str::to_owned), any::<String>()];
    let text = text.prop_map(|text| serde_json::to_string(&text).unwrap());
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.50e+2".to_owned()),
        text.clone()
    ];
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|list| format!("[\n\n{}\r\n]", list.join("\r,\n"))),
            proptest::collection::vec((text.clone(), inner), 0..3).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{key}\n:\r\n\r\n{value}"))
                    .collect();
                format!("{{\n\n{}\n}}", entries.join("\n,"))
            }),
        ]
    })
}

/// A complete response with these messages, with keepalives between them.
fn response(format: &Format, list: &[String]) -> String {
    written(|out| {
        format.header(&OPENING, out);
        for data in list {
            format.keepalive(&OPENING, out);
            out.extend_from_slice(envelope(format, &published(data)).as_bytes());
        }
        format.footer(&OPENING, out);
    })
}

/// The expected texts: the header's, the payloads, the footer's if it has any.
fn expected(list: &[String], footer: Option<&str>) -> Vec<Value> {
    let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    let header = value(&format!(r#"{{"tunnel":"{T}"}}"#));
    let payloads = list.iter().map(|data| value(data));
    std::iter::once(header)
        .chain(payloads)
        .chain(footer.map(value))
        .collect()
}

/// The payload of a datagram; other text unchanged.
fn payload(json: &str) -> Value {
    let value: Value = serde_json::from_str(json).expect(json);
    match value.get("path") {
        Some(path) => {
            assert_eq!(path, "/channel/c/\"<");
            assert_eq!(value["id"], "00000000000000000000000000");
            value["data"].clone()
        }
        None => value,
    }
}

fn payloads<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    texts.into_iter().map(payload).collect()
}

const CLOSE: Option<&str> = Some(r#"{"close":1001}"#);

proptest! {
    #[test]
    fn every_format_round_trips(list in proptest::collection::vec(hostile_json(), 0..4)) {
        let body = |name: &str| response(&format(name), &list);

        let events = reader::sse(&body("sse"));
        let kinds: Vec<&str> = events.iter().map(|(kind, ..)| &**kind).collect();
        let mut expected_kinds = vec!["open"];
        expected_kinds.resize(list.len() + 1, "message");
        expected_kinds.push("close");
        prop_assert_eq!(kinds, expected_kinds);
        for (kind, id, _) in &events {
            prop_assert!(kind == "open" || list.is_empty() || id == "00000000000000000000000000");
        }
        prop_assert_eq!(
            payloads(events.iter().map(|(_, _, data)| &**data)),
            expected(&list, CLOSE)
        );

        let text = body("ndjson");
        let lines = text.split('\n').filter(|line| !line.is_empty());
        prop_assert_eq!(payloads(lines), expected(&list, CLOSE));

        let mut parts = reader::multipart(&body("multipart"), "turntable");
        parts.retain(|part| part != "null");
        prop_assert_eq!(payloads(parts.iter().map(|part| &**part)), expected(&list, CLOSE));

        let texts = reader::length(&body("length"));
        prop_assert_eq!(payloads(texts.iter().map(|text| &**text)), expected(&list, CLOSE));

        let whole: Vec<Box<serde_json::value::RawValue>> =
            serde_json::from_str(&body("longpoll")).unwrap();
        prop_assert_eq!(payloads(whole.iter().map(|raw| raw.get())), expected(&list, None));

        let text = body("jsonp");
        let line_ends = ['\u{2028}', '\u{2029}', '\n', '\r'];
        prop_assert!(!text.contains(line_ends));
        let argument = text.strip_prefix("/**/app.got(").unwrap().strip_suffix(");").unwrap();
        let whole: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(argument).unwrap();
        prop_assert_eq!(payloads(whole.iter().map(|raw| raw.get())), expected(&list, None));

        let scripts = reader::scripts(&body("iframe"));
        prop_assert_eq!(scripts.first().unwrap(), &format!("parent.turntable.open(\"{T}\")"));
        prop_assert_eq!(scripts.last().unwrap(), "parent.turntable.close(1001)");
        let texts: Vec<String> = scripts[1..scripts.len() - 1]
            .iter()
            .map(|script| {
                let rest = script.strip_prefix("parent.turntable.datagram(").unwrap();
                reader::js_string(rest.strip_suffix(')').unwrap())
            })
            .collect();
        prop_assert_eq!(payloads(texts.iter().map(|text| &**text)), &expected(&list, None)[1..]);
    }

    /// Published data contains no separator of a line-based format, even if its
    /// client sent line ends.
    #[test]
    fn json_is_inserted_without_line_ends(data in hostile_json()) {
        for text in ["%d", "%D", "%p"] {
            let format = enveloped(&format!("{text}%D"), Encoding::None);
            prop_assert!(!envelope(&format, &published(&data)).contains(['\n', '\r']));
        }
    }

    #[test]
    fn every_encoding_round_trips(data in hostile_json()) {
        let plain = envelope(&enveloped("%d", Encoding::None), &published(&data));
        let with = |text: &str, encoding| envelope(&enveloped(text, encoding), &published(&data));
        prop_assert_eq!(reader::js_string(&with("\"%d\"", Encoding::JsString)), &*plain);
        prop_assert_eq!(reader::js_string(&with("'%d'", Encoding::JsString)), &*plain);
        prop_assert_eq!(reader::html(&with("%d", Encoding::Html)), &*plain);
        let base64 = with("%d", Encoding::Base64);
        prop_assert_eq!(base64.len(), plain.len().div_ceil(3) * 4);
        prop_assert_eq!(reader::base64(&base64), plain.as_bytes());
    }

    #[test]
    fn template_without_insertions_is_unchanged(text: String) {
        let mut settings = FormatSettings {
            header: text.replace('%', "%%"),
            envelope: "%d".into(),
            content_type: "text/plain".into(),
            ..FormatSettings::default()
        };
        let format = Format::from_settings("test", &settings).unwrap();
        prop_assert_eq!(written(|out| format.header(&OPENING, out)), &*text);
        // Any text is accepted or refused without a panic.
        settings.envelope = text;
        let _ = Format::from_settings("test", &settings);
    }
}
