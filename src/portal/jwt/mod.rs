//! Signed tokens (RFC 7519) of a login elsewhere.
//!
//! A token names its key (`kid`), and the key its algorithm: what the token's head says
//! about the algorithm is only compared. Issuer, audience and expiry are required. The
//! keys are in a file (`key`), or fetched from a URL (`remote`).

mod key;
pub(super) mod remote;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{decode, decode_header};
use serde_json::{Map, Value};

use crate::clock;
use crate::portal::checker::{Checking, CredentialChecker, Identity, Refusal, Verdict};
use crate::portal::claim::Claim;
use crate::portal::jwt::key::{Keys, KnownKey};
use crate::portal::jwt::remote::{Found, RemoteKeys};
use crate::portal::refusal::RefusalLog;
use crate::portal::settings::{JwtSettings, PortalSettings};
use turntable_core::id::{UserId, is_realm};
use turntable_core::packet::{ErrorBody, Reason};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// The name of the checker.
pub(super) const NAME: &str = "jwt";

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8_192;

static REFUSED: RefusalLog = RefusalLog::new(NAME);

/// Why a token without a key is refused.
const UNKNOWN_KEY: &str = "its kid is that of no key, or of one that is over";

/// Roles of one token; more do not count.
const ROLES_MAX: usize = 64;

/// Where the keys are.
enum Source {
    File(Keys),
    Url(Arc<RemoteKeys>),
}

/// The checker.
pub(super) struct Jwt {
    source: Source,
    realm: String,
    attributes: Vec<String>,
    role_claim: String,
}

impl Jwt {
    /// With the keys of `portal.jwt.keys_file`, or those of `portal.jwt.jwks_url`, which
    /// `known` may have already.
    ///
    /// # Errors
    /// What is missing in the settings or wrong with the file, without its content.
    pub(super) fn new(
        settings: &PortalSettings,
        known: &mut Option<Arc<RemoteKeys>>,
    ) -> anyhow::Result<Self> {
        let jwt = &settings.jwt;
        for (name, value) in [
            ("portal.jwt.issuer", &jwt.issuer),
            ("portal.jwt.audience", &jwt.audience),
        ] {
            anyhow::ensure!(!value.is_empty(), "the checker jwt needs {name}");
        }
        Ok(Self {
            source: source(jwt, known)?,
            realm: settings.default_realm.clone(),
            attributes: jwt.attributes.clone(),
            role_claim: jwt.roles.clone(),
        })
    }

    async fn verdict(&self, claim: &Claim) -> Verdict {
        // A token without three parts is another checker's.
        let Some(token) = claim.text("token").filter(|token| is_jwt(token)) else {
            return Verdict::Pass;
        };
        let kid = match decode_header(token).map(|head| head.kid) {
            Ok(Some(kid)) => kid,
            Ok(None) => return REFUSED.invalid("its head has no kid"),
            Err(_) => return REFUSED.invalid("its head is not that of a JWT"),
        };
        let now_s = clock::now_ms() / 1_000;
        let fetched = match &self.source {
            Source::File(keys) => return self.verify(claim, token, keys.find(&kid, now_s)),
            Source::Url(remote) => remote.find(&kid, issued_s(token)).await,
        };
        match fetched {
            Found::Keys(keys) => self.verify(claim, token, keys.find(&kid, now_s)),
            Found::Unknown => REFUSED.invalid(UNKNOWN_KEY),
            Found::Unavailable(retry_ms) => Verdict::Deny(
                ErrorBody::new(
                    ErrorCode::Unavailable,
                    "the token cannot be checked now; try again",
                )
                .with("retry_ms", retry_ms),
            ),
        }
    }

    fn verify(&self, claim: &Claim, token: &str, key: Option<&KnownKey>) -> Verdict {
        let Some(KnownKey {
            key, validation, ..
        }) = key
        else {
            return REFUSED.invalid(UNKNOWN_KEY);
        };
        match decode::<Map<String, Value>>(token, key, validation) {
            Ok(data) => self.accept(claim, &data.claims),
            Err(error) => {
                let reason = match error.kind() {
                    ErrorKind::ExpiredSignature => Reason::Expired,
                    _ => Reason::Invalid,
                };
                REFUSED.note(&fault(error.kind()));
                Verdict::Refuse(Refusal::new(reason))
            }
        }
    }

