//! The login cookie of a request, which the checker `cookie` may ask for, and the one
//! that replaces it in the answer.

use actix_http::header::HeaderMap;
use actix_web::HttpRequest;

use crate::http::admission::{self, Admission};

/// What a request brings.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// The value of the cookie, for the connection that begins.
    pub(super) value: Option<Box<str>>,
    /// The header `Set-Cookie` of the answer.
    pub(super) renewed: Option<String>,
}

impl Admission {
    /// The login of a request.
    pub(super) fn login(&self, request: &HttpRequest) -> Login {
        self.login_of(request.headers(), || self.is_https(request))
    }

    /// The login in these headers.
    pub(super) fn login_of(&self, headers: &HeaderMap, is_https: impl FnOnce() -> bool) -> Login {
        let portal = &self.shared.portal;
        let name = portal.cookie_name();
        let value = name.and_then(|name| admission::cookie(headers, &name));
        let renewed = value
            .as_ref()
            .and_then(|value| portal.renew_cookie(value, is_https));
        Login {
            value: value.map(Into::into),
            renewed,
        }
    }
}

impl Login {
    /// The header as a line; empty where there is none.
    pub(super) fn line(&self) -> String {
        let line = |value: &String| format!("Set-Cookie: {value}\r\n");
        self.renewed.as_ref().map_or_else(String::new, line)
    }
}
