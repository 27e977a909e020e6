//! Properties for random input.

use proptest::prelude::*;
use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::json_v1;
use turntable_core::packet::ClientPacket;
use turntable_core::reason::ErrorCode;

/// JSON as the server writes it: one spelling per value.
fn canonical_json() -> impl Strategy<Value = String> {
    let big = "[1-9][0-9]{20,40}".prop_filter("a double", |digits| {
        let value: f64 = digits.parse().unwrap();
        digits.trim_end_matches('0').len() > 17 && value.is_finite()
    });
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        (-200i64..200).prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("no number", |value| value.is_finite())
            .prop_map(|value| serde_json::to_string(&value).unwrap()),
        big,
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        bytes().prop_map(|bytes| format!(r#"{{"$bin":"{}"}}"#, base64(&bytes))),
        (any::<i8>(), bytes())
            .prop_map(|(kind, bytes)| format!(r#"{{"$ext":[{kind},"{}"]}}"#, base64(&bytes))),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20)
                .prop_map(|list| format!("[{}]", list.join(","))),
            proptest::collection::vec(("[a-z\"\\\\$]{0,3}", inner), 0..20).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}:{value}", json!(key)))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Bytes that are mostly valid MessagePack.
fn mostly_msgpack() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>());
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        (canonical_json(), proptest::collection::vec(edit, 0..3)).prop_map(|(json, edits)| {
            let mut bytes = packed(&json);
            for (index, byte) in edits {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn json_round_trips(json in canonical_json()) {
        prop_assert_eq!(unpacked(&packed(&json)), json);
    }

    #[test]
    fn smallest_form_round_trips(json in canonical_json()) {
        let bytes = packed(&json);
        prop_assert_eq!(packed(&unpacked(&bytes)), bytes);
    }

    #[test]
    fn any_float_keeps_its_bits(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let mut bytes = vec![0xcb];
        bytes.extend(bits.to_be_bytes());
        let json = unpacked(&bytes);
        prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), bits);
        prop_assert_eq!(packed(&json), bytes);
    }

    #[test]
    fn any_number_keeps_its_value(
        json in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let back = unpacked(&packed(&json));
        // Equal, or equal when read as a double.
        prop_assert_eq!(back.parse::<f64>().unwrap(), json.parse::<f64>().unwrap());
        let digits = |text: &str| {
            let mantissa = text.split(['e', 'E']).next().unwrap().replace(['-', '.'], "");
            mantissa.trim_matches('0').to_owned()
        };
        prop_assert_eq!(digits(&back), digits(&json), "{} became {}", json, back);
        prop_assert_eq!(back.starts_with('-'), json.starts_with('-'));
    }

    #[test]
    fn any_text_is_transcoded_or_refused_as_json(
        text in prop_oneof![
            any::<String>(),
            "[\\[\\]{}\",:a-eu0-9\\\\ .$-]{0,40}",
            canonical_json(),
        ],
        cut in 0..200usize,
    ) {
        for text in [&text[..], &text[..text.floor_char_boundary(cut)]] {
            let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
            let mut out = Vec::new();
            prop_assert_eq!(from_json(text, &mut out).is_ok(), is_json, "{}", text);
        }
    }

    #[test]
    fn any_bytes_are_transcoded_without_a_panic(bytes in mostly_msgpack()) {
        let limits = TranscodeLimits { depth_max: 4, json_bytes_max: 200 };
        let mut json = Vec::new();
        if let Ok(taken) = to_json(&bytes, &limits, &mut json) {
            prop_assert!(taken <= bytes.len() && json.len() <= 200);
            let json = std::str::from_utf8(&json).unwrap();
            prop_assert!(serde_json::from_str::<&RawValue>(json).is_ok(), "{}", json);
            // A second round trip changes nothing.
            let smallest = packed(json);
            prop_assert_eq!(packed(&unpacked(&smallest)), smallest);
        }
    }

    #[test]
    fn decoded_message_equals_that_of_v1(
        number in 0u8..24,
        data in mostly_msgpack(),
        id in prop::option::of(mostly_msgpack()),
    ) {
        let head = if id.is_some() { 0x93 } else { 0x92 };
        let bytes = [&[head, number][..], &data, &id.unwrap_or_default()].concat();
        match decode(&bytes, &LIMITS) {
            Ok(message) => {
                let (name, listed) = ClientPacket::COMMANDS[usize::from(number) - 1];
                prop_assert_eq!((message.packet.name(), number), (name, listed));
            }
            Err(error) => {
                prop_assert!(error.code != ErrorCode::Internal, "{}", error);
                prop_assert!(!error.message.is_empty());
            }
        }
    }

    #[test]
    fn opaque_data_is_equal_in_v1_and_v2(data in canonical_json()) {
        let text = format!(r#"{{"command":"publish","data":{{"channel":"c","data":{data}}}}}"#);
        let mut bytes = Vec::new();
        prop_assert!(encode_client(&text, &mut bytes));
        let limits = DecodeLimits { depth_max: 64, message_bytes_max: 1 << 20 };
        let v1 = json_v1::decode(&text, &json_v1::DecodeLimits { depth_max: 64 });
        prop_assert_eq!(decode(&bytes, &limits), v1);
    }
}
