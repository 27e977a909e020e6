//! Inserting and extracting bytes.

use proptest::prelude::*;

use super::*;

const ONE: &str = r#"51-["baz",{"_placeholder":true,"num":0}]"#;

#[test]
fn attachments_replace_their_placeholders() {
    assert_eq!(
        assembled(ONE, &[&[1, 2, 3, 4]]).unwrap().unwrap(),
        r#"["baz",{"$bin":"AQIDBA=="}]"#
    );
    // In any order, nested, with whitespace, keys in either order, empty.
    let text =
        r#"52-["é{",{"a":[{ "num" : 1 , "_placeholder" : true }]},{"_placeholder":true,"num":0}]"#;
    assert_eq!(
        assembled(text, &[b"", b"\xff"]).unwrap().unwrap(),
        r#"["é{",{"a":[{"$bin":"/w=="}]},{"$bin":""}]"#
    );
    // A placeholder inside a string is ignored.
    let text = r#"51-["\"{\"_placeholder\":true,\"num\":0}",{"_placeholder":true,"num":0}]"#;
    assert_eq!(
        assembled(text, &[b"a"]).unwrap().unwrap(),
        r#"["\"{\"_placeholder\":true,\"num\":0}",{"$bin":"YQ=="}]"#
    );
    // A placeholder in a packet without attachments is data.
    let text = r#"2["a",{"_placeholder":true,"num":0}]"#;
    assert_eq!(assembled(text, &[]).unwrap().unwrap(), &text[1..]);
}

