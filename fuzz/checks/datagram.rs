//! For any body, each datagram is accepted or refused without a panic, and accepted
//! data can be written as one line.

use serde_json::value::RawValue;
use turntable_core::id::MessageId;
use turntable_core::reason::ErrorCode;
use turntable_wire::datagram::{
    Batch, BatchLimits, Datagram, Receiver, Sent, SentError, SentTo, decode, is_personal, own_id,
};
use turntable_wire::json_v1::DecodeLimits;

const LIMITS: BatchLimits = BatchLimits {
    batch_max: 8,
    message: DecodeLimits { depth_max: 16 },
};

const TO: Receiver<'static> = Receiver {
    tunnel: "AAAAAAAAAAAAAAAAAAAAAA",
    user: Some("1:\"\\"),
};

// Skipped, not built: serde_json's tree cannot represent every JSON text.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// A message becomes one line of JSON, which is shared only if it is the same for
/// another receiver.
fn write(message: &str) {
    let Some(datagram) = Datagram::of(message, MessageId::nil(), &TO) else {
        return;
    };
    let mut out = Vec::new();
    datagram.write(&mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(is_json(&text), "{text}");
    assert!(!text.contains(['\n', '\r']), "{text}");
    assert!(text.starts_with(r#"{"id":"00000000000000000000000000","path":"/"#));
    assert_eq!(is_personal(message), datagram.path.is_personal());
    if !is_personal(message) {
        let other = Receiver {
            tunnel: "BBBBBBBBBBBBBBBBBBBBBA",
            user: None,
        };
        let mut shared = Vec::new();
        Datagram::of(message, MessageId::nil(), &other)
            .expect("a message")
            .write(&mut shared);
        assert_eq!(shared, text.as_bytes());
    }
    let _ = own_id(message);
}

fn entry(body: &str, entry: Result<Sent, SentError>) {
    match entry {
        Ok(Sent { to, .. }) => match to {
            SentTo::Server(_) => {}
            SentTo::Channel { data, .. } | SentTo::Tunnel { data, .. } => {
                let data = data.as_json();
                assert!(body.contains(data) && is_json(data));
                write(&format!(
                    r#"{{"command":"message","data":{{"channel":"c","data":{data}}}}}"#
                ));
            }
            SentTo::Interest { add, remove } => {
                assert!(add.len() + remove.len() <= LIMITS.batch_max);
            }
        },
        Err(error) => {
            assert!(!error.body.message.is_empty());
            assert_ne!(error.body.code, ErrorCode::BadJson, "{error:?}");
        }
    }
}

pub(crate) fn check(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else {
        return;
    };
    write(body);
    match decode(body, &LIMITS) {
        Ok(Batch { is_array, entries }) => {
            assert!(is_json(body));
            assert!(entries.len() <= LIMITS.batch_max);
            assert!(is_array || entries.len() == 1);
            entries.into_iter().for_each(|one| entry(body, one));
        }
        Err(error) => {
            assert!(!error.message.is_empty());
            assert_eq!(error.code == ErrorCode::BadJson, !is_json(body));
        }
    }
}
