//! Which pages may use the server (RFC 6454; Fetch Metadata), and under which
//! names the server is addressed.

use actix_http::Uri;
use actix_http::header::{self, HeaderMap};
use actix_http::uri::Authority;

use crate::http::allowed;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The name of the header that tells how the page of a request is related to it.
const SEC_FETCH_SITE: &str = "Sec-Fetch-Site";

/// The longest name of DNS (RFC 1035), in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Why the page of a request may not use the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// Its origin is not one of the accepted ones.
    Origin(String),
    /// It is another site's, of an origin that the request does not tell.
    Site,
    /// There are several origins.
    Several,
    /// The server has no such name.
    Host(String),
    /// What is given as the server's name is none.
    InvalidHost,
}

impl Foreign {
    /// A sentence for the client.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Origin(_) | Self::Site => {
                "pages of this origin may not connect; see server.allowed_origins".to_owned()
            }
            Self::Several => "a request has at most one Origin header".to_owned(),
            Self::Host(host) => {
                format!("this server is not known as {host:?}; see server.hosts")
            }
            Self::InvalidHost => {
                "Host must be given once, as a name or an address, with or without a port"
                    .to_owned()
            }
        }
    }

    /// The error for the client.
    #[must_use]
    pub fn error(&self) -> ErrorBody {
        let code = match self {
            Self::InvalidHost => ErrorCode::BadMessage,
            _ => ErrorCode::Forbidden,
        };
        ErrorBody::new(code, self.message())
    }

    /// The label of the metric.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Host(_) | Self::InvalidHost => "host",
            _ => "origin",
        }
    }
}

/// Who may use a listener.
#[derive(Debug, Clone, Copy)]
pub struct Accepted<'s> {
    /// `server.allowed_origins`.
    pub origins: &'s [String],
    /// `server.hosts`.
    pub hosts: &'s [String],
    /// Whether requests come with TLS: then so do the server's own pages. Without, a proxy may
    /// end TLS in front.
    pub is_tls: bool,
}

impl Accepted<'_> {
    /// Checks a request: the name that it calls the server by, and the page that it
    /// comes from. A request that no page has sent passes the second.
    ///
    /// Scripts that a page loads, images and navigations have no `Origin`. Browsers
    /// tell by `Sec-Fetch-Site` that another site's page wants them; those that do
    /// not send it tell the page by `Referer`.
    ///
    /// # Errors
    /// [`Foreign`].
    pub fn check(&self, target: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        let mut hosts = headers.get_all(header::HOST);
        // A request of HTTP/1.0 needs none.
        let host = match hosts.next() {
            Some(host) => {
                let host = host.to_str().ok().filter(|host| is_host(host));
                Some(host.ok_or(Foreign::InvalidHost)?)
            }
            None => None,
        };
        if hosts.next().is_some() {
            return Err(Foreign::InvalidHost);
        }
        // The authority of a target in absolute form takes its place (RFC 9112, 3.2.2).
        let host = match target.authority().map(Authority::as_str) {
            Some(authority) if !is_host(authority) => return Err(Foreign::InvalidHost),
            Some(authority) => Some(authority),
            None => host,
        };
        if let Some(host) = host
            && !self.has_host(host)
        {
            return Err(Foreign::Host(host.to_owned()));
        }
        let mut origins = headers.get_all(header::ORIGIN);
        let origin = origins.next();
        if origins.next().is_some() {
            return Err(Foreign::Several);
        }
        if let Some(origin) = origin {
            // One that is not ASCII text equals none that is configured.
            let origin = origin.to_str().unwrap_or_default();
            return if self.has_origin(origin, host) {
                Ok(())
            } else {
                Err(Foreign::Origin(origin.to_owned()))
            };
        }
        let referer = headers.get(header::REFERER);
        let referer = referer.map(|referer| origin_of(referer.to_str().unwrap_or_default()));
        let is_known = |referer: Option<&str>| referer.is_some_and(|r| self.has_origin(r, host));
        match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
            Some(b"same-origin" | b"none") => Ok(()),
            Some(_) if is_known(referer) => Ok(()),
            Some(_) => Err(Foreign::Site),
            None => match referer {
                Some(referer) if !self.has_origin(referer, host) => {
                    Err(Foreign::Origin(referer.to_owned()))
                }
                _ => Ok(()),
            },
        }
    }

    /// Whether pages of `origin` may use the server, which was called `host`: its own
    /// pages, and those that are listed.
    fn has_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let own = origin.split_once("://").zip(host);
        let is_own = own.is_some_and(|((scheme, authority), host)| {
            let is_own = match self.is_tls {
                true => scheme.eq_ignore_ascii_case("https"),
                false => allowed::is_web(scheme),
            };
            is_own && authority.eq_ignore_ascii_case(host)
        });
        is_own
            || self
                .origins
                .iter()
                .any(|text| allowed::allows(text, origin, host))
    }

    /// Whether the server has this name. Another site cannot make a browser use an
    /// address or `localhost` as a name of its own (DNS rebinding), so these pass.
    fn has_host(&self, host: &str) -> bool {
        let name = name_of(host);
        let is_local = name.eq_ignore_ascii_case("localhost")
            || name
                .get(name.len().saturating_sub(10)..)
                .is_some_and(|end| end.eq_ignore_ascii_case(".localhost"));
        is_local
            || is_address(name)
            || self.hosts.iter().any(|known| {
                known == "*" || known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host)
            })
    }
}

