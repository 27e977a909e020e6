//! Addresses: networks of trusted proxies, and the client behind them (RFC 7239).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use actix_http::header::{self, HeaderMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::http::forwarded::{self, Element};

/// The addresses that share a prefix, as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Bits of the prefix.
    bits: u8,
}

impl Network {
    /// Whether an address is in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other) = (self.address, address.to_canonical());
        own.is_ipv4() == other.is_ipv4() && prefix(own, self.bits) == prefix(other, self.bits)
    }
}

/// The first bits of an address, the others 0.
fn prefix(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::from((v4.to_bits() & mask).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no address and no network, like \"10.0.0.1\" or \"10.0.0.0/8\"")
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most),
            None => Some(most),
        };
        let bits = bits.ok_or_else(wrong)?;
        Ok(Self {
            address: prefix(address, bits),
            bits,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether an address is that of a trusted proxy.
#[must_use]
pub fn is_trusted(address: IpAddr, proxies: &[Network]) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

/// The header in which proxies tell the client's address. Only one is believed: a
/// proxy adds to its own and passes the other on as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The client of a request that came through trusted proxies: the last address in
/// their header that is not one of them. What a client wrote itself stands before
/// what the proxies add, and is not believed. The address of the peer where there is
/// none.
#[must_use]
pub fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    proxies: &[Network],
    header: ForwardedHeader,
) -> IpAddr {
    let mut client = peer;
    for hop in hops(headers, header) {
        match hop {
            Some(address) => client = address,
            // An obfuscated, unknown or malformed hop: what stands before it proves nothing.
            None => break,
        }
        if !is_trusted(client, proxies) {
            break;
        }
    }
    client
}

/// Whether the last proxy says that its client spoke TLS with it.
#[must_use]
pub fn is_https(headers: &HeaderMap, header: ForwardedHeader) -> bool {
    let is_it = |value: &str| value.eq_ignore_ascii_case("https");
    if header == ForwardedHeader::Forwarded {
        let last = forwarded_elements(headers).next().flatten();
        return last.and_then(|element| element.proto).is_some_and(is_it);
    }
    let lines = headers.get_all(&header::X_FORWARDED_PROTO);
    let last = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .last();
    let last = last.and_then(|proto| std::str::from_utf8(proto).ok());
    last.is_some_and(|proto| is_it(proto.trim().trim_matches('"')))
}

/// The addresses that proxies wrote, the last one first; `None` for what is none.
fn hops(headers: &HeaderMap, header: ForwardedHeader) -> Vec<Option<IpAddr>> {
    if header == ForwardedHeader::Forwarded {
        return forwarded_elements(headers)
            .map(|element| node_address(element?.node?))
            .collect();
    }
    let lines = headers.get_all(&header::X_FORWARDED_FOR);
    let mut hops: Vec<_> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|node| node_address(std::str::from_utf8(node).unwrap_or_default()))
        .collect();
    hops.reverse();
    hops
}

