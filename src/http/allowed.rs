//! The entries of `server.allowed_origins`: whose pages may connect beside those of the
//! server's own host.

use std::net::{Ipv4Addr, Ipv6Addr};

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
    if matches!(scheme, "ws" | "wss") {
        return Some("a page has http or https, also where it connects with ws or wss");
    }
    let name = name_of(authority);
    let port = authority.get(name.len() + 1..);
    if matches!(
        (scheme, port),
        ("http", Some("80")) | ("https", Some("443"))
    ) {
        return Some("browsers leave out the usual port of the scheme");
    }
    if port.is_some_and(|port| port.is_empty() || port.starts_with('0')) {
        return Some("browsers send a port as a number from 1, without zeros before it");
    }
    // Other schemes are those of applications, and may have any name.
    let is_below = matches!(entry(text), Entry::Below { .. });
    is_web(scheme).then(|| name_fault(name, is_below)).flatten()
}

/// What keeps a browser from sending this name, or a name below it, as that of a page. It
/// writes addresses in one form only (WHATWG URL, "host serializing").
fn name_fault(name: &str, is_below: bool) -> Option<&'static str> {
    if let Some(address) = name.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        if is_below {
            return Some("there are no names below an address");
        }
        return (name != ipv6(address)).then_some("browsers send the shortest form of an address");
    }
    let labels = name.strip_suffix('.').unwrap_or(name);
    if labels.split('.').any(str::is_empty) {
        return Some("a part of the name is empty");
    }
    // They take a name with such an end for an address.
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let is_number = last.bytes().all(|digit| digit.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(is_hex);
    if !is_number {
        return None;
    }
    if is_below {
        return Some("there are no names below an address");
    }
    let is_address = name.parse::<Ipv4Addr>().is_ok();
    (!is_address).then_some("browsers send an address as four numbers of 0 to 255")
}

/// An address as browsers write it: without the numbers of IPv4 in it.
fn ipv6(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("[::ffff:{high:x}:{low:x}]"),
        _ => format!("[{address}]"),
    }
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
            "https://[2001:db8::1]:8443",
            "https://[::ffff:7f00:1]",
            "https://127.0.0.1:8443",
            "https://game.example.",
            "https://*.com",
            "https://1e2",
            "https://4.game.example",
            "capacitor://localhost",
            "app://.",
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
            "wss://game.example",
            "ws://*.game.example",
            "https://127.1",
            "https://1.2.3",
            "https://256.1.1.1",
            "https://0x7f.1",
            "https://game.0x7f",
            "https://127.0.0.1.",
            "https://127.0.0.01",
            "https://*.127.0.0.1",
            "https://[0:0:0:0:0:0:0:1]",
            "https://[::FFFF:7f00:1]",
            "https://[::ffff:127.0.0.1]",
            "https://*.[::1]",
            "http://localhost:08080",
            "http://localhost:0",
            "https://game.example:",
            "https://game..example",
            "https://.game.example",
            "https://*..game.example",
            "https://game.example..",
        ] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
    }
}
