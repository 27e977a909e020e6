//! Where a socket.io server is: `http://HOST:PORT`, with a namespace as its path.

use crate::http_client::endpoint::Endpoint;
use turntable_wire::socketio::MAIN_NAMESPACE;

/// The longest namespace, in bytes.
pub(super) const NAMESPACE_BYTES_MAX: usize = 128;

/// The address of a socket.io server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service::backend) struct Address {
    /// The WebSocket of Engine.IO.
    pub(super) socket: String,
    /// The namespace; `/` is the main one.
    pub(super) namespace: String,
}

impl Address {
    /// Parses a URL, as socket.io's clients take it.
    ///
    /// # Errors
    /// A sentence with what is wrong and what is accepted.
    pub(in crate::service::backend) fn parse(url: &str) -> Result<Self, String> {
        let endpoint = Endpoint::parse(url)?;
        let uri = endpoint.uri();
        let scheme = match uri.scheme_str() {
            Some("https") => "wss",
            _ => "ws",
        };
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let query = uri.query().map(|query| format!("&{query}"));
        let namespace = match uri.path() {
            "" => MAIN_NAMESPACE,
            path => path,
        };
        if namespace.len() > NAMESPACE_BYTES_MAX || namespace.contains(',') {
            let accepted = format!("at most {NAMESPACE_BYTES_MAX} bytes without a comma");
            return Err(format!("the path of {url:?} is the namespace: {accepted}"));
        }
        Ok(Self {
            socket: format!(
                "{scheme}://{host}/socket.io/?EIO=4&transport=websocket{}",
                query.unwrap_or_default()
            ),
            namespace: namespace.to_owned(),
        })
    }

    /// The packet that connects to the namespace, with Engine.IO's digit.
    pub(super) fn connect(&self, token: &str) -> String {
        let namespace = match self.namespace.as_str() {
            MAIN_NAMESPACE => String::new(),
            other => format!("{other},"),
        };
        let auth = match token {
            "" => String::new(),
            token => serde_json::json!({ "token": token }).to_string(),
        };
        format!("40{namespace}{auth}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn path_is_the_namespace() {
        for (url, socket, connect) in [
            (
                "http://127.0.0.1:3000",
                "ws://127.0.0.1:3000/socket.io/?EIO=4&transport=websocket",
                "40",
            ),
            (
                "https://forum.example/admin?x=1",
                "wss://forum.example/socket.io/?EIO=4&transport=websocket&x=1",
                "40/admin,",
            ),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(
                (address.socket.as_str(), address.connect("")),
                (socket, connect.to_owned())
            );
            assert_eq!(
                address.connect("s\""),
                format!(r#"{connect}{{"token":"s\""}}"#)
            );
        }
        for url in ["", "ws://a", "http://a/b,c", "http://mel:x@a"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
        assert!(Address::parse(&format!("http://a/{}", "n".repeat(200))).is_err());
    }
}
