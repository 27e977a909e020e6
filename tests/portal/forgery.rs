//! Tokens of every kind of key, and attacks with forged ones, over every transport.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::entry::ENTRIES;
use crate::jwt::{ED_D, ED_PKCS8, ED_X, now_s};
use turntable_testkit::Server;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Key pairs: public ones as JWK, private ones as DER. They sign for these tests alone.
fn pairs() -> Value {
    serde_json::from_str(include_str!("signing_keys.json")).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn bytes(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

/// A key of the set.
fn public(pair: &str, kid: &str, algorithm: &str) -> Value {
    let mut key = pairs()[pair]["public"].take();
    key["kid"] = kid.into();
    key["alg"] = algorithm.into();
    key
}

fn private(pair: &str) -> EncodingKey {
    let der = bytes(&pairs()[pair]["private"]);
    match pair {
        "rsa" | "other" => EncodingKey::from_rsa_der(&der),
        _ => EncodingKey::from_ec_der(&der),
    }
}

fn secret(bytes: &[u8]) -> EncodingKey {
    EncodingKey::from_secret(bytes).unwrap()
}

fn ed25519() -> EncodingKey {
    let der = [&ED_PKCS8[..], &bytes(&json!(ED_D))].concat();
    EncodingKey::from_ed_der(&der)
}

fn server(folder: &std::path::Path) -> Server {
    let file = folder.join("keys.json");
    let keys = json!({"keys": [
        {"kty": "oct", "kid": "hs", "alg": "HS256", "k": base64(SECRET)},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": ED_X},
        public("rsa", "rs", "RS256"),
        public("rsa", "rs5", "RS512"),
        public("rsa", "ps", "PS256"),
        public("p256", "es", "ES256"),
        public("p384", "es3", "ES384"),
    ]});
    std::fs::write(&file, keys.to_string()).unwrap();
    Server::with(&[
        ("portal.checkers", r#"["jwt"]"#),
        ("portal.jwt.keys_file", file.to_str().unwrap()),
        ("portal.jwt.issuer", "login"),
        ("portal.jwt.audience", "game"),
        ("portal.address_failures.per_minute", "0"),
        ("portal.user_failures.per_minute", "0"),
    ])
}

fn claims(more: Value) -> Value {
    let mut claims = json!({"iss": "login", "aud": "game", "sub": "mel", "exp": now_s() + 600});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// What is signed: the head as it is given.
fn text(head: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        base64(head.to_string()),
        base64(claims.to_string())
    )
}

fn signed(head: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let text = text(head, claims);
    let signature = sign(text.as_bytes(), key, algorithm).unwrap();
    format!("{text}.{signature}")
}

fn by(kid: &str, algorithm: Algorithm, key: &EncodingKey, more: Value) -> String {
    let head = json!({"alg": format!("{algorithm:?}"), "typ": "JWT", "kid": kid});
    signed(&head, &claims(more), key, algorithm)
}

fn claim(token: &str) -> Value {
    json!({"credentials": {"token": token}})
}

#[test]
fn every_kind_of_key_identifies_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for (kid, algorithm, key) in [
        ("hs", Algorithm::HS256, secret(SECRET)),
        ("rs", Algorithm::RS256, private("rsa")),
        ("rs5", Algorithm::RS512, private("rsa")),
        ("ps", Algorithm::PS256, private("rsa")),
        ("es", Algorithm::ES256, private("p256")),
        ("es3", Algorithm::ES384, private("p384")),
        ("ed", Algorithm::EdDSA, ed25519()),
    ] {
        let token = by(kid, algorithm, &key, json!({"aud": ["other", "game"]}));
        for (name, identify) in ENTRIES {
            let welcome = identify(server.address, &claim(&token)).expect(name);
            assert_eq!(welcome["user"], "1:mel", "{kid} {name}");
        }
        // A replay is no other user.
        let stranger = json!({"user": "1:jo", "credentials": {"token": token}});
        for (name, identify) in ENTRIES {
            let error = identify(server.address, &stranger).unwrap_err();
            assert_eq!(error["details"]["reason"], "invalid", "{kid} {name}");
        }
        assert!(!server.log().contains(&token));
    }
}

/// Tokens that nobody may come in with, and the reason of the refusal.
fn forged() -> Vec<(&'static str, String, &'static str)> {
    use Algorithm::{ES256, HS256, PS256, RS256, RS384};
    let (rsa, other, p256) = (private("rsa"), private("other"), private("p256"));
    let keys = pairs();
    let (rsa_key, ec_key) = (&keys["rsa"]["public"], &keys["p256"]["public"]);
    let plain = claims(json!({}));
    let head = |algorithm: &str, kid: &str| json!({"alg": algorithm, "kid": kid});
    let unsigned = |algorithm, kid| format!("{}.", text(&head(algorithm, kid), &plain));
    let confused = |kid, key: Vec<u8>| by(kid, HS256, &secret(&key), json!({}));
    let es = |more| by("es", ES256, &p256, more);
    let embedded = json!({"alg": "RS256", "kid": "rs", "jwk": keys["other"]["public"]});
    let nameless = json!({"alg": "RS256"});
    let critical = json!({"alg": "ES256", "kid": "es", "crit": ["x"], "x": 1});
    let spki = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        rsa_key["n"]
    );
    let mut changed = es(json!({}));
    let body = changed.find('.').unwrap() + 1;
    let other_user = base64(claims(json!({"sub": "jo"})).to_string());
    let end = changed.rfind('.').unwrap();
    changed.replace_range(body..end, &other_user);
    let (past, future) = (now_s() - 60, now_s() + 600);
    vec![
        ("alg none", unsigned("none", "hs"), "invalid"),
        ("alg None", unsigned("None", "rs"), "invalid"),
        ("no signature", unsigned("HS256", "hs"), "invalid"),
        (
            "HS256 by a modulus",
            confused("rs", bytes(&rsa_key["n"])),
            "invalid",
        ),
        (
            "HS256 by a text of it",
            confused("rs", rsa_key["n"].as_str().unwrap().into()),
            "invalid",
        ),
        (
            "HS256 by a document",
            confused("rs", spki.into_bytes()),
            "invalid",
        ),
        (
            "HS256 by a point",
            confused("es", bytes(&ec_key["x"])),
            "invalid",
        ),
        (
            "HS256 by another secret",
            confused("hs", vec![7; 32]),
            "invalid",
        ),
        (
            "RS384 by a key of RS512",
            by("rs5", RS384, &rsa, json!({})),
            "invalid",
        ),
        (
            "PS256 by a key of RS256",
            by("rs", PS256, &rsa, json!({})),
            "invalid",
        ),
        ("another key", by("rs", RS256, &other, json!({})), "invalid"),
        (
            "key of another kid",
            by("es", RS256, &rsa, json!({})),
            "invalid",
        ),
        (
            "unknown kid",
            by("../../dev/null", RS256, &rsa, json!({})),
            "invalid",
        ),
        ("no kid", signed(&nameless, &plain, &rsa, RS256), "invalid"),
        (
            "key in the head",
            signed(&embedded, &plain, &other, RS256),
            "invalid",
        ),
        (
            "unknown critical header",
            signed(&critical, &plain, &p256, ES256),
            "invalid",
        ),
        ("changed claims", changed, "invalid"),
        (
            "another audience",
            es(json!({"aud": ["x", "y"]})),
            "invalid",
        ),
        ("another issuer", es(json!({"iss": "x"})), "invalid"),
        ("no expiry", es(json!({"exp": null})), "invalid"),
        (
            "expiry as a text",
            es(json!({"exp": future.to_string()})),
            "invalid",
        ),
        ("not yet", es(json!({"nbf": future})), "invalid"),
        ("no user", es(json!({"sub": 7})), "invalid"),
        ("expired", es(json!({"exp": past})), "expired"),
    ]
}

#[test]
fn forged_tokens_are_refused_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for (attack, token, reason) in forged() {
        for (name, identify) in ENTRIES {
            let error = identify(server.address, &claim(&token)).expect_err(attack);
            assert_eq!(error["code"], "unauthorized", "{attack} {name}");
            assert_eq!(error["details"]["reason"], reason, "{attack} {name}");
        }
    }
}

#[test]
fn expiry_in_the_far_future_is_a_number_that_clients_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for expires_s in [json!(1e18), json!(10_u64.pow(18))] {
        let token = by(
            "hs",
            Algorithm::HS256,
            &secret(SECRET),
            json!({"exp": expires_s}),
        );
        for (name, identify) in ENTRIES {
            let welcome = identify(server.address, &claim(&token)).expect(name);
            let left_s = welcome["expires_in"].as_u64().unwrap();
            assert!(left_s < (1 << 53) / 1_000, "{name}: {left_s}");
        }
    }
}
