//! Signed tokens whose keys are fetched from a URL.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::entry::ENTRIES;
use crate::jwt::{ED_D, ED_PKCS8, ED_X, now_s};
use turntable_testkit::Server;

/// A login server whose key set can be replaced.
struct Login {
    set: Arc<Mutex<Option<Value>>>,
    backend: Backend,
}

fn ed_key(kid: &str) -> Value {
    // Some login servers publish keys without alg.
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": ED_X})
}

impl Login {
    fn start(keys: &[Value]) -> Self {
        let set = Arc::new(Mutex::new(Some(json!({"keys": keys}))));
        let known = set.clone();
        let backend = Backend::start(move |request| {
            assert!(request.head.starts_with("GET /jwks.json HTTP/1.1\r\n"));
            let set = known.lock().unwrap();
            Some(match &*set {
                Some(set) => (200, set.to_string()),
                None => (503, "down".to_owned()),
            })
        });
        Self { set, backend }
    }

    fn publish(&self, set: Option<Value>) {
        *self.set.lock().unwrap() = set;
    }

    fn server(&self, more: &[(&str, &str)]) -> Server {
        let url = self.backend.url("/jwks.json");
        let keys = [
            ("portal.checkers", r#"["jwt"]"#),
            ("portal.jwt.jwks_url", url.as_str()),
            ("portal.jwt.issuer", "login"),
            ("portal.jwt.audience", "game"),
            ("portal.address_failures.per_minute", "0"),
        ];
        let keys: Vec<_> = keys.iter().chain(more).copied().collect();
        Server::with(&keys)
    }
}

fn token_of(kid: &str, issued_s: Option<u64>) -> Value {
    let mut der = ED_PKCS8.to_vec();
    der.extend(URL_SAFE_NO_PAD.decode(ED_D).unwrap());
    let mut head = Header::new(Algorithm::EdDSA);
    head.kid = Some(kid.to_owned());
    let mut claims = json!({"iss": "login", "aud": "game", "sub": "7", "exp": now_s() + 60});
    if let Some(issued_s) = issued_s {
        claims["iat"] = issued_s.into();
    }
    let token = encode(&head, &claims, &EncodingKey::from_ed_der(&der)).unwrap();
    json!({"credentials": {"token": token}})
}

fn token(kid: &str) -> Value {
    token_of(kid, Some(now_s()))
}

/// `welcome`, or code and reason of the error.
fn try_to(server: &Server, claim: &Value) -> Result<(), (String, Value)> {
    match ENTRIES[0].1(server.address, claim) {
        Ok(_) => Ok(()),
        Err(error) => {
            let code = error["code"].as_str().unwrap().to_owned();
            Err((code, error["details"]["reason"].clone()))
        }
    }
}

fn invalid() -> Result<(), (String, Value)> {
    Err(("unauthorized".to_owned(), json!("invalid")))
}

#[test]
fn fetched_keys_verify_over_every_transport_and_are_cached() {
    let login = Login::start(&[ed_key("a")]);
    let server = login.server(&[]);
    for (name, identify) in ENTRIES {
        let welcome = identify(server.address, &token("a")).expect(name);
        assert_eq!(welcome["user"], "1:7", "{name}");
    }
    assert_eq!(login.backend.count(), 1);
}

#[test]
fn published_secret_is_no_key() {
    let secret = b"0123456789abcdef0123456789abcdef";
    let oct = json!({
        "kty": "oct", "kid": "hs", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret),
    });
    let login = Login::start(&[ed_key("a"), oct]);
    let server = login.server(&[]);
    let mut head = Header::new(Algorithm::HS256);
    head.kid = Some("hs".to_owned());
    let claims = json!({"iss": "login", "aud": "game", "sub": "7", "exp": now_s() + 60});
    let token = encode(&head, &claims, &EncodingKey::from_secret(secret).unwrap()).unwrap();
    let claim = json!({"credentials": {"token": token}});
    assert_eq!(try_to(&server, &claim), invalid());
}

