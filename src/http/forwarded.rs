//! The `Forwarded` header (RFC 7239), read from its end.
//!
//! A proxy appends its element to what came, and a client may have sent anything, as a
//! quote that it never closes. What stands before an element says nothing about where
//! that begins; from the end it is known, because the last proxy's element is whole.

use std::str;

/// The elements of a header's lines, the last one first; `None` for one that is not
/// well-formed, which is the last that is read: what stands before it proves nothing.
pub(super) fn elements<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Option<Element<'a>>> {
    let mut lines = lines.rev();
    let mut rest: Option<&[u8]> = None;
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let line = rest.take().or_else(|| lines.next())?;
        let element = match last_comma(line) {
            Ok(Some(comma)) => {
                rest = line.get(..comma);
                line.get(comma + 1..).and_then(Element::parse)
            }
            Ok(None) => Element::parse(line),
            Err(Open) => None,
        };
        is_over = element.is_none();
        Some(element)
    })
}

/// A quoted string that does not begin.
struct Open;

/// Where the last comma is that is not within a quoted string. What a client chose may be
/// within one, as its host.
fn last_comma(line: &[u8]) -> Result<Option<usize>, Open> {
    let mut before = line;
    while let Some((last, rest)) = before.split_last() {
        match last {
            b',' => return Ok(Some(rest.len())),
            b'"' => before = before_string(rest).ok_or(Open)?,
            _ => before = rest,
        }
    }
    Ok(None)
}

/// What stands before a quoted string that has its last quote behind `text`.
fn before_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let quote = text.iter().rposition(|byte| *byte == b'"')?;
        text = text.get(..quote)?;
        let escapes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
        if escapes % 2 == 0 {
            return Some(text);
        }
    }
}

/// What one proxy wrote.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Whom the proxy had the request from, without quotes.
    pub node: Option<&'a str>,
    /// The protocol in which it had it, without quotes.
    pub proto: Option<&'a str>,
}

impl<'a> Element<'a> {
    /// Reads `for=192.0.2.1;proto=https`. A value without quotes may have the characters of
    /// an address, which proxies write so. No name may be there twice.
    fn parse(text: &'a [u8]) -> Option<Self> {
        let mut text = str::from_utf8(text).ok()?.trim_matches(SPACE);
        let mut names: Vec<&str> = Vec::new();
        let mut element = Self::default();
        loop {
            // RFC 7239 allows for pairs that are empty, and proxies write spaces between them.
            if let Some(rest) = text.strip_prefix(';') {
                text = rest.trim_start_matches(SPACE);
                continue;
            }
            if text.is_empty() {
                return Some(element);
            }
            let (name, rest) = text.split_once('=')?;
            let is_double = names.iter().any(|other| other.eq_ignore_ascii_case(name));
            if !is_token(name) || is_double || names.len() >= PAIRS_MAX {
                return None;
            }
            names.push(name);
            let (value, rest) = match rest.strip_prefix('"') {
                Some(rest) => split_string(rest)?,
                None => split_unquoted(rest)?,
            };
            let rest = rest.trim_start_matches(SPACE);
            if !rest.is_empty() && !rest.starts_with(';') {
                return None;
            }
            if name.eq_ignore_ascii_case("for") {
                element.node = Some(value);
            } else if name.eq_ignore_ascii_case("proto") {
                element.proto = Some(value);
            }
            text = rest;
        }
    }
}

const SPACE: [char; 2] = [' ', '\t'];

/// More pairs than this is no element: RFC 7239 knows four names.
const PAIRS_MAX: usize = 16;