    /// A token that is signed, for us, and in its time.
    fn accept(&self, claim: &Claim, claims: &Map<String, Value>) -> Verdict {
        // A number, not a text with one.
        let Some(expires_s) = claims.get("exp").and_then(Value::as_f64) else {
            return REFUSED.invalid("exp is not a number");
        };
        // One issuer (RFC 7519, 4.1.1): a list would pass with any that it names.
        if !claims.get("iss").is_some_and(Value::is_string) {
            return REFUSED.invalid("iss is not a string");
        }
        let subject = claims.get("sub").and_then(Value::as_str);
        let user = subject.and_then(|subject| match subject.contains(':') {
            true => UserId::parse(subject).ok(),
            false => UserId::parse(&format!("{}:{subject}", self.realm)).ok(),
        });
        let Some(user) = user else {
            return REFUSED.invalid("sub is not a user id");
        };
        if !claim.may_be(&user) {
            return REFUSED.invalid("sub is another user than the one that the client wants to be");
        }
        let attributes = self.attributes.iter().filter_map(|name| {
            let value = claims.get(name).filter(|value| !value.is_null())?;
            let payload = Payload::from_json(&value.to_string());
            Some((name.as_str().into(), payload))
        });
        Verdict::Accept(Identity {
            attributes: attributes.collect(),
            roles: roles(claims.get(&self.role_claim)),
            expires_ms: Some((expires_s * 1_000.0) as u64),
            ..Identity::new(user)
        })
    }
}

impl CredentialChecker for Jwt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c> {
        Box::pin(self.verdict(claim))
    }
}

impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jwt")
    }
}

/// Which check a token failed, without anything of the token.
fn fault(kind: &ErrorKind) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        ErrorKind::InvalidSignature => "its signature is not that of the key",
        ErrorKind::InvalidAlgorithm => "its alg is not that of the key",
        ErrorKind::ExpiredSignature => "it has expired (exp)",
        ErrorKind::ImmatureSignature => "it is not valid yet (nbf)",
        ErrorKind::InvalidIssuer => "iss is not portal.jwt.issuer",
        ErrorKind::InvalidAudience => "aud is not portal.jwt.audience",
        ErrorKind::MissingRequiredClaim(name) => {
            return Cow::Owned(format!("{name} is missing, or not of its type"));
        }
        ErrorKind::InvalidClaimFormat(name) => {
            return Cow::Owned(format!("{name} is not of its type"));
        }
        ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => "it is not a whole JWT",
        _ => "it cannot be checked",
    })
}

fn is_jwt(token: &str) -> bool {
    token.len() <= TOKEN_BYTES_MAX && token.split('.').count() == 3
}

/// When a token says it was issued. Its signature is not checked, so this decides no
/// more than which refusal it gets.
fn issued_s(token: &str) -> Option<u64> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    claims.get("iat")?.as_f64().map(|issued_s| issued_s as u64)
}

/// A list of names, or names with blanks between them, as in `scope` (RFC 8693).
fn roles(claim: Option<&Value>) -> Vec<Box<str>> {
    let names: Vec<&str> = match claim {
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let names = names
        .into_iter()
        .filter(|name| is_realm(name))
        .take(ROLES_MAX);
    names.map(Box::from).collect()
}

fn source(jwt: &JwtSettings, known: &mut Option<Arc<RemoteKeys>>) -> anyhow::Result<Source> {
    match (jwt.keys_file.is_empty(), jwt.jwks_url.is_empty()) {
        (true, true) => {
            anyhow::bail!("the checker jwt needs portal.jwt.keys_file or portal.jwt.jwks_url")
        }
        (false, false) => {
            anyhow::bail!("portal.jwt.keys_file and portal.jwt.jwks_url are set; accepted is one")
        }
        (false, true) => Ok(Source::File(Keys::of_file(jwt)?)),
        (true, false) => {
            // Other settings do not forget what was fetched.
            let same = known.take().filter(|remote| remote.is_of(jwt));
            let remote = match same {
                Some(remote) => remote,
                None => Arc::new(RemoteKeys::new(jwt)?),
            };
            *known = Some(remote.clone());
            Ok(Source::Url(remote))
        }
    }
}

#[cfg(test)]
mod tests;
