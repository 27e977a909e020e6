//! Signed tokens (RFC 7519) of a login elsewhere.
//!
//! A token names its key (`kid`), and the key its algorithm: what the token's head says
//! about the algorithm is only compared. Issuer, audience and expiry are required.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use crate::portal::checker::{Checking, CredentialChecker, Identity, Refusal, Verdict};
use crate::portal::claim::Claim;
use crate::portal::settings::PortalSettings;
use turntable_core::id::{UserId, is_realm};
use turntable_core::packet::Reason;
use turntable_core::payload::Payload;

/// The name of the checker.
pub(super) const NAME: &str = "jwt";

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8_192;

/// Roles of one token; more do not count.
const ROLES_MAX: usize = 64;

/// How far the clocks of issuer and server may differ, in s.
const LEEWAY_S: u64 = 5;

/// The checker.
pub(super) struct Jwt {
    keys: Vec<(String, DecodingKey, Validation)>,
    realm: String,
    attributes: Vec<String>,
    role_claim: String,
}

impl Jwt {
    /// With the keys of `portal.jwt_keys_file`.
    ///
    /// # Errors
    /// What is missing in the settings or wrong with the file, without its content.
    pub(super) fn new(settings: &PortalSettings) -> anyhow::Result<Self> {
        let path = &settings.jwt_keys_file;
        for (name, value) in [
            ("portal.jwt_keys_file", path),
            ("portal.jwt_issuer", &settings.jwt_issuer),
            ("portal.jwt_audience", &settings.jwt_audience),
        ] {
            anyhow::ensure!(!value.is_empty(), "the checker jwt needs {name}");
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| anyhow::anyhow!("cannot read the keys in {path}: {error}"))?;
        let set: JwkSet = serde_json::from_str(&text)
            .map_err(|_| anyhow::anyhow!("{path} is not a JWK set (RFC 7517)"))?;
        anyhow::ensure!(!set.keys.is_empty(), "there are no keys in {path}");
        let keys = set.keys.iter().map(|jwk| key(jwk, settings));
        Ok(Self {
            keys: keys.collect::<anyhow::Result<_>>()?,
            realm: settings.default_realm.clone(),
            attributes: settings.jwt_attributes.clone(),
            role_claim: settings.jwt_roles.clone(),
        })
    }

    fn verdict(&self, claim: &Claim) -> Verdict {
        // A token without three parts is another checker's.
        let Some(token) = claim.text("token").filter(|token| is_jwt(token)) else {
            return Verdict::Pass;
        };
        let head = decode_header(token).ok();
        let kid = head.and_then(|head| head.kid);
        let key = kid.and_then(|kid| self.keys.iter().find(|(known, ..)| *known == kid));
        let Some((_, key, validation)) = key else {
            return Verdict::invalid();
        };
        match decode::<Map<String, Value>>(token, key, validation) {
            Ok(data) => self.accept(claim, &data.claims),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                Verdict::Refuse(Refusal::new(Reason::Expired))
            }
            Err(_) => Verdict::invalid(),
        }
    }

    /// A token that is signed, for us, and in its time.
    fn accept(&self, claim: &Claim, claims: &Map<String, Value>) -> Verdict {
        // A number, not a text with one.
        let expires_s = claims.get("exp").and_then(Value::as_f64);
        let subject = claims.get("sub").and_then(Value::as_str);
        let user = subject.and_then(|subject| match subject.contains(':') {
            true => UserId::parse(subject).ok(),
            false => UserId::parse(&format!("{}:{subject}", self.realm)).ok(),
        });
        let (Some(expires_s), Some(user)) = (expires_s, user) else {
            return Verdict::invalid();
        };
        if !claim.may_be(&user) {
            return Verdict::invalid();
        }
        let attributes = self.attributes.iter().filter_map(|name| {
            let value = claims.get(name).filter(|value| !value.is_null())?;
            let payload = Payload::from_json(&value.to_string());
            Some((name.as_str().into(), payload))
        });
        Verdict::Accept(Identity {
            attributes: attributes.collect(),
            roles: self.roles(claims),
            expires_ms: Some((expires_s * 1_000.0) as u64),
            ..Identity::new(user)
        })
    }
}

impl Jwt {
    /// The roles of a token: a list of names, or names in one string with blanks between
    /// them, as in `scope`.
    fn roles(&self, claims: &Map<String, Value>) -> Vec<Box<str>> {
        let names: Vec<&str> = match claims.get(&self.role_claim) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => text.split_whitespace().collect(),
            _ => Vec::new(),
        };
        let names = names.into_iter().filter(|name| is_realm(name));
        names.take(ROLES_MAX).map(Into::into).collect()
    }
}

impl CredentialChecker for Jwt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c> {
        Box::pin(async move { self.verdict(claim) })
    }
}

impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jwt")
    }
}

fn is_jwt(token: &str) -> bool {
    token.len() <= TOKEN_BYTES_MAX && token.split('.').count() == 3
}

/// A key with its name, and what a token that it signs has to be like.
fn key(jwk: &Jwk, settings: &PortalSettings) -> anyhow::Result<(String, DecodingKey, Validation)> {
    let path = &settings.jwt_keys_file;
    let kid = jwk.common.key_id.clone();
    let kid = kid.ok_or_else(|| anyhow::anyhow!("a key in {path} has no kid"))?;
    let algorithm = jwk.common.key_algorithm.map(|known| known.to_string());
    let algorithm: Option<Algorithm> = algorithm.and_then(|name| name.parse().ok());
    let algorithm = algorithm
        .ok_or_else(|| anyhow::anyhow!("the key {kid} in {path} has no alg of a signature"))?;
    let key = DecodingKey::from_jwk(jwk)
        .map_err(|_| anyhow::anyhow!("the key {kid} in {path} is not complete"))?;
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[&settings.jwt_issuer]);
    validation.set_audience(&[&settings.jwt_audience]);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    Ok((kid, key, validation))
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
