//! Direct connections of clients to a service: its address for them.
//!
//! A client asks the server with a call of [`DIRECT`] for a token that is valid for a
//! short time, and shows it to the service.

use serde::{Deserialize, Serialize};

use super::ServiceSettings;

/// The function of the server that issues a token.
pub const DIRECT: &str = "$av:direct";

/// The shortest key that signs tokens, in bytes: that of the hash.
pub const KEY_BYTES_MIN: usize = 32;

/// Where clients connect to a service directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direct {
    /// The address, for clients.
    pub url: Box<str>,
    /// What is spoken there.
    pub protocol: Box<str>,
}

/// The protocol of a URL where none is named.
fn usual(url: &str) -> &'static str {
    match url.split_once(':') {
        Some(("ws" | "wss", _)) => "websocket",
        _ => "http",
    }
}

impl ServiceSettings {
    /// Where clients may connect directly, if they may.
    #[must_use]
    pub fn direct(&self) -> Option<Box<Direct>> {
        let protocol = match self.direct_protocol.as_str() {
            "" => usual(&self.direct_url),
            protocol => protocol,
        };
        (!self.direct_url.is_empty()).then(|| {
            Box::new(Direct {
                url: self.direct_url.as_str().into(),
                protocol: protocol.into(),
            })
        })
    }

    /// Whether no session and no backend can provide the service: it is enabled unless it
    /// is switched off.
    #[must_use]
    pub const fn is_direct_only(&self) -> bool {
        !self.direct_url.is_empty() && self.providers.is_empty() && self.url.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_is_that_of_the_url_where_none_is_named() {
        for (url, named, protocol) in [
            ("wss://forum.example/ws", "", Some("websocket")),
            ("ws://127.0.0.1:9", "", Some("websocket")),
            ("https://forum.example/", "", Some("http")),
            ("https://forum.example/", "socket.io", Some("socket.io")),
            ("", "", None),
        ] {
            let settings = ServiceSettings {
                direct_url: url.to_owned(),
                direct_protocol: named.to_owned(),
                ..ServiceSettings::default()
            };
            let direct = settings.direct();
            assert_eq!(direct.as_ref().map(|direct| &*direct.protocol), protocol);
            assert_eq!(settings.is_direct_only(), direct.is_some());
        }
    }
}