/// `name` of `name:port`, `[address]` of `[address]:port`.
pub(super) fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_address(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// The origin of an address: scheme and authority.
fn origin_of(address: &str) -> &str {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    address.get(..scheme.len() + 3 + end).unwrap_or(address)
}

/// Whether a `Host` is one (RFC 9110, section 7.2): a name of DNS or an address, with
/// or without a port.
#[must_use]
pub fn is_host(host: &str) -> bool {
    let name = name_of(host);
    let port = host.get(name.len() + 1..).unwrap_or_default();
    if !port.is_empty() && port.parse::<u16>().is_err() {
        return false;
    }
    if name.starts_with('[') {
        return is_address(name);
    }
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_of_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::header::{HeaderName, HeaderValue};

    fn check(lines: &[(&str, &str)], origins: &[&str], hosts: &[&str]) -> Result<(), Foreign> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                headers.append(name, value);
            }
        }
        let own = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        Accepted {
            origins: &own(origins),
            hosts: &own(hosts),
            is_tls: false,
        }
        .check(&Uri::from_static("/ws"), &headers)
    }

    #[test]
    fn page_without_tls_is_none_of_a_server_with_tls() {
        let accepted = |is_tls, origin| {
            let accepted = Accepted {
                hosts: &[],
                origins: &[],
                is_tls,
            };
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:8443"));
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            accepted.check(&Uri::from_static("/ws"), &headers).is_ok()
        };
        assert!(accepted(true, "https://127.0.0.1:8443"));
        assert!(!accepted(true, "http://127.0.0.1:8443"));
        // A proxy may end TLS in front of it.
        assert!(accepted(false, "https://127.0.0.1:8443"));
        assert!(accepted(false, "http://127.0.0.1:8443"));
    }

    #[test]
    fn authority_of_the_target_takes_the_place_of_host() {
        let (hosts, origins) = (vec!["game.example".to_owned()], Vec::new());
        let accepted = Accepted {
            origins: &origins,
            hosts: &hosts,
            is_tls: false,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1"));
        let check = |target: &'static str| accepted.check(&Uri::from_static(target), &headers);
        assert_eq!(check("/ws"), Ok(()));
        assert_eq!(check("http://game.example/ws"), Ok(()));
        let evil = Foreign::Host("evil.example".to_owned());
        assert_eq!(check("http://evil.example/ws"), Err(evil));
        let user = "http://user@game.example/ws";
        assert_eq!(check(user), Err(Foreign::InvalidHost));
    }

    const HOST: (&str, &str) = ("Host", "game.example:8080");

    #[test]
    fn only_the_own_host_is_allowed_by_default() {
        let own = ["game.example"];
        let is_allowed = |origin| check(&[HOST, ("Origin", origin)], &[], &own).is_ok();
        assert!(check(&[HOST], &[], &own).is_ok());
        assert!(is_allowed("http://game.example:8080"));
        assert!(is_allowed("https://GAME.example:8080"));
        for foreign in [
            "http://game.example",
            "http://evil.example",
            "evil://game.example:8080",
            "null",
            "",
        ] {
            assert!(!is_allowed(foreign), "{foreign}");
        }
        assert!(check(&[("Origin", "http://a")], &[], &own).is_err());
    }

    #[test]
    fn a_list_adds_to_the_own_host() {
        let list = ["https://a.example"];
        assert!(check(&[("Origin", "https://a.example")], &list, &[]).is_ok());
        assert!(check(&[("Origin", "http://a.example")], &list, &[]).is_err());
        let own = [("Host", "b.example"), ("Origin", "https://b.example")];
        assert!(check(&own, &list, &["b.example"]).is_ok());
        assert!(
            check(&own, &list, &[]).is_err(),
            "it is not the server's name"
        );
        assert!(check(&[("Origin", "null")], &["*"], &[]).is_ok());
    }

    #[test]
    fn second_origin_does_not_hide_behind_the_first() {
        let lines = [
            HOST,
            ("Origin", "http://game.example:8080"),
            ("Origin", "http://evil"),
        ];
        assert_eq!(check(&lines, &[], &["game.example"]), Err(Foreign::Several));
    }

    #[test]
    fn script_tag_of_another_site_is_refused() {
        let site = |site| ("Sec-Fetch-Site", site);
        let own = ["game.example"];
        let evil = ("Referer", "http://evil.example/page");
        let friend = ("Referer", "https://a.example/page?x");
        let list = ["https://a.example"];
        assert!(check(&[HOST, site("same-origin")], &[], &own).is_ok());
        assert!(check(&[HOST, site("none")], &[], &own).is_ok());
        assert!(check(&[HOST, site("cross-site")], &[], &own).is_err());
        assert!(check(&[HOST, site("same-site")], &[], &own).is_err());
        assert!(check(&[HOST, site("cross-site"), evil], &list, &own).is_err());
        assert!(check(&[HOST, site("cross-site"), friend], &list, &own).is_ok());
        assert!(check(&[HOST, evil], &[], &own).is_err());
        assert!(
            check(
                &[HOST, ("Referer", "http://game.example:8080/a/")],
                &[],
                &own
            )
            .is_ok()
        );
        assert!(check(&[HOST, friend], &list, &own).is_ok());
    }

    #[test]
    fn names_have_to_be_known_and_addresses_pass() {
        let host = |host, hosts: &[&str]| check(&[("Host", host)], &[], hosts).is_ok();
        for passes in [
            "127.0.0.1:8080",
            "[::1]:8080",
            "[2001:db8::1]",
            "localhost",
            "a.LOCALHOST:1",
        ] {
            assert!(host(passes, &[]), "{passes}");
        }
        for refused in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil",
            "1.2.3",
        ] {
            assert!(!host(refused, &[]), "{refused}");
        }
        assert!(host("Game.example:8080", &["game.example"]));
        assert!(host("game.example:8080", &["game.example:8080"]));
        assert!(!host("game.example:81", &["game.example:8080"]));
        assert!(host("any.example", &["*"]));
        let rebound = [
            ("Host", "evil.example:80"),
            ("Origin", "http://evil.example:80"),
        ];
        assert_eq!(
            check(&rebound, &[], &[]),
            Err(Foreign::Host("evil.example:80".to_owned()))
        );
    }

    #[test]
    fn host_is_an_authority() {
        for host in ["a", "a.example:80", "[::1]:80", "127.0.0.1", "a_b:"] {
            assert!(is_host(host), "{host}");
        }
        for wrong in [
            "", ":80", "a b", "user@a", "a/b", "[::1", "a:b:80", "\"a\"", "a,b", "a:65536",
        ] {
            assert!(!is_host(wrong), "{wrong}");
            assert_eq!(
                check(&[("Host", wrong)], &[], &["*"]),
                Err(Foreign::InvalidHost)
            );
        }
        let twice = [("Host", "a"), ("Host", "a")];
        assert_eq!(check(&twice, &[], &["*"]), Err(Foreign::InvalidHost));
    }
}