#[test]
fn completed_packet_has_its_kind_and_id() {
    let mut assembler = Assembler::default();
    let text = r#"61-/admin,1[{"_placeholder":true,"num":0}]"#;
    let packet = Packet::decode(text, &LIMITS).unwrap();
    assert!(assembler.packet(packet).unwrap().is_none() && assembler.is_waiting());
    let whole = assembler.bytes(&[1], &LIMITS).unwrap().unwrap();
    let expected = (
        PacketKind::Ack,
        0,
        "/admin",
        Some(1),
        Some(r#"[{"$bin":"AQ=="}]"#),
    );
    assert_eq!(shape(&whole.packet()), expected);
    assert!(!assembler.is_waiting());
}

#[test]
fn mismatched_attachments_are_refused() {
    use PacketError as E;
    let rows: [(&str, &[&[u8]], E); 9] = [
        (r#"2["a"]"#, &[b"x"], E::Superfluous),
        (ONE, &[b"x", b"y"], E::Superfluous),
        (r#"51-["a"]"#, &[b"x"], E::Placeholder),
        (
            r#"51-["a",{"_placeholder":true,"num":1}]"#,
            &[b"x"],
            E::Placeholder,
        ),
        (
            r#"51-["a",{"_placeholder":true,"num":-1}]"#,
            &[b"x"],
            E::Placeholder,
        ),
        (r#"51-["a",{"_placeholder":true}]"#, &[b"x"], E::Placeholder),
        (
            r#"51-["a",{"_placeholder":true,"num":0,"x":1}]"#,
            &[b"x"],
            E::Placeholder,
        ),
        // Using the same bytes twice would make the output longer than the input.
        (
            r#"51-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
            &[b"x"],
            E::Placeholder,
        ),
        (ONE, &[&[0; 1500]], E::TooLarge),
    ];
    for (text, attachments, error) in rows {
        assert_eq!(assembled(text, attachments), Err(error), "{text}");
    }
}

#[test]
fn packet_between_attachments_is_refused() {
    let mut assembler = Assembler::default();
    let one = Packet::decode(ONE, &LIMITS).unwrap();
    assert!(assembler.packet(one).unwrap().is_none());
    let other = Packet::decode("1", &LIMITS).unwrap();
    let error = assembler.packet(other).unwrap_err();
    assert_eq!(error, PacketError::AttachmentsDue);
    assert!(!assembler.is_waiting());
}

#[test]
fn attachments_share_one_size_limit() {
    let places: Vec<String> = (0..4)
        .map(|number| format!(r#"{{"_placeholder":true,"num":{number}}}"#))
        .collect();
    let text = format!("54-[\"a\",{}]", places.join(","));
    assert_eq!(
        assembled(&text, &[[0; 400].as_slice(); 4]),
        Err(PacketError::TooLarge)
    );
    assert!(
        assembled(&text, &[[0; 300].as_slice(); 4])
            .unwrap()
            .is_some()
    );
}

#[test]
fn only_the_canonical_object_is_bytes() {
    for json in [
        r#"{"a":1}"#,
        r#""$bin""#,
        r#"{"$bin":"AQ"}"#,
        r#"{"$bin":"AR=="}"#,
        r#"{"$bin":"A Q="}"#,
        r#"{"\\u0024bin":"AQ=="}"#,
        r#"{"\ud800":"AQ==","$bin":"AQ=="}"#,
        r#"{"$bin":5}"#,
        r#"{"$bin":"AQ==","x":1}"#,
        r#"{"x":1,"$bin":"AQ=="}"#,
        r#"["{\"$bin\":\"AQ==\"}"]"#,
    ] {
        assert_eq!(extract(json), None, "{json}");
    }
    let (text, attachments) = extract(r#"[{ "$bin" : "\/\/8=" },{"a":{"$bin":""}}]"#).unwrap();
    assert_eq!(
        text,
        r#"[{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}]"#
    );
    assert_eq!(attachments, [vec![255, 255], vec![]]);
}

#[test]
fn reserved_keys_are_recognised_whatever_their_escapes() {
    for key in [r"\u0024bin", r"$b\u0069n", r"\u0024\u0062\u0069\u006E"] {
        let json = format!(r#"["x",{{"{key}":"\u0041Q=="}}]"#);
        let (text, attachments) = extract(&json).unwrap();
        assert_eq!(text, r#"["x",{"_placeholder":true,"num":0}]"#, "{json}");
        assert_eq!(attachments, [[1]], "{json}");
    }
    // A client's placeholder is one for every parser of JSON.
    let text = r#"51-["baz",{"\u005fplaceholder":true,"n\u0075m":0}]"#;
    assert_eq!(
        assembled(text, &[&[1, 2, 3, 4]]).unwrap().unwrap(),
        r#"["baz",{"$bin":"AQIDBA=="}]"#
    );
}

#[test]
fn data_with_a_placeholder_has_no_attachments() {
    for key in [
        "_placeholder",
        "\\u005fplaceholder",
        "_pl\\u0061ceholde\\u0072",
    ] {
        let json = format!(r#"[{{"$bin":"AQ=="}},"\u00e9",{{"{key}":true,"num":7}}]"#);
        assert_eq!(extract(&json), None, "{json}");
        let sent = event_list(raw(&json), "/", None);
        assert_eq!(sent.text(), format!("2{json}"));
    }
    assert!(extract(r#"[{"$bin":"AQ=="},"\u00e9\u0\u00é"]"#).is_some());
}

#[test]
fn too_many_attachments_remain_json() {
    let list = |count| format!("[{}]", vec![r#"{"$bin":"AQ=="}"#; count].join(","));
    assert_eq!(extract(&list(10)).unwrap().1.len(), 10);
    assert_eq!(extract(&list(11)), None);
}

/// Canonical JSON with bytes at random places.
fn json_with_binary() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z{}\"\\\\\\[\\]é]{0,5}".prop_map(|text| serde_json::json!(text).to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        any::<Vec<u8>>().prop_map(|bytes| {
            use base64::Engine as _;
            let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
            format!(r#"{{"$bin":"{base64}"}}"#)
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[{}]", list.join(" , "))),
            proptest::collection::vec(inner, 0..3).prop_map(|list| {
                let entries: Vec<String> = list
                    .iter()
                    .enumerate()
                    .map(|(key, value)| format!("\"{key}{{\":{value}"))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn extracted_bytes_insert_to_the_same_text(json in json_with_binary()) {
        let list = format!(r#"["x",{json}]"#);
        let encoded = event_list(raw(&list), "/", Some(3));
        let limits = Limits { attachments_max: 100, message_bytes_max: 1 << 20, ..LIMITS };
        let packet = Packet::decode(encoded.text(), &limits).unwrap();
        let is_binary = packet.kind == PacketKind::BinaryEvent;
        let count = json.matches("$bin").count();
        prop_assert_eq!(is_binary, (1..=ATTACHMENTS_SENT_MAX).contains(&count));
        prop_assert_eq!(packet.attachments, encoded.attachments.len());
        let mut assembler = Assembler::default();
        let mut whole = None;
        if let Some(packet) = assembler.packet(packet).unwrap() {
            prop_assert_eq!(packet.data.unwrap().get(), &list);
            return Ok(());
        }
        for bytes in &encoded.attachments {
            prop_assert!(whole.is_none());
            whole = assembler.bytes(bytes, &limits).unwrap();
        }
        let whole = whole.unwrap();
        let expected = (PacketKind::Event, 0, "/", Some(3), Some(&*list));
        prop_assert_eq!(shape(&whole.packet()), expected);
    }
}