#[test]
fn new_key_is_fetched_once_the_cooldown_is_over_whatever_clients_send() {
    let login = Login::start(&[ed_key("a")]);
    let server = login.server(&[("portal.jwt.jwks_cooldown_ms", "1000")]);
    assert_eq!(try_to(&server, &token("a")), Ok(()));
    login.publish(Some(json!({"keys": [ed_key("a"), ed_key("b")]})));
    // Clients with invented keys do not make it fetch more often, and a token that was
    // issued since is not refused for good.
    let begun = std::time::Instant::now();
    let (mut fetched, mut tries) = (false, 0);
    while !fetched {
        assert!(begun.elapsed().as_secs() < 30);
        for kid in ["x", "y"] {
            let _ = try_to(&server, &token(kid));
        }
        match try_to(&server, &token("b")) {
            Ok(()) => fetched = true,
            Err((code, _)) => assert_eq!(code, "unavailable"),
        }
        tries += 1;
    }
    assert!(tries > 1, "the cooldown was over at once");
    assert_eq!(login.backend.count(), 2);
    // One that was issued before the last fetch has a key that is not published.
    assert_eq!(
        try_to(&server, &token_of("z", Some(now_s() - 60))),
        invalid()
    );
    assert_eq!(login.backend.count(), 2);
    assert!(!server.log().contains("the credential checker"));
}

#[test]
fn known_keys_stay_in_use_while_the_login_server_is_down() {
    let login = Login::start(&[ed_key("a")]);
    let server = login.server(&[
        ("portal.jwt.jwks_cooldown_ms", "100"),
        ("portal.jwt.jwks_refresh_ms", "1000"),
    ]);
    assert_eq!(try_to(&server, &token("a")), Ok(()));
    login.publish(None);
    let begun = std::time::Instant::now();
    // The set is stale after a second, is fetched again, and stays.
    while login.backend.count() < 3 {
        assert_eq!(try_to(&server, &token("a")), Ok(()));
        assert!(begun.elapsed().as_secs() < 30);
    }
    let _ = server.await_log("those that are known stay in use");
    assert_eq!(try_to(&server, &token("a")), Ok(()));
    // A key that was withdrawn goes with the next fetch.
    login.publish(Some(json!({"keys": [ed_key("b")]})));
    while try_to(&server, &token("a")).is_ok() {
        assert!(begun.elapsed().as_secs() < 30);
    }
    assert_eq!(try_to(&server, &token("b")), Ok(()));
}

#[test]
fn nobody_is_refused_while_no_set_was_fetched() {
    let login = Login::start(&[]);
    login.publish(None);
    let server = login.server(&[("portal.jwt.jwks_cooldown_ms", "100")]);
    let (code, _) = try_to(&server, &token("a")).unwrap_err();
    assert_eq!(code, "unavailable");
    login.publish(Some(json!({"keys": [ed_key("a")]})));
    let begun = std::time::Instant::now();
    while try_to(&server, &token("a")).is_err() {
        assert!(begun.elapsed().as_secs() < 30);
    }
}

#[test]
fn claims_at_the_same_time_share_one_fetch() {
    let (release, released): (Sender<()>, Receiver<()>) = channel();
    let released = Mutex::new(released);
    let set = json!({"keys": [ed_key("a")]}).to_string();
    let backend = Backend::start(move |_| {
        released.lock().unwrap().recv().ok()?;
        Some((200, set.clone()))
    });
    let login = Login {
        set: Arc::default(),
        backend,
    };
    let server = login.server(&[]);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| try_to(&server, &token("a"))))
            .collect();
        // All of them are checked, by their metric, before the answer comes.
        server.await_metric("turntable_connections", 8.0);
        release.send(()).unwrap();
        for client in clients {
            assert_eq!(client.join().unwrap(), Ok(()));
        }
    });
    assert_eq!(login.backend.count(), 1);
}
