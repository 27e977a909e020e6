//! Who calls: the bearer tokens of the operator's programs (RFC 6750), and what each may do.
//!
//! A listener on a loopback address needs no token, unless `management.token_required` is
//! set: programs on the machine are trusted. Pages of other sites, which a browser on the
//! machine opens, are refused before (`http/operator.rs`).

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;

use super::role::Role;
use super::settings::ManagementSettings;
use crate::portal::operator_call::PROGRAM;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The challenge for a request without a token that counts.
pub const CHALLENGE: &str = "Bearer realm=\"turntable management\"";

/// The name of a caller without a token, in the log.
pub const LOCAL: &str = "local";

/// A caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of its token.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
}

#[derive(Debug)]
struct Known {
    token: Box<str>,
    caller: Caller,
}

/// The tokens that count.
#[derive(Debug)]
pub struct Access {
    known: Vec<Known>,
    /// Whether callers without a token may do everything.
    is_open: bool,
}

impl Access {
    /// The access to a listener with these settings.
    #[must_use]
    pub fn new(settings: &ManagementSettings) -> Self {
        let tokens = settings.tokens.iter();
        Self {
            known: tokens
                .map(|(name, entry)| Known {
                    token: entry.token.as_str().into(),
                    caller: Caller {
                        name: name.as_str().into(),
                        role: entry.role,
                    },
                })
                .collect(),
            is_open: settings.listen.ip().is_loopback() && !settings.token_required,
        }
    }

    /// Whether requests without a token may do everything.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether anybody may change the configuration by a call.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        let mut known = self.known.iter();
        self.is_open || known.any(|known| known.caller.role == Role::Admin)
    }

    /// The caller of a request.
    ///
    /// # Errors
    /// `unauthorized` without a token where one is needed, and for one that does not count.
    pub fn caller(&self, request: &HttpRequest) -> Result<Caller, ErrorBody> {
        let header = request.headers().get(AUTHORIZATION);
        let header = header.map(|value| value.to_str().unwrap_or_default());
        self.of(header)
    }

    fn of(&self, authorization: Option<&str>) -> Result<Caller, ErrorBody> {
        let Some(authorization) = authorization else {
            let local = Caller {
                name: LOCAL.into(),
                role: Role::Admin,
            };
            let needed = || unauthorized("a token is needed: Authorization: Bearer TOKEN");
            return self.is_open.then_some(local).ok_or_else(needed);
        };
        let given = match authorization.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(unauthorized("accepted is Authorization: Bearer TOKEN")),
        };
        // Each is compared, so that the time says nothing of which.
        let found = self.known.iter().fold(None, |found, known| {
            let is_equal = known.token.as_bytes().ct_eq(given.as_bytes());
            bool::from(is_equal).then_some(&known.caller).or(found)
        });
        let unknown = || unauthorized("the token is in no entry of management.tokens");
        found.cloned().ok_or_else(unknown)
    }
}

impl Caller {
    /// A program that embeds the server, which may do everything.
    #[must_use]
    pub fn program() -> Self {
        Self {
            name: PROGRAM.into(),
            role: Role::Admin,
        }
    }

    /// Whether it may call a method that needs a role.
    ///
    /// # Errors
    /// `forbidden` where it may not.
    pub fn needs(&self, role: Role) -> Result<(), ErrorBody> {
        if self.role >= role {
            return Ok(());
        }
        let message = format!(
            "this needs the role {}; the token has the role {}",
            role.name(),
            self.role.name()
        );
        Err(ErrorBody::new(ErrorCode::Forbidden, message))
    }
}

fn unauthorized(message: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Unauthorized, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::management::settings::TokenSettings;

    const TOKEN: &str = "0123456789abcdef";

    fn access(listen: &str, token_required: bool) -> Access {
        let reader = TokenSettings {
            token: TOKEN.to_owned(),
            role: Role::Read,
        };
        Access::new(&ManagementSettings {
            listen: listen.parse().unwrap(),
            token_required,
            tokens: [("grafana".to_owned(), reader)].into(),
            ..ManagementSettings::default()
        })
    }

    #[test]
    fn local_programs_need_no_token_unless_the_configuration_says_so() {
        let code = |access: &Access| access.of(None).map_err(|error| error.code);
        let local = code(&access("127.0.0.1:1", false)).unwrap();
        assert_eq!((&*local.name, local.role), ("local", Role::Admin));
        for access in [access("127.0.0.1:1", true), access("192.0.2.1:1", false)] {
            assert_eq!(code(&access), Err(ErrorCode::Unauthorized));
        }
    }

    #[test]
    fn token_has_its_name_and_role_and_a_wrong_one_is_refused_everywhere() {
        for access in [access("127.0.0.1:1", false), access("192.0.2.1:1", false)] {
            for scheme in ["Bearer", "bearer"] {
                let caller = access.of(Some(&format!("{scheme} {TOKEN}"))).unwrap();
                assert_eq!((&*caller.name, caller.role), ("grafana", Role::Read));
            }
            for header in [
                "",
                "Bearer",
                "Bearer ",
                "Basic Zm9v",
                "Bearer 0123456789abcdeF",
                TOKEN,
            ] {
                let refused = access.of(Some(header)).map_err(|error| error.code);
                assert_eq!(refused, Err(ErrorCode::Unauthorized), "{header}");
            }
        }
    }

    #[test]
    fn each_role_may_do_what_those_before_it_may() {
        let roles = [Role::Read, Role::Operate, Role::Admin];
        for (index, role) in roles.into_iter().enumerate() {
            let caller = Caller {
                name: "a".into(),
                role,
            };
            let may: Vec<bool> = roles.map(|of| caller.needs(of).is_ok()).into();
            assert_eq!(may.iter().filter(|may| **may).count(), index + 1);
            assert!(may.is_sorted_by(|one, next| one >= next));
        }
    }
}
