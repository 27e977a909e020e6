#![allow(clippy::unwrap_used, clippy::panic)]

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use super::*;
use crate::portal::settings::JwtSettings;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// The key before, under two names: one of them is over.
const OLD: &[u8] = b"fedcba9876543210fedcba9876543210";
/// RFC 8037, A.1 and A.2: an Ed25519 key.
const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn settings(file: &std::path::Path) -> PortalSettings {
    let keys = json!({"keys": [
        {"kty": "oct", "kid": "hs", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)},
        {"kty": "oct", "kid": "old", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(OLD),
         "exp": now_s() + 60},
        {"kty": "oct", "kid": "over", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(OLD),
         "exp": now_s() - 1},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": ED_X},
    ]});
    std::fs::write(file, keys.to_string()).unwrap();
    let jwt = JwtSettings {
        keys_file: file.to_str().unwrap().to_owned(),
        issuer: "https://login.example".to_owned(),
        audience: "turntable".to_owned(),
        attributes: vec!["role".to_owned()],
        roles: "scope".to_owned(),
        ..JwtSettings::default()
    };
    PortalSettings {
        jwt,
        ..PortalSettings::default()
    }
}

fn jwt() -> Jwt {
    let folder = tempfile::tempdir().unwrap();
    Jwt::new(&settings(&folder.path().join("keys.json")), &mut None).unwrap()
}

fn now_s() -> u64 {
    crate::clock::now_ms() / 1_000
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example", "aud": "turntable", "sub": "7",
        "exp": now_s() + 60, "role": "admin", "scope": "writer  a:b moderator",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let object = claims.as_object_mut().unwrap();
    match value.is_null() {
        true => object.remove(name),
        false => object.insert(name.to_owned(), value),
    };
    claims
}

fn signed(kid: Option<&str>, claims: &Value, secret: &[u8]) -> String {
    let mut head = Header::new(Algorithm::HS256);
    head.kid = kid.map(str::to_owned);
    encode(&head, claims, &EncodingKey::from_secret(secret).unwrap()).unwrap()
}

fn check(user: Option<&str>, token: &str) -> Verdict {
    let credentials = Payload::from_json(&json!({"token": token}).to_string());
    let user = user.map(|user| UserId::parse(user).unwrap());
    let (jwt, claim) = (jwt(), Claim::new(user, Some(&credentials), None));
    futures_util::future::FutureExt::now_or_never(jwt.verdict(&claim)).unwrap()
}

#[test]
fn token_says_user_attributes_and_expiry() {
    let token = signed(Some("hs"), &claims(), SECRET);
    for user in [None, Some("1:7")] {
        let Verdict::Accept(identity) = check(user, &token) else {
            panic!("accepted");
        };
        assert_eq!(identity.user.as_str(), "1:7");
        assert_eq!(
            identity.attributes,
            [("role".into(), Payload::from_json("\"admin\""))]
        );
        assert_eq!(identity.roles, ["writer".into(), "moderator".into()]);
        assert!(identity.expires_ms.unwrap() >= (now_s() + 50) * 1_000);
    }
    assert_eq!(check(Some("1:8"), &token), Verdict::invalid());
    assert_eq!(check(None, "guest.token"), Verdict::Pass);
}

#[test]
fn previous_key_is_accepted_until_its_end() {
    let accepted = check(None, &signed(Some("old"), &claims(), OLD));
    assert!(matches!(accepted, Verdict::Accept(_)));
    let over = signed(Some("over"), &claims(), OLD);
    assert_eq!(check(None, &over), Verdict::invalid());
}

#[test]
fn forged_tokens_are_invalid() {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = |alg: &str| {
        let head = encode(json!({"alg": alg, "typ": "JWT", "kid": "hs"}));
        format!("{head}.{}.", encode(claims()))
    };
    let mut changed = signed(Some("hs"), &claims(), SECRET);
    let head = changed.find('.').unwrap();
    changed.replace_range(head + 1..head + 2, "f");
    let forged = [
        none("none"),
        none("None"),
        none("HS256"),
        signed(Some("hs"), &claims(), b"another secret of the same length"),
        signed(Some("no"), &claims(), SECRET),
        signed(None, &claims(), SECRET),
        // The public key of another algorithm, as the secret of HMAC.
        signed(Some("ed"), &claims(), ED_X.as_bytes()),
        signed(
            Some("ed"),
            &claims(),
            &URL_SAFE_NO_PAD.decode(ED_X).unwrap(),
        ),
        changed,
        "a.b.c".to_owned(),
    ];
    for token in forged {
        assert_eq!(check(None, &token), Verdict::invalid(), "{token}");
    }
}

#[test]
fn claims_have_to_fit() {
    for (name, value) in [
        ("aud", json!("another")),
        ("aud", Value::Null),
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        // One string (RFC 7519, 4.1.1).
        ("iss", json!(["https://login.example"])),
        (
            "iss",
            json!(["https://login.example", "https://evil.example"]),
        ),
        ("exp", Value::Null),
        ("exp", json!((now_s() + 60).to_string())),
        ("nbf", json!(now_s() + 60)),
        ("sub", Value::Null),
        ("sub", json!("a b")),
        ("sub", json!(7)),
    ] {
        let token = signed(Some("hs"), &with(name, value.clone()), SECRET);
        assert_eq!(check(None, &token), Verdict::invalid(), "{name} {value}");
    }
    let expired = signed(Some("hs"), &with("exp", json!(now_s() - 60)), SECRET);
    let verdict = Verdict::Refuse(Refusal::new(Reason::Expired));
    assert_eq!(check(None, &expired), verdict);
}

#[test]
fn incomplete_settings_are_refused_without_keys_in_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let whole = settings(&file);
    let refused = |change: fn(&mut PortalSettings)| {
        let mut settings = whole.clone();
        change(&mut settings);
        Jwt::new(&settings, &mut None).unwrap_err().to_string()
    };
    assert!(refused(|s| s.jwt.issuer.clear()).contains("portal.jwt.issuer"));
    assert!(refused(|s| s.jwt.audience.clear()).contains("portal.jwt.audience"));
    assert!(refused(|s| s.jwt.keys_file.clear()).contains("portal.jwt.keys_file"));
    for text in [
        "geheim",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","alg":"HS256","k":"geheim"}]}"#,
        r#"{"keys":[{"kty":"oct","kid":"a","k":"geheim"}]}"#,
        r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"geheim","exp":"1"}]}"#,
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Jwt::new(&whole, &mut None).unwrap_err().to_string();
        assert!(
            error.contains("keys.json") && !error.contains("geheim"),
            "{error}"
        );
    }
}

#[test]
fn faults_name_the_check_and_nothing_of_the_token() {
    let missing = ErrorKind::MissingRequiredClaim("exp".to_owned());
    for (kind, part) in [
        (ErrorKind::InvalidAudience, "portal.jwt.audience"),
        (ErrorKind::InvalidIssuer, "portal.jwt.issuer"),
        (ErrorKind::InvalidAlgorithm, "alg"),
        (ErrorKind::InvalidSignature, "signature"),
        (ErrorKind::ImmatureSignature, "nbf"),
        (missing, "exp"),
    ] {
        assert!(fault(&kind).contains(part), "{kind:?}");
    }
}
