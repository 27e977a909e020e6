//! For any input, the v2 transcoders and decoder do not panic and respect their limits,
//! and values round-trip.

use serde_json::value::RawValue;
use turntable_core::packet::{ClientMessage, ClientPacket};
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1;
use turntable_wire::msgpack_v2::{
    DecodeLimits, TranscodeLimits, decode, decode_server, encode, encode_client, from_json, to_json,
};

const DEPTH_MAX: usize = 16;

const TRANSCODE: TranscodeLimits = TranscodeLimits {
    depth_max: DEPTH_MAX,
    json_bytes_max: 16_384,
};

const DECODE: DecodeLimits = DecodeLimits {
    depth_max: DEPTH_MAX,
    message_bytes_max: 4096,
};

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

fn packed(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    from_json(json, &mut out).expect("JSON");
    out
}

/// The v1 text of a message of the server.
fn unpacked(bytes: &[u8]) -> String {
    let limits = TranscodeLimits {
        depth_max: usize::MAX,
        json_bytes_max: usize::MAX,
    };
    let mut out = Vec::new();
    assert_eq!(to_json(bytes, &limits, &mut out), Ok(bytes.len()));
    String::from_utf8(out).expect("UTF-8")
}

/// A second round trip changes nothing.
fn is_stable(json: &str) {
    let bytes = packed(json);
    let again = unpacked(&bytes);
    assert!(is_json(&again), "{again}");
    assert_eq!(packed(&again), bytes, "{json} became {again}");
}

fn value(data: &[u8]) {
    let mut json = Vec::new();
    if let Ok(taken) = to_json(data, &TRANSCODE, &mut json) {
        assert!(taken <= data.len() && json.len() <= TRANSCODE.json_bytes_max);
        let json = std::str::from_utf8(&json).expect("UTF-8");
        assert!(is_json(json), "{json}");
        is_stable(json);
    } else {
        assert!(json.is_empty());
    }
}

fn text(data: &[u8]) {
    let Ok(json) = std::str::from_utf8(data) else {
        return;
    };
    let mut out = Vec::new();
    assert_eq!(from_json(json, &mut out).is_ok(), is_json(json), "{json}");
    if !out.is_empty() {
        is_stable(json);
    }
    // Either may be valid by chance, and then round-trips.
    out.clear();
    if encode(json, &mut out) {
        let _ = decode_server(&out, &DECODE, &mut Vec::new());
    }
    out.clear();
    if encode_client(json, &mut out) {
        let _ = decode(&out, &DECODE);
    }
}

/// The elements of a message in v1.
fn as_v1(data: &[u8], packet: &ClientPacket) -> String {
    let array = unpacked(data);
    let elements: Vec<&RawValue> = serde_json::from_str(&array).expect("an array");
    let mut text = format!(r#"{{"command":"{}""#, packet.name());
    for (key, element) in ["data", "id"].into_iter().zip(elements.iter().skip(1)) {
        text.push_str(&format!(",\"{key}\":{element}"));
    }
    text + "}"
}

fn message(data: &[u8]) {
    match decode(data, &DECODE) {
        Ok(message) => {
            let ClientMessage { packet, .. } = &message;
            let text = as_v1(data, packet);
            let limits = json_v1::DecodeLimits {
                depth_max: DEPTH_MAX,
            };
            assert_eq!(json_v1::decode(&text, &limits), Ok(message), "{text}");
        }
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(error.code != ErrorCode::Internal, "{error}");
        }
    }
    let mut text = Vec::new();
    if decode_server(data, &DECODE, &mut text).is_ok() {
        let text = std::str::from_utf8(&text).expect("UTF-8");
        assert!(json_v1::split(text).is_some(), "{text}");
        assert!(encode(text, &mut Vec::new()), "{text}");
    }
}

pub(crate) fn check(data: &[u8]) {
    value(data);
    text(data);
    message(data);
}
