//! For any body, frame or query, the Engine.IO codec does not panic, and decoded packets
//! round-trip.

use turntable_wire::engineio::{
    Packet, PayloadLimits, Request, RequestError, append, decode_payload,
};

const LIMITS: PayloadLimits = PayloadLimits {
    bytes_max: 4096,
    packets_max: 16,
};

fn query(query: &str) {
    let Ok(request) = Request::parse(query) else {
        return;
    };
    assert!(query.contains("EIO=4"));
    for method in ["GET", "POST", "PUT"] {
        for is_websocket in [false, true] {
            if request.action(method, is_websocket) == Err(RequestError::BadMethod) {
                assert!(request.sid.is_none() && method != "GET");
            }
        }
    }
}

pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        query(text);
        if let Ok(packet) = Packet::decode(text) {
            let mut written = String::new();
            packet.encode(&mut written);
            assert_eq!(Packet::decode(&written), Ok(packet));
        }
    }
    let Ok(packets) = decode_payload(data, &LIMITS) else {
        return;
    };
    assert!(!packets.is_empty() && packets.len() <= LIMITS.packets_max);
    let mut written = String::new();
    for packet in &packets {
        append(&mut written, packet);
    }
    let limits = PayloadLimits {
        bytes_max: usize::MAX,
        ..LIMITS
    };
    assert_eq!(decode_payload(written.as_bytes(), &limits), Ok(packets));
}
