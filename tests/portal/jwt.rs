//! Signed tokens of a login elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::entry::ENTRIES;
use turntable_testkit::Server;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// RFC 8037, A.1 and A.2: an Ed25519 key.
pub(crate) const ED_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
pub(crate) const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// The document around a private key of Ed25519 (RFC 8410, 7).
pub(crate) const ED_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

fn server(folder: &std::path::Path) -> Server {
    server_with(folder, &[])
}

/// A server that accepts tokens of the login, with other keys of the configuration.
pub(crate) fn server_with(folder: &std::path::Path, more: &[(&str, &str)]) -> Server {
    let file = folder.join("keys.json");
    let keys = json!({"keys": [
        {"kty": "oct", "kid": "hs", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)},
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": ED_X},
    ]});
    std::fs::write(&file, keys.to_string()).unwrap();
    let mut settings = vec![
        ("portal.checkers", r#"["jwt"]"#),
        ("portal.jwt.keys_file", file.to_str().unwrap()),
        ("portal.jwt.issuer", "login"),
        ("portal.jwt.audience", "game"),
        ("portal.jwt.attributes", r#"["role"]"#),
        ("portal.address_failures.per_minute", "0"),
    ];
    settings.extend_from_slice(more);
    Server::with(&settings)
}

pub(crate) fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// A claim with a token that is good for so many seconds.
pub(crate) fn claim_for(seconds: i64) -> Value {
    claim(
        Algorithm::HS256,
        "game",
        now_s().saturating_add_signed(seconds),
    )
}

fn claim(algorithm: Algorithm, audience: &str, expires_s: u64) -> Value {
    let (kid, key) = match algorithm {
        Algorithm::HS256 => ("hs", EncodingKey::from_secret(SECRET).unwrap()),
        _ => {
            let mut der = ED_PKCS8.to_vec();
            der.extend(URL_SAFE_NO_PAD.decode(ED_D).unwrap());
            ("ed", EncodingKey::from_ed_der(&der))
        }
    };
    let mut head = Header::new(algorithm);
    head.kid = Some(kid.to_owned());
    let claims = json!({
        "iss": "login", "aud": audience, "sub": "fb:mel", "exp": expires_s, "role": "admin",
    });
    json!({"credentials": {"token": encode(&head, &claims, &key).unwrap()}})
}

/// The operator reads which check a token failed; the client does not.
#[test]
fn reason_of_a_refusal_is_in_the_log_once_in_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let foreign = claim(Algorithm::HS256, "another game", now_s() + 60);
    for _ in 0..3 {
        let error = ENTRIES[0].1(server.address, &foreign).unwrap_err();
        assert!(
            !error["message"].as_str().unwrap().contains("aud"),
            "{error}"
        );
    }
    let why = "the checker jwt refused a credential: aud is not portal.jwt.audience";
    let log = server.await_log(why);
    assert_eq!(log.matches(why).count(), 1);
    assert!(!log.contains("another game"));
}

#[test]
fn token_identifies_over_every_transport_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    for algorithm in [Algorithm::HS256, Algorithm::EdDSA] {
        let valid = claim(algorithm, "game", now_s() + 60);
        let expired = claim(algorithm, "game", now_s() - 60);
        let foreign = claim(algorithm, "another game", now_s() + 60);
        for (name, identify) in ENTRIES {
            let welcome = identify(server.address, &valid).expect(name);
            assert_eq!(welcome["user"], "fb:mel", "{name}");
            assert_eq!(welcome["attributes"]["role"], "admin", "{name}");
            let left = welcome["expires_in"].as_u64().unwrap();
            assert!((50..=60).contains(&left), "{name}: {welcome}");
            let error = identify(server.address, &expired).unwrap_err();
            assert_eq!(error["details"]["reason"], "expired", "{name}");
            let error = identify(server.address, &foreign).unwrap_err();
            assert_eq!(error["details"]["reason"], "invalid", "{name}");
        }
        let token = valid["credentials"]["token"].as_str().unwrap();
        assert!(!server.log().contains(token));
    }
    let bare = ENTRIES[0].1(server.address, &json!("fb:mel")).unwrap_err();
    assert_eq!(bare["code"], "unauthorized");
}
