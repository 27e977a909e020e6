//! The keys of a JWK set (RFC 7517), each with what a token that it signs has to be like.

use std::path::Path;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::plain_file;
use crate::portal::settings::JwtSettings;

/// How far the clocks of issuer and server may differ, in s.
pub(super) const LEEWAY_S: u64 = 5;

/// Keys of a set that are looked at.
const KEYS_MAX: usize = 100;

/// A key.
pub(super) struct KnownKey {
    kid: String,
    /// The key.
    pub(super) key: DecodingKey,
    /// What a token has to be like.
    pub(super) validation: Validation,
    /// The Unix second from which on nothing that it signed is accepted.
    until_s: Option<f64>,
}

/// The keys of a set.
#[derive(Default)]
pub(super) struct Keys(Vec<KnownKey>);

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// The keys of `portal.jwt.keys_file`. All have to be usable.
    ///
    /// # Errors
    /// What is wrong with the file, without its content.
    pub(super) fn of_file(settings: &JwtSettings) -> anyhow::Result<Self> {
        let path = &settings.keys_file;
        let text = plain_file::read_text(Path::new(path))
            .map_err(|error| anyhow::anyhow!("cannot read the keys in {path}: {error}"))?;
        let set: Set = serde_json::from_str(&text)
            .map_err(|_| anyhow::anyhow!("{path} is not a JWK set (RFC 7517)"))?;
        anyhow::ensure!(!set.keys.is_empty(), "there are no keys in {path}");
        let mut keys = Self::default();
        for value in &set.keys {
            let key = known(value, settings, false)
                .map_err(|fault| anyhow::anyhow!("{fault} (in {path})"))?;
            let kid = &key.kid;
            anyhow::ensure!(!keys.has(kid), "the key {kid} is twice in {path}");
            keys.0.push(key);
        }
        Ok(keys)
    }

    /// The keys of a set that was fetched. Those that cannot be used are left out, and
    /// so are symmetric ones: a secret that is published is none.
    ///
    /// # Errors
    /// A sentence, where there is no set.
    pub(super) fn of_answer(body: &[u8], settings: &JwtSettings) -> Result<Self, String> {
        let set: Set = serde_json::from_slice(body)
            .map_err(|_| "the answer is not a JWK set (RFC 7517)".to_owned())?;
        let values = set.keys.iter().take(KEYS_MAX);
        let keys: Vec<KnownKey> = values
            .filter_map(|value| known(value, settings, true).ok())
            .collect();
        match keys.is_empty() {
            true => Err("the set has no key that can be used".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// Whether there is a key of this name.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid)
    }

    /// The key of this name, until its end.
    pub(super) fn find(&self, kid: &str, now_s: u64) -> Option<&KnownKey> {
        let key = self.0.iter().find(|key| key.kid == kid)?;
        let is_over = key.until_s.is_some_and(|until_s| until_s <= now_s as f64);
        (!is_over).then_some(key)
    }
}

fn known(value: &Value, settings: &JwtSettings, is_public: bool) -> Result<KnownKey, String> {
    let kid = value.get("kid").and_then(Value::as_str);
    let kid = kid.ok_or("a key has no kid")?;
    // The end of a key, as OpenID Federation writes it.
    let until_s = match value.get("exp") {
        None => None,
        Some(exp) => Some(
            exp.as_f64()
                .ok_or(format!("exp of the key {kid} is no number"))?,
        ),
    };
    let jwk: Jwk = serde_json::from_value(value.clone())
        .map_err(|_| format!("the key {kid} is not complete"))?;
    let is_symmetric = matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
    let is_for_encryption = jwk.common.public_key_use == Some(PublicKeyUse::Encryption);
    if is_for_encryption || (is_public && is_symmetric) {
        return Err(format!("the key {kid} is not one of a published signature"));
    }
    let named = jwk.common.key_algorithm.map(|known| known.to_string());
    let algorithm = match named {
        Some(name) => name.parse().ok(),
        None if is_public => usual(&jwk),
        None => None,
    };
    let algorithm: Algorithm =
        algorithm.ok_or_else(|| format!("the key {kid} has no alg of a signature"))?;
    let key = DecodingKey::from_jwk(&jwk).map_err(|_| format!("the key {kid} is not complete"))?;
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    Ok(KnownKey {
        kid: kid.to_owned(),
        key,
        validation,
        until_s,
    })
}

/// The algorithm of a published key that names none, as those of some login servers.
fn usual(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(Algorithm::ES256),
            EllipticCurve::P384 => Some(Algorithm::ES384),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDSA)
        }
        _ => None,
    }
}
