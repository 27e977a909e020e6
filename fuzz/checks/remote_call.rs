//! For any body, the remote call decoder does not panic, refuses exactly the texts that
//! are not JSON as such, decodes an entry alike alone and in a batch, and answers can
//! be encoded as entries. The same text as a message of the server is encoded as an
//! entry or refused.

use serde_json::value::RawValue;
use turntable_core::packet::{ClientPacket, ErrorBody, ReplyData, RequestId, ServerPacket};
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1::encode;
use turntable_wire::remote_call::{Entry, Limits, decode, entry};

const LIMITS: Limits = Limits {
    depth_max: 16,
    batch_max: 16,
};

/// A possible answer of the server to an entry.
fn answer(entry: &Entry) -> (ServerPacket, Option<RequestId>) {
    match entry {
        Ok(message) => {
            let packet = match &message.packet {
                ClientPacket::Call { f, args, user } => ServerPacket::Call {
                    f: f.clone(),
                    args: args.clone(),
                    user: user.clone(),
                    key: None,
                },
                ClientPacket::Reply { result } => {
                    ServerPacket::Reply(ReplyData::Value(result.clone()))
                }
                ClientPacket::Set(attributes) => ServerPacket::Attributes(attributes.clone()),
                _ => ServerPacket::Reply(ReplyData::Done),
            };
            (packet, message.id.clone())
        }
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(error.code != ErrorCode::BadJson, "{error:?}");
            let body = ErrorBody::from(error.clone());
            (ServerPacket::Error(Box::new(body)), error.id.clone())
        }
    }
}

fn check_entry(read: &Entry, body: &str) {
    let (packet, id) = answer(read);
    let mut text = Vec::new();
    encode(&packet, id.as_ref(), &mut text);
    let mut out = Vec::new();
    assert!(entry(std::str::from_utf8(&text).expect("UTF-8"), &mut out));
    let written = String::from_utf8(out).expect("UTF-8");
    assert!(
        serde_json::from_str::<&RawValue>(&written).is_ok(),
        "{written}"
    );
    if let Some(RequestId(id)) = id {
        assert!(body.contains(&*id) && written.contains(&format!("\"id\":{id}")));
    }
}

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Skipped, not built: serde_json's tree cannot represent every JSON text, such as
    // 1e999.
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    match decode(text, &LIMITS) {
        Ok(entries) => {
            assert!(is_json, "not JSON, but decoded as {entries:?}");
            let alone: Vec<&RawValue> = match serde_json::from_str(text) {
                Ok(list) => list,
                Err(_) => vec![serde_json::from_str(text).expect("JSON")],
            };
            assert_eq!(alone.len(), entries.len());
            for (alone, read) in alone.into_iter().zip(&entries) {
                check_entry(read, text);
                // Alone, an entry must be an object.
                if alone.get().starts_with('{') {
                    let again = decode(alone.get(), &LIMITS).expect("an entry");
                    assert_eq!(again.first(), Some(read));
                }
            }
        }
        Err(error) => {
            assert!(!error.message.is_empty());
            assert_eq!(error.code == ErrorCode::BadJson, !is_json, "{error:?}");
        }
    }
    let mut out = Vec::new();
    if entry(text, &mut out) {
        let written = std::str::from_utf8(&out).expect("UTF-8");
        assert!(
            serde_json::from_str::<&RawValue>(written).is_ok(),
            "{written}"
        );
    } else {
        assert!(out.is_empty());
    }
}
