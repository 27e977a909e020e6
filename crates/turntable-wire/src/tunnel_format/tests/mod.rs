//! The texts of each format, their round trips, and refused settings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod chance;
mod golden;
mod reader;
mod refusals;

use super::*;
use crate::datagram::{Datagram, Receiver};
use turntable_core::id::MessageId;

const T: &str = "AAAAAAAAAAAAAAAAAAAAAA";

const OPENING: Opening<'static> = Opening {
    tunnel: T,
    now_ms: 1_700_000_000_123,
    callback: Some("app.got"),
    code: 1001,
};

fn format(name: &str) -> Format {
    let formats = built_in();
    let found = formats.into_iter().find(|format| format.name() == name);
    found.unwrap()
}

/// A format with this envelope.
fn enveloped(envelope: &str, encoding: Encoding) -> Format {
    let settings = FormatSettings {
        envelope: envelope.into(),
        content_type: "text/plain".into(),
        encoding,
        ..FormatSettings::default()
    };
    Format::from_settings("test", &settings).unwrap()
}

fn published(data: &str) -> String {
    format!(r#"{{"command":"message","data":{{"channel":"c/\"<","data":{data}}}}}"#)
}

fn envelope(format: &Format, message: &str) -> String {
    let to = Receiver {
        tunnel: T,
        user: None,
    };
    let datagram = Datagram::of(message, MessageId::nil(), &to).unwrap();
    written(|out| format.envelope(&datagram, &OPENING, out))
}

/// The output of `write`.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"left ".to_vec();
    write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("left ").unwrap().to_owned()
}