fn is_token(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// Whether a value without quotes may have it.
fn is_unquoted(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"\\,;=".contains(&byte)
}

/// A value without quotes, and what follows it.
fn split_unquoted(text: &str) -> Option<(&str, &str)> {
    let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let value = value.trim_end_matches(SPACE);
    value.bytes().all(is_unquoted).then_some((value, rest))
}

/// A quoted string behind its first quote, and what follows its last one.
fn split_string(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let was_escaped = is_escaped;
        is_escaped = byte == b'\\' && !was_escaped;
        byte == b'"' && !was_escaped
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whom the elements name, the last first.
    fn nodes(lines: &[&str]) -> Vec<Option<String>> {
        let lines = lines.iter().map(|line| line.as_bytes());
        let elements = elements(lines);
        elements
            .map(|element| Some(element?.node?.to_owned()))
            .collect()
    }

    #[test]
    fn element_has_its_node_and_protocol() {
        let parsed = |text: &'static str| Element::parse(text.as_bytes());
        let both = |node, proto| {
            Some(Element {
                node: Some(node),
                proto: Some(proto),
            })
        };
        let text = " For=\"[2001:db8::7]:80\";Proto=https;host=\"a,b;\\\"c\" ";
        assert_eq!(parsed(text), both("[2001:db8::7]:80", "https"));
        assert_eq!(
            parsed(";proto=\"http\" ;; for=192.0.2.7:80 ;"),
            both("192.0.2.7:80", "http")
        );
        for malformed in [
            "for",
            "=a",
            "for=a b",
            "for = a",
            "for=a;for=b",
            "for=a;FOR=a",
            "for=a;by=b;by=c",
            "for=\"a",
            "for=a\"",
            "for=a\"b\"",
            "for=\"a\"b",
            "for=\"a\\\"",
            "for=a;x=\\",
            "for=a=b",
            "for=\"a\"\"",
            "f\"o\"r=a",
            "for=a\u{7f}",
        ] {
            assert_eq!(parsed(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn what_a_client_opens_takes_in_nothing_of_a_proxy() {
        for sent in [
            "for=1.1.1.1;x=\"",
            "for=1.1.1.1;by=\"a\\\"",
            "for=1.1.1.1;by=\"a\\",
            "host=\"a\";for=1.1.1.1;host=\"b",
            "for=\"1.1.1.1",
            "for=1.1.1.1;for=2.2.2.2",
            "\\",
        ] {
            let together = format!("{sent}, for=9.9.9.9;by=\"10.0.0.1, 10.0.0.2\"");
            let first = nodes(&[&together]).swap_remove(0);
            assert_eq!(first.as_deref(), Some("9.9.9.9"), "{together}");
            // And the client's own names nobody, nor does what stands before it.
            let alone = format!("for=2.2.2.2, {sent}");
            assert_eq!(nodes(&["for=3.3.3.3", &alone]), [None], "{alone}");
        }
    }

    #[test]
    fn nothing_is_read_before_an_element_that_is_not_well_formed() {
        let lines = ["for=a, for=b", "for=c, for=d;for=e, for=f"];
        assert_eq!(nodes(&lines), [Some("f".to_owned()), None]);
        let lines = ["for=a, for=b", "for=c"];
        let names = ["c", "b", "a"].map(|name| Some(name.to_owned()));
        assert_eq!(nodes(&lines), names);
    }

    /// What a proxy may write in quotes.
    fn quoted() -> impl Strategy<Value = String> {
        "[ -~]{0,12}".prop_map(|text| {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{escaped}\"")
        })
    }

    /// The rest of a proxy's element; the host and the like are as the client chose them.
    fn pairs() -> impl Strategy<Value = String> {
        (prop::option::of(quoted()), prop::option::of(quoted())).prop_map(|(host, by)| {
            let pair = |name, value: Option<String>| {
                value.map_or(String::new(), |value| format!(";{name}={value}"))
            };
            pair("host", host) + &pair("by", by)
        })
    }

    /// What a client sends: anything, and with many of the characters that matter.
    fn sent() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("for=1.1.1.1".to_owned()),
            Just("host=".to_owned()),
            "[\"\\\\,;= ]{1,3}",
            "\\PC{0,3}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_a_client_sends_never_changes_what_a_proxy_appends(
            sent in sent(),
            separator in prop::sample::select(vec![",", ", "]),
            quotes in any::<bool>(),
            pairs in pairs(),
            hops in prop::collection::vec(quoted(), 0..3),
        ) {
            let node = if quotes { "\"9.9.9.9\"" } else { "9.9.9.9" };
            let mut line = format!("{sent}{separator}for={node}{pairs}");
            for by in &hops {
                line += &format!("{separator}for=10.0.0.1;by={by}");
            }
            let nodes = nodes(&[&line]);
            let found = nodes.get(hops.len()).cloned().flatten();
            prop_assert_eq!(found.as_deref(), Some("9.9.9.9"), "{}", line);
        }
    }
}
