//! Where a request goes: an address of the configuration.

use std::net::IpAddr;

use http::Uri;

/// A URL with scheme and host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// What is accepted in a configuration.
    pub const ACCEPTED: &str =
        "accepted is a URL like https://login.example/check, without a name and password";

    /// Parses a URL.
    ///
    /// # Errors
    /// A sentence with what is wrong and what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A text with a password or a key in it would be in the log.
        let shown = match text.contains(['@', '?']) {
            true => "the URL".to_owned(),
            false => format!("{text:?}"),
        };
        let fault = |why: &str| format!("{shown} {why}; {}", Self::ACCEPTED);
        let uri: Uri = text.parse().map_err(|_| fault("is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(fault("does not begin with http:// or https://"));
        }
        match uri.authority() {
            Some(host) if host.as_str().contains('@') => Err(fault("has a name or password")),
            Some(host) if host.host().is_empty() => Err(fault("has no host")),
            Some(_) => Ok(Self(uri)),
            None => Err(fault("has no host")),
        }
    }

    /// The URL.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether what is sent can be read and changed on its way: plain HTTP to another
    /// machine.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let is_here = address.is_some_and(|address| address.is_loopback()) || host == "localhost";
        self.0.scheme_str() == Some("http") && !is_here
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query may have a key in it.
        let scheme = self.0.scheme_str().unwrap_or_default();
        let host = self.0.authority().map_or("", |host| host.as_str());
        write!(f, "{scheme}://{host}{}", self.0.path())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn url_has_scheme_and_host_and_no_password() {
        for text in [
            "https://login.example/check?x=1",
            "http://127.0.0.1:9000",
            "http://[::1]:9000/a",
        ] {
            assert!(Endpoint::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "login.example",
            "/check",
            "ftp://login.example",
            "https://",
            "https:///check",
            "https://mel:geheim@login.example",
            "https://a b/",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(!error.contains("geheim"), "{error}");
            assert!(error.contains(Endpoint::ACCEPTED), "{text}: {error}");
        }
    }

    #[test]
    fn query_is_not_shown() {
        let endpoint = Endpoint::parse("https://login.example:8443/keys?key=geheim").unwrap();
        assert_eq!(endpoint.to_string(), "https://login.example:8443/keys");
    }

    #[test]
    fn plain_http_is_safe_on_this_machine_alone() {
        for (text, is_exposed) in [
            ("http://127.0.0.1:1/", false),
            ("http://[::1]:1/", false),
            ("http://localhost/", false),
            ("https://login.example/", false),
            ("http://login.example/", true),
            ("http://10.0.0.1/", true),
            ("http://localhost.example/", true),
        ] {
            assert_eq!(
                Endpoint::parse(text).unwrap().is_exposed(),
                is_exposed,
                "{text}"
            );
        }
    }
}
