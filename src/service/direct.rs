//! Tokens for direct connections: a client shows one to a service, which checks it without
//! asking the server.
//!
//! A token is a JWT (RFC 7519) with HS256 and the key `services.NAME.direct_key`:
//!
//! | claim | |
//! |---|---|
//! | `iss` | `turntable` |
//! | `aud` | the service |
//! | `sub` | the user |
//! | `iat`, `exp` | Unix seconds: issued, and until when it is valid |
//! | `jti` | 128 random bits, for services that accept each token once |
//! | `functions` | the functions that the user may call; without it all of them |

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use turntable_core::id::UserId;
use turntable_core::model::service::ServiceSettings;
use turntable_core::model::service::direct::KEY_BYTES_MIN;
use turntable_core::model::service::settings::is_name;

const ISSUER: &str = "turntable";

/// Schemes of an address that browsers can connect to.
const SCHEMES: [&str; 4] = ["https", "http", "wss", "ws"];

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'a str,
    sub: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    functions: Option<Vec<Box<str>>>,
}

/// A token of a user for a service. `functions` are those that it may call; `None`: all.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn issue(
    name: &str,
    settings: &ServiceSettings,
    user: &UserId,
    functions: Option<Vec<Box<str>>>,
    now_ms: u64,
) -> anyhow::Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    let claims = Claims {
        iss: ISSUER,
        aud: name,
        sub: user.as_str(),
        iat: now_ms / 1_000,
        exp: now_ms
            .saturating_add(settings.direct_token_ms)
            .div_ceil(1_000),
        jti: URL_SAFE_NO_PAD.encode(bits),
        functions,
    };
    let header = Header {
        kid: Some(name.to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    let key = EncodingKey::from_secret(settings.direct_key.as_bytes())?;
    Ok(encode(&header, &claims, &key)?)
}

/// Finds what is wrong with the keys of direct connections: the key of the configuration,
/// and a sentence with what is accepted.
///
/// # Errors
/// The first fault.
pub fn check(settings: &ServiceSettings) -> Result<(), (&'static str, String)> {
    let (url, key) = (&settings.direct_url, &settings.direct_key);
    if url.is_empty() {
        return match key.is_empty() && settings.direct_protocol.is_empty() {
            true => Ok(()),
            false => Err((
                "direct_url",
                "direct connections need a direct_url".to_owned(),
            )),
        };
    }
    let uri: Option<Uri> = url.parse().ok();
    let is_valid = uri.is_some_and(|uri| {
        let scheme = uri.scheme_str().unwrap_or_default();
        let host = uri.authority().filter(|host| !host.host().is_empty());
        SCHEMES.contains(&scheme) && host.is_some_and(|host| !host.as_str().contains('@'))
    });
    if !is_valid {
        let accepted = "accepted is a URL of https, http, wss or ws, without a name and password";
        return Err(("direct_url", accepted.to_owned()));
    }
    let protocol = settings.direct_protocol.replace('.', "-");
    if !protocol.is_empty() && !is_name(&protocol) {
        let accepted = "accepted is a name of 1 to 32 of A-Z a-z 0-9 _ - .";
        return Err(("direct_protocol", accepted.to_owned()));
    }
    if key.len() < KEY_BYTES_MIN {
        let message = format!(
            "it signs the tokens of direct connections; accepted are {KEY_BYTES_MIN} bytes or more"
        );
        return Err(("direct_key", message));
    }
    if *key == settings.token {
        let message =
            "it is the token, too; a service needs a key of its own for tokens of clients";
        return Err(("direct_key", message.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use jsonwebtoken::errors::ErrorKind;
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::Value;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn settings() -> ServiceSettings {
        ServiceSettings {
            direct_url: "wss://forum.example/ws".to_owned(),
            direct_key: KEY.to_owned(),
            ..ServiceSettings::default()
        }
    }

    fn read(token: &str, key: &str, service: &str) -> Result<Value, ErrorKind> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[service]);
        validation.set_issuer(&[ISSUER]);
        let key = DecodingKey::from_secret(key.as_bytes()).unwrap();
        let read = decode::<Value>(token, &key, &validation);
        read.map(|data| data.claims)
            .map_err(|error| error.into_kind())
    }

    #[test]
    fn token_names_user_service_and_end() {
        let user = UserId::parse("1:12345").unwrap();
        let now_ms = crate::clock::now_ms();
        let token = |functions| issue("forum", &settings(), &user, functions, now_ms).unwrap();
        let all = token(None);
        let claims = read(&all, KEY, "forum").unwrap();
        assert_eq!(
            (&claims["sub"], &claims["aud"]),
            (&"1:12345".into(), &"forum".into())
        );
        let (iat, exp) = (
            claims["iat"].as_u64().unwrap(),
            claims["exp"].as_u64().unwrap(),
        );
        assert!((60..=61).contains(&(exp - iat)), "{claims}");
        assert!(claims.get("functions").is_none());
        let some = read(&token(Some(vec!["read".into()])), KEY, "forum").unwrap();
        assert_eq!(some["functions"], serde_json::json!(["read"]));
        assert_ne!(some["jti"], claims["jti"]);
        // For another service, with another key, and too late.
        assert_eq!(read(&all, KEY, "chat"), Err(ErrorKind::InvalidAudience));
        let other = KEY.replace('0', "x");
        assert_eq!(
            read(&all, &other, "forum"),
            Err(ErrorKind::InvalidSignature)
        );
        let late = issue("forum", &settings(), &user, None, now_ms - 600_000).unwrap();
        assert_eq!(read(&late, KEY, "forum"), Err(ErrorKind::ExpiredSignature));
    }

    #[test]
    fn keys_of_direct_connections_are_checked() {
        assert_eq!(check(&settings()), Ok(()));
        assert_eq!(check(&ServiceSettings::default()), Ok(()));
        type Change = fn(&mut ServiceSettings);
        let wrong: [(&str, Change); 7] = [
            ("direct_url", |s| s.direct_url = String::new()),
            ("direct_url", |s| {
                s.direct_url = "ftp://forum.example".to_owned()
            }),
            ("direct_url", |s| {
                s.direct_url = "wss://mel:x@forum.example".to_owned()
            }),
            ("direct_url", |s| s.direct_url = "forum.example".to_owned()),
            ("direct_protocol", |s| s.direct_protocol = "a b".to_owned()),
            ("direct_key", |s| s.direct_key = "short".to_owned()),
            ("direct_key", |s| s.token = s.direct_key.clone()),
        ];
        for (key, change) in wrong {
            let mut settings = settings();
            change(&mut settings);
            assert_eq!(check(&settings).unwrap_err().0, key);
        }
    }
}
