//! Checks the origin of a request (RFC 6454, RFC 6455 section 10.2).

/// Whether a request with this `Origin` and `Host` is accepted. A request without an
/// `Origin` does not come from a web page.
#[must_use]
pub fn is_allowed(origin: Option<&str>, host: Option<&str>, allowed: &[String]) -> bool {
    let Some(origin) = origin else {
        return true;
    };
    if allowed.is_empty() {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        return match (authority, host) {
            (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
            _ => false,
        };
    }
    allowed
        .iter()
        .any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_host_is_allowed_by_default() {
        let own = Some("game.example:8080");
        assert!(is_allowed(None, own, &[]));
        assert!(is_allowed(Some("http://game.example:8080"), own, &[]));
        assert!(is_allowed(Some("https://GAME.example:8080"), own, &[]));
        assert!(!is_allowed(Some("http://game.example"), own, &[]));
        assert!(!is_allowed(Some("http://evil.example"), own, &[]));
        assert!(!is_allowed(Some("null"), own, &[]));
        assert!(!is_allowed(Some("http://a"), None, &[]));
    }

    #[test]
    fn a_list_replaces_the_own_host() {
        let list = ["https://a.example".to_owned()];
        assert!(is_allowed(Some("https://a.example"), None, &list));
        assert!(!is_allowed(Some("http://a.example"), None, &list));
        assert!(!is_allowed(
            Some("https://b.example"),
            Some("b.example"),
            &list
        ));
        assert!(is_allowed(Some("null"), None, &["*".to_owned()]));
    }
}