/// What proxies wrote into `Forwarded`, as [`forwarded::elements`].
fn forwarded_elements(headers: &HeaderMap) -> impl Iterator<Item = Option<Element<'_>>> {
    let lines: Vec<_> = headers.get_all(&header::FORWARDED).collect();
    forwarded::elements(lines.into_iter().map(|line| line.as_bytes()))
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, each with or
/// without quotes (RFC 7239, section 6), and a bare IPv6 address.
fn node_address(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = node.strip_prefix('[') {
        let address = rest.split_once(']')?.0.parse::<Ipv6Addr>().ok()?;
        return Some(IpAddr::V6(address).to_canonical());
    }
    let (address, _) = node.split_once(':')?;
    address.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use actix_http::header::{HeaderName, HeaderValue};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn network_contains_what_shares_its_prefix() {
        let network: Network = "10.1.2.3/8".parse().unwrap();
        assert_eq!(network.to_string(), "10.0.0.0/8");
        assert!(network.contains(ip("10.255.0.1")) && !network.contains(ip("11.0.0.1")));
        assert!(network.contains(ip("::ffff:10.0.0.1")));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(ip("1.2.3.4")) && !all.contains(ip("::1")));
        let one: Network = "2001:db8::1".parse().unwrap();
        assert!(one.contains(ip("2001:db8::1")) && !one.contains(ip("2001:db8::2")));
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/-1",
            "proxy",
            "10.0.0/8",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn last_proxy_says_whether_there_is_tls() {
        for (name, value, kind, expected) in [
            (
                "X-Forwarded-Proto",
                "https",
                ForwardedHeader::XForwardedFor,
                true,
            ),
            (
                "X-Forwarded-Proto",
                "https, http",
                ForwardedHeader::XForwardedFor,
                false,
            ),
            (
                "X-Forwarded-Proto",
                "https",
                ForwardedHeader::Forwarded,
                false,
            ),
            (
                "Forwarded",
                "for=a;proto=https",
                ForwardedHeader::Forwarded,
                true,
            ),
            (
                "Forwarded",
                "proto=https, for=a;proto=http",
                ForwardedHeader::Forwarded,
                false,
            ),
            (
                "Forwarded",
                "x=\", for=a;proto=\"https\"",
                ForwardedHeader::Forwarded,
                true,
            ),
            (
                "Forwarded",
                "proto=https;for=a;for=b",
                ForwardedHeader::Forwarded,
                false,
            ),
        ] {
            assert_eq!(
                is_https(&headers(&[(name, value)]), kind),
                expected,
                "{value}"
            );
        }
        assert!(!is_https(&headers(&[]), ForwardedHeader::XForwardedFor));
    }

    #[test]
    fn client_is_the_last_that_is_no_proxy() {
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let peer = ip("10.0.0.1");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "10.0.0.1"),
            (&[("X-Forwarded-For", "192.0.2.7")], "192.0.2.7"),
            (
                &[("X-Forwarded-For", "6.6.6.6, 192.0.2.7, 10.0.0.2")],
                "192.0.2.7",
            ),
            (
                &[
                    ("X-Forwarded-For", "6.6.6.6"),
                    ("X-Forwarded-For", "192.0.2.7"),
                ],
                "192.0.2.7",
            ),
            (&[("X-Forwarded-For", "192.0.2.7, unknown")], "10.0.0.1"),
            (&[("X-Forwarded-For", "[2001:db8::7]:4711")], "2001:db8::7"),
            (&[("X-Forwarded-For", "2001:db8::7")], "2001:db8::7"),
            (&[("X-Forwarded-For", "192.0.2.7:4711")], "192.0.2.7"),
            (
                &[(
                    "Forwarded",
                    "for=6.6.6.6, for=\"[2001:db8::7]:80\";proto=https;by=10.0.0.1",
                )],
                "2001:db8::7",
            ),
            (&[("Forwarded", "proto=https;For=192.0.2.7")], "192.0.2.7"),
            (&[("Forwarded", "for=_hidden")], "10.0.0.1"),
            (
                &[("Forwarded", "for=192.0.2.7;host=\"a,for=6.6.6.6\"")],
                "192.0.2.7",
            ),
            (
                &[("Forwarded", "for=192.0.2.7;proto=\"x\\\",for=6.6.6.6\"")],
                "192.0.2.7",
            ),
            (
                &[("Forwarded", "for=192.0.2.7;host=\"a;for=6.6.6.6\"")],
                "192.0.2.7",
            ),
            // What a client opens ends before what the proxy appends.
            (
                &[("Forwarded", "for=6.6.6.6;x=\", for=192.0.2.7")],
                "192.0.2.7",
            ),
            (
                &[("Forwarded", "for=6.6.6.6;by=\"a\\\", for=192.0.2.7")],
                "192.0.2.7",
            ),
            (
                &[(
                    "Forwarded",
                    "host=\"a\";for=6.6.6.6;host=\"b, for=192.0.2.7",
                )],
                "192.0.2.7",
            ),
            (
                &[("Forwarded", "for=6.6.6.6;x=\", for=192.0.2.7, for=10.0.0.2")],
                "192.0.2.7",
            ),
            // What is not well-formed tells nobody's address.
            (&[("Forwarded", "for=6.6.6.6;for=192.0.2.7")], "10.0.0.1"),
            (&[("Forwarded", "for=6.6.6.6, for=\"192.0.2.7")], "10.0.0.1"),
            (
                &[("Forwarded", "for=6.6.6.6, x=\", for=10.0.0.2")],
                "10.0.0.2",
            ),
            (
                &[
                    ("Forwarded", "for=6.6.6.6"),
                    ("Forwarded", "for=192.0.2.7;x=\""),
                ],
                "10.0.0.1",
            ),
            (&[("X-Forwarded-For", "\u{ff}, 192.0.2.7")], "192.0.2.7"),
        ];
        for (lines, expected) in cases {
            let kind = if lines.first().is_some_and(|(name, _)| *name == "Forwarded") {
                ForwardedHeader::Forwarded
            } else {
                ForwardedHeader::XForwardedFor
            };
            // What a client writes into the other header is not read.
            let other = match kind {
                ForwardedHeader::Forwarded => ("X-Forwarded-For", "6.6.6.6"),
                ForwardedHeader::XForwardedFor => ("Forwarded", "for=6.6.6.6"),
            };
            let lines: Vec<_> = lines.iter().copied().chain([other]).collect();
            let found = client(peer, &headers(&lines), &proxies, kind);
            assert_eq!(found, ip(expected), "{lines:?}");
        }
    }
}
