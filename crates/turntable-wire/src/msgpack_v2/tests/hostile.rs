//! Invalid input, and input that would cost too much memory.

use super::*;
use turntable_core::reason::ErrorCode;

fn refused(bytes: &[u8], limits: &TranscodeLimits) -> V2Error {
    let mut out = b"left".to_vec();
    let error = to_json(bytes, limits, &mut out).unwrap_err();
    assert_eq!(out, b"left");
    error
}

#[test]
fn invalid_bytes_are_refused() {
    use V2Error::{KeyNotText, NotFinite, NotUtf8, Reserved, Truncated};
    let rows = [
        ("", Truncated),
        ("c1", Reserved),
        ("92c0c1", Reserved),
        ("91", Truncated),
        ("cc", Truncated),
        ("cb3ff0", Truncated),
        ("a2c3", Truncated),
        ("d9", Truncated),
        ("d905", Truncated),
        ("c4ff00", Truncated),
        ("c70501", Truncated),
        ("d4", Truncated),
        // Lengths of 4 GB, and lists with as many elements.
        ("dbffffffff61", Truncated),
        ("c6ffffffff61", Truncated),
        ("c9ffffffff0161", Truncated),
        ("ddffffffffc0", Truncated),
        ("dfffffffffa161c0", Truncated),
        ("dd00000002c0", Truncated),
        ("8101a0", KeyNotText),
        ("81c0a0", KeyNotText),
        ("81c40161a0", KeyNotText),
        ("8190a0", KeyNotText),
        ("82a161c001c0", KeyNotText),
        ("a1ff", NotUtf8),
        ("a3eda080", NotUtf8),
        ("81a1ffc0", NotUtf8),
        ("ca7fc00000", NotFinite),
        ("cb7ff8000000000000", NotFinite),
        ("cb7ff0000000000000", NotFinite),
        ("caff800000", NotFinite),
    ];
    for (bytes, error) in rows {
        assert_eq!(refused(&hex(bytes), &WIDE), error, "{bytes}");
    }
}

#[test]
fn bytes_after_a_value_remain() {
    let mut out = Vec::new();
    assert_eq!(to_json(&hex("9101c1"), &WIDE, &mut out), Ok(2));
}

#[test]
fn depth_is_counted_as_in_json() {
    let limits = TranscodeLimits {
        depth_max: 3,
        ..WIDE
    };
    let fits = [
        "919190",
        "81a1619190",
        "9191c400",
        "91c70005",
        "919181a4246e756da53165393939",
    ];
    for bytes in fits {
        let mut out = Vec::new();
        assert!(to_json(&hex(bytes), &limits, &mut out).is_ok(), "{bytes}");
    }
    for bytes in [
        "91919190",
        "91919180",
        "919191c400",
        "9191c70005",
        "91919181a4246e756da23132",
    ] {
        assert_eq!(refused(&hex(bytes), &limits), V2Error::TooDeep, "{bytes}");
    }
    // Decoding ends at the limit, not at the end of the input.
    assert_eq!(refused(&vec![0x91; 1 << 20], &limits), V2Error::TooDeep);
    let error = decode(&vec![0x91; 4096], &LIMITS).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadJson);
}

#[test]
fn deep_json_takes_no_stack() {
    let depth = 1 << 20;
    let json = "[".repeat(depth) + &"]".repeat(depth);
    let bytes = packed(&json);
    assert_eq!(bytes.len(), depth);
    assert!(from_json(&json[1..], &mut Vec::new()).is_err());
}

#[test]
fn json_length_is_limited() {
    let limits = TranscodeLimits {
        json_bytes_max: 10,
        ..WIDE
    };
    for json in ["[1,2,3,42]", r#""12345678""#, "1234567890", r#"{"$bin":1}"#] {
        let mut out = b"left".to_vec();
        assert!(to_json(&packed(json), &limits, &mut out).is_ok(), "{json}");
    }
    for json in [
        "[1,2,3,421]",
        r#""123456789""#,
        "12345678901",
        r#""\n\n\n\n\n""#,
        r#"{"$bin":""}"#,
    ] {
        assert_eq!(refused(&packed(json), &limits), V2Error::TooLarge, "{json}");
    }
    // Decoding stops long before the end.
    let many = [hex("dd00100000"), vec![0xc2; 1 << 20]].concat();
    assert_eq!(refused(&many, &limits), V2Error::TooLarge);
}

