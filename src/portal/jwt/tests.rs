#![allow(clippy::unwrap_used, clippy::panic)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// RFC 8037, A.1 and A.2: an Ed25519 key.
const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn settings(file: &std::path::Path) -> PortalSettings {
    let keys = json!({"keys": [
        {"kty": "oct", "kid": "hs", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": ED_X},
    ]});
    std::fs::write(file, keys.to_string()).unwrap();
    PortalSettings {
        jwt_keys_file: file.to_str().unwrap().to_owned(),
        jwt_issuer: "https://login.example".to_owned(),
        jwt_audience: "turntable".to_owned(),
        jwt_attributes: vec!["role".to_owned()],
        ..PortalSettings::default()
    }
}

fn jwt() -> Jwt {
    let folder = tempfile::tempdir().unwrap();
    Jwt::new(&settings(&folder.path().join("keys.json"))).unwrap()
}

fn now_s() -> u64 {
    crate::clock::now_ms() / 1_000
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example", "aud": "turntable", "sub": "7",
        "exp": now_s() + 60, "role": "admin",
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
    jwt().verdict(&Claim::new(user, Some(&credentials), None))
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
        assert!(identity.expires_ms.unwrap() >= (now_s() + 50) * 1_000);
    }
    assert_eq!(check(Some("1:8"), &token), Verdict::invalid());
    assert_eq!(check(None, "guest.token"), Verdict::Pass);
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
        Jwt::new(&settings).unwrap_err().to_string()
    };
    assert!(refused(|s| s.jwt_issuer.clear()).contains("portal.jwt_issuer"));
    assert!(refused(|s| s.jwt_audience.clear()).contains("portal.jwt_audience"));
    assert!(refused(|s| s.jwt_keys_file.clear()).contains("portal.jwt_keys_file"));
    for text in [
        "geheim",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","alg":"HS256","k":"geheim"}]}"#,
        r#"{"keys":[{"kty":"oct","kid":"a","k":"geheim"}]}"#,
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Jwt::new(&whole).unwrap_err().to_string();
        assert!(
            error.contains("keys.json") && !error.contains("geheim"),
            "{error}"
        );
    }
}
