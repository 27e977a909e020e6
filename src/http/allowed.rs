//! The entries of `server.allowed_origins`: whose pages may connect beside those of the
//! server's own host.

use crate::http::origin::{is_host, name_of};

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry<'e> {
    /// `*`: every page.
    Any,
    /// `same-host`: pages of the name that the server is called by, at any port.
    SameHost,
    /// `https://*.game.example`: pages of every name below this one.
    Below {
        scheme: &'e str,
        /// `game.example`, with the port if there is one.
        authority: &'e str,
    },
    /// `https://game.example`: pages of this origin.
    Exact(&'e str),
}

fn entry(text: &str) -> Entry<'_> {
    match text {
        "*" => Entry::Any,
        "same-host" => Entry::SameHost,
        _ => match text.split_once("://*.") {
            Some((scheme, authority)) => Entry::Below { scheme, authority },
            None => Entry::Exact(text),
        },
    }
}

/// Whether an entry allows pages of `origin` to use the server, which was called `host`.
#[must_use]
pub fn allows(text: &str, origin: &str, host: Option<&str>) -> bool {
    let parts = origin.split_once("://");
    match entry(text) {
        Entry::Any => true,
        Entry::SameHost => parts.zip(host).is_some_and(|((scheme, authority), host)| {
            is_web(scheme) && name_of(authority).eq_ignore_ascii_case(name_of(host))
        }),
        Entry::Below { scheme, authority } => parts.is_some_and(|(own, name)| {
            let at = name.len().checked_sub(authority.len());
            let (before, end) = match at.and_then(|at| name.split_at_checked(at)) {
                Some(split) => split,
                None => return false,
            };
            own.eq_ignore_ascii_case(scheme)
                && end.eq_ignore_ascii_case(authority)
                && before.len() > 1
                && before.ends_with('.')
        }),
        Entry::Exact(exact) => exact.eq_ignore_ascii_case(origin),
    }
}

/// Whether a scheme is one of those that the server speaks.
pub(super) fn is_web(scheme: &str) -> bool {
    ["http", "https"]
        .iter()
        .any(|web| web.eq_ignore_ascii_case(scheme))
}

/// What keeps an entry from ever allowing a page; `None` for one that may.
#[must_use]
pub fn fault(text: &str) -> Option<&'static str> {
    let (scheme, authority) = match entry(text) {
        Entry::Any | Entry::SameHost => return None,
        Entry::Below { scheme, authority } => (scheme, authority),
        Entry::Exact(exact) => match exact.split_once("://") {
            Some(parts) => parts,
            None => return Some("it has no scheme"),
        },
    };
    let is_of_scheme = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    if scheme.is_empty() || !scheme.chars().all(is_of_scheme) {
        return Some("it has no scheme, as https");
    }
    if authority.contains(['/', '?', '#']) {
        return Some("an origin has no path, and no slash at its end");
    }
    if authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("browsers send it in lower case");
    }
    if authority.contains('*') {
        return Some("a * stands for everything, or in front of the first dot");
    }
    if !is_host(authority) {
        return Some("it has no host");
    }
    let port = authority.get(name_of(authority).len() + 1..);
    if matches!(
        (scheme, port),
        ("http", Some("80")) | ("https", Some("443"))
    ) {
        return Some("browsers leave out the usual port of the scheme");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Option<&str> = Some("game.example:8080");

    #[test]
    fn entry_allows_what_it_says() {
        for (text, origin, expected) in [
            ("*", "null", true),
            ("same-host", "http://game.example:3000", true),
            ("same-host", "https://GAME.example", true),
            ("same-host", "https://a.game.example", false),
            ("same-host", "evil://game.example:8080", false),
            ("same-host", "null", false),
            ("https://*.a.example", "https://b.a.example", true),
            ("https://*.a.example", "https://c.b.A.example", true),
            ("https://*.a.example", "https://a.example", false),
            ("https://*.a.example", "https://.a.example", false),
            ("https://*.a.example", "https://evila.example", false),
            ("https://*.a.example", "http://b.a.example", false),
            ("https://*.a.example", "https://b.a.example:81", false),
            ("http://*.localhost:3000", "http://a.localhost:3000", true),
            ("https://*.ä.example", "https://x\u{e4}", false),
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://b.a.example", false),
        ] {
            assert_eq!(allows(text, origin, HOST), expected, "{text} {origin}");
        }
        assert!(!allows("same-host", "http://a", None));
    }

    #[test]
    fn entry_that_can_match_nothing_has_a_fault() {
        for good in [
            "*",
            "same-host",
            "https://game.example",
            "http://localhost:3000",
            "http://[::1]:81",
            "chrome-extension://abc",
            "https://*.game.example",
            "http://*.localhost:3000",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for wrong in [
            "",
            "game.example",
            "https://",
            "://x",
            "https://game.example/",
            "https://Game.example",
            "HTTPS://x",
            "https://a b",
            "https://*.example/x",
            "https://a.*.example",
            "https://*",
            "null",
            "https://game.example:443",
            "http://game.example:80",
            "https://user@game.example",
        ] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
    }
}
