//! Values both ways, messages compared with v1, and hostile input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod chance;
mod hostile;
mod messages;
mod values;

use super::*;

const WIDE: TranscodeLimits = TranscodeLimits {
    depth_max: 64,
    json_bytes_max: 1 << 20,
};

const LIMITS: DecodeLimits = DecodeLimits {
    depth_max: 32,
    message_bytes_max: 4096,
};

/// The value as MessagePack.
fn packed(json: &str) -> Vec<u8> {
    let mut out = b"left ".to_vec();
    from_json(json, &mut out).expect(json);
    out.strip_prefix(b"left ").unwrap().to_vec()
}

/// The value as JSON.
fn unpacked(bytes: &[u8]) -> String {
    let mut out = b"left ".to_vec();
    assert_eq!(
        to_json(bytes, &WIDE, &mut out),
        Ok(bytes.len()),
        "{bytes:x?}"
    );
    String::from_utf8(out.strip_prefix(b"left ").unwrap().to_vec()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