#[test]
fn invalid_commands_are_refused_with_their_fault() {
    use ErrorCode::{BadJson, BadMessage, TooLarge, UnknownCommand};
    let rows = [
        ("", BadJson, "not valid MessagePack"),
        ("c1", BadJson, "0xc1"),
        ("930180", BadJson, "ends inside"),
        ("9201a000", BadJson, "follow"),
        ("a0", BadMessage, "must be an array"),
        ("80", BadMessage, "must be an array"),
        ("90", BadMessage, "must be an array"),
        ("9401a000c0", BadMessage, "must be an array"),
        ("92a469646d65a0", BadMessage, "must be the number"),
        ("92cb3ff0000000000000a0", BadMessage, "must be the number"),
        ("9200c0", UnknownCommand, "1 idme, 2 resume"),
        ("92ffc0", UnknownCommand, "20 bye"),
        ("9240c0", UnknownCommand, "unknown command"),
        ("92cfffffffffffffffffc0", UnknownCommand, "unknown command"),
        ("9101", BadMessage, "data is missing; idme takes"),
        ("920e00", BadMessage, "id is missing"),
        ("93 14 80 c0", BadMessage, "id must be"),
        ("93 14 80 90", BadMessage, "id must be"),
        ("93 14 80 c3", BadMessage, "id must be"),
        ("93 14 80 c40161", BadMessage, "id must be"),
        ("93 14 80 8101c0", BadMessage, "keys must be strings"),
        ("92 05 cb7ff8000000000000", BadMessage, "not finite"),
        ("92 0f 8101c0", BadMessage, "keys must be strings"),
        ("92 01 a1ff", BadMessage, "not UTF-8"),
    ];
    for (bytes, code, part) in rows {
        let error = decode(&hex(bytes), &LIMITS).unwrap_err();
        assert_eq!(error.code, code, "{bytes}: {error}");
        assert!(error.message.contains(part), "{bytes}: {error}");
    }
    let error = decode(&vec![0; 4097], &LIMITS).unwrap_err();
    assert_eq!(
        (error.code, &error.details[..]),
        (TooLarge, &[("max".into(), 4096)][..])
    );
    // Six bytes of JSON for each byte.
    let many = [hex("920fdc0e00"), vec![0xc2; 0x0e00]].concat();
    let error = decode(&many, &LIMITS).unwrap_err();
    assert_eq!((error.code, error.command), (TooLarge, Some("set")));
    assert_eq!(error.details, [("max".into(), 4 * 4096 + 64)]);
}

#[test]
fn errors_name_command_and_id_if_known() {
    let rows = [
        // The data is invalid, and the id follows it.
        ("93 0f 8101c0 07", Some("set"), Some("7")),
        ("93 63 80 a171", None, Some("\"q\"")),
        ("93 c0 80 a171", None, Some("\"q\"")),
        ("93 01 00 a171", Some("idme"), Some("\"q\"")),
        ("93 01 00 c0", Some("idme"), None),
    ];
    for (bytes, command, id) in rows {
        let error = decode(&hex(bytes), &LIMITS).unwrap_err();
        assert_eq!(error.command, command, "{bytes}");
        assert_eq!(error.id.as_ref().map(|id| &*id.0), id, "{bytes}");
    }
}

#[test]
fn ids_have_at_most_64_bytes() {
    for (len, fits) in [(64, true), (65, false)] {
        let mut bytes = hex("931480");
        let _ = rmp::encode::write_str(&mut bytes, &"q".repeat(len));
        assert_eq!(decode(&bytes, &LIMITS).is_ok(), fits, "{len}");
    }
}

#[test]
fn depth_limit_equals_that_of_v1() {
    for (depth, fits) in [(31, true), (32, false)] {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = format!(r#"{{"command":"reply","data":{data},"id":1}}"#);
        let mut bytes = Vec::new();
        assert!(encode_client(&text, &mut bytes));
        let limits = crate::json_v1::DecodeLimits {
            depth_max: LIMITS.depth_max,
        };
        let v1 = crate::json_v1::decode(&text, &limits);
        let v2 = decode(&bytes, &LIMITS);
        assert_eq!((v1.is_ok(), v2.is_ok()), (fits, fits), "{depth}");
        if let (Err(v1), Err(v2)) = (v1, v2) {
            assert_eq!((v1.code, v1.details), (v2.code, v2.details));
        }
    }
}
