//! Addresses that the server sends a client to.

use tokio_tungstenite::tungstenite::http::Uri;

/// Whether a client of `home` may be sent to an address: never from TLS to an address where
/// its credentials would be read.
pub(crate) fn may_follow(home: &Uri, named: &Uri) -> bool {
    match named.scheme_str() {
        Some("wss") => true,
        Some("ws") => home.scheme_str() == Some("ws"),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn server_sends_no_client_from_tls_to_an_open_connection() {
        for (home, named, may) in [
            ("ws://a/", "ws://b/", true),
            ("ws://a/", "wss://b/", true),
            ("wss://a/", "wss://b/", true),
            ("wss://a/", "ws://b/", false),
            ("wss://a/", "https://b/", false),
            ("ws://a/", "http://b/", false),
        ] {
            let uri = |text: &str| text.parse::<Uri>().unwrap();
            assert_eq!(may_follow(&uri(home), &uri(named)), may, "{home} {named}");
        }
    }
}
