//! The login cookie of one's own site, over every transport.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::entry::tunnel_query;
use crate::jwt::now_s;
use turntable_testkit::http::{Pending, Response, text};
use turntable_testkit::poll::{call, entries};
use turntable_testkit::websocket::handshake;
use turntable_testkit::{Client, Server};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const LIFETIME_S: u64 = 1_000;

/// The cookie as a backend signs it.
fn signed(user: &str, expires_s: u64, key: &str) -> String {
    let text = format!("{}.{expires_s}", URL_SAFE_NO_PAD.encode(user));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("turntable cookie 1.{text}").as_bytes());
    let code = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("turntable_login={text}.{code}")
}

fn server(folder: &std::path::Path, checkers: &str) -> Server {
    let file = folder.join("cookie.key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    Server::with(&[
        ("portal.checkers", checkers),
        ("portal.cookie.key_file", file.to_str().unwrap()),
        ("portal.cookie.lifetime_s", &LIFETIME_S.to_string()),
        ("portal.address_failures.per_minute", "0"),
        ("portal.user_failures.per_minute", "0"),
    ])
}

fn request(address: SocketAddr, method: &str, path: &str, cookie: &str, body: &str) -> Response {
    let headers = format!("Cookie: a=b; {cookie}\r\nContent-Type: application/json\r\n");
    Pending::send(address, &text(address, method, path, &headers, body)).answer()
}

/// The cookie that an answer sets.
fn set(answer: &Response) -> Option<String> {
    let header = answer.header("set-cookie")?;
    assert!(
        header.ends_with("; Path=/; Max-Age=1000; HttpOnly; SameSite=Lax"),
        "{header}"
    );
    Some(header.split(';').next().unwrap().to_owned())
}

type Outcome = (Result<String, Value>, Option<String>);

fn poll(address: SocketAddr, cookie: &str, claim: &Value) -> Outcome {
    let body = json!([call("$av:idme", claim.clone(), 1)]).to_string();
    let answer = request(address, "POST", "/poll", cookie, &body);
    let entries = entries(&answer);
    let entry = entries.iter().find(|entry| entry["id"] == 1).unwrap();
    let result = match entry["r"]["user"].as_str() {
        Some(user) => Ok(user.to_owned()),
        None => Err(entry["error"]["details"]["reason"].clone()),
    };
    (result, set(&answer))
}

fn tunnel(address: SocketAddr, cookie: &str, claim: &Value) -> Outcome {
    let answer = request(address, "GET", &tunnel_query(claim), cookie, "");
    if answer.status != 200 {
        return (
            Err(answer.json()["error"]["details"]["reason"].clone()),
            None,
        );
    }
    let user = answer.text().split("\"user\":\"").nth(1).unwrap();
    (Ok(user.split('"').next().unwrap().to_owned()), set(&answer))
}

fn websocket(address: SocketAddr, cookie: &str, claim: &Value) -> Outcome {
    let request = handshake("/ws", &format!("Cookie: a=b; {cookie}\r\n"));
    let mut client = Client::open_with(address, &request);
    client.expect("idyou");
    client.command("idme", claim.clone());
    let answered = client.next();
    let result = match answered["data"]["user"].as_str() {
        Some(user) => Ok(user.to_owned()),
        None => Err(answered["data"]["details"]["reason"].clone()),
    };
    (result, set(&client.response))
}

fn socketio(address: SocketAddr, cookie: &str, claim: &Value) -> Outcome {
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = request(address, "GET", path, cookie, "");
    let opened_text = opened.text();
    let open: Value = serde_json::from_str(&opened_text[1..]).unwrap();
    let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());
    let headers = "Content-Type: text/plain\r\n";
    let connect = text(address, "POST", &path, headers, &format!("40{claim}"));
    assert_eq!(Pending::send(address, &connect).answer().status, 200);
    let mut all = String::new();
    while !all.contains("\"welcome\"") && !all.contains("44{") {
        all += request(address, "GET", &path, "", "").text();
    }
    let result = match all.split("\"user\":\"").nth(1) {
        Some(user) => Ok(user.split('"').next().unwrap().to_owned()),
        None => {
            let reason = all.split("\"reason\":\"").nth(1).unwrap();
            Err(json!(reason.split('"').next().unwrap()))
        }
    };
    (result, set(&opened))
}

type Identify = fn(SocketAddr, &str, &Value) -> Outcome;

const ENTRIES: [(&str, Identify); 4] = [
    ("poll", poll),
    ("tunnel", tunnel),
    ("websocket", websocket),
    ("socketio", socketio),
];

#[test]
fn cookie_identifies_and_rolls_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), r#"["cookie"]"#);
    let named = json!({"credentials": {"cookie": true}});
    for (name, identify) in ENTRIES {
        let young = signed("1:mel", now_s() + LIFETIME_S - 100, KEY);
        let (user, renewed) = identify(server.address, &young, &named);
        assert_eq!(user, Ok("1:mel".to_owned()), "{name}");
        assert_eq!(renewed, None, "{name}");
        let old = signed("1:mel", now_s() + 100, KEY);
        let (user, renewed) = identify(server.address, &old, &named);
        assert_eq!(user, Ok("1:mel".to_owned()), "{name}");
        let (user, again) = identify(server.address, &renewed.expect(name), &named);
        assert_eq!((user, again), (Ok("1:mel".to_owned()), None), "{name}");
        for (cookie, reason) in [
            (signed("1:mel", now_s() - 1, KEY), "expired"),
            (
                signed("1:mel", now_s() + 100, &KEY.to_uppercase()),
                "invalid",
            ),
            ("turntable_login=x".to_owned(), "invalid"),
            ("other=x".to_owned(), "invalid"),
        ] {
            let (user, renewed) = identify(server.address, &cookie, &named);
            assert_eq!(user, Err(json!(reason)), "{name} {cookie}");
            assert_eq!(renewed, None, "{name}");
        }
        let stranger = json!({"user": "1:jo", "credentials": {"cookie": true}});
        let (user, _) = identify(server.address, &young, &stranger);
        assert_eq!(user, Err(json!("invalid")), "{name}");
        assert!(!server.log().contains(&young), "{name}");
    }
}

#[test]
fn cookie_that_is_not_named_is_a_login_of_its_user_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), r#"["cookie", "anonymous"]"#);
    let cookie = signed("1:mel", now_s() + 900, KEY);
    for (name, identify) in ENTRIES {
        for user in ["1:mel", "1:jo"] {
            let (welcomed, _) = identify(server.address, &cookie, &json!({"user": user}));
            assert_eq!(welcomed, Ok(user.to_owned()), "{name}");
        }
    }
}

#[test]
fn replayed_cookie_is_its_user_alone_and_no_longer_than_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path(), r#"["cookie"]"#);
    let named = json!({"credentials": {"cookie": true}});
    let invalid = || Err(json!("invalid"));
    let cookie = signed("1:mel", now_s() + 900, KEY);
    let [user, expires, code] = cookie
        .trim_start_matches("turntable_login=")
        .splitn(3, '.')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let later = expires.parse::<u64>().unwrap() + 1;
    let jo = URL_SAFE_NO_PAD.encode("1:jo");
    for (name, identify) in ENTRIES {
        // It is no ticket of one use: who has it is the user until it expires.
        for _ in 0..2 {
            let (welcomed, _) = identify(server.address, &cookie, &named);
            assert_eq!(welcomed, Ok("1:mel".to_owned()), "{name}");
        }
        let stranger = json!({"user": "1:jo", "credentials": {"cookie": true}});
        assert_eq!(
            identify(server.address, &cookie, &stranger).0,
            invalid(),
            "{name}"
        );
        for forged in [
            format!("{jo}.{expires}.{code}"),
            format!("{user}.{later}.{code}"),
            format!("{user}.{expires}."),
            format!("{user}.{expires}"),
        ] {
            let forged = format!("turntable_login={forged}");
            assert_eq!(
                identify(server.address, &forged, &named).0,
                invalid(),
                "{name} {forged}"
            );
        }
    }
}

/// A server where one secret signs everything, which its operator should not do.
fn with_one_secret(folder: &std::path::Path) -> Server {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = file("key", &format!("{KEY}\n"));
    let secret = URL_SAFE_NO_PAD.encode(KEY);
    let keys = json!({"keys": [{"kty": "oct", "kid": "files", "alg": "HS256", "k": secret}]});
    let keys = file("keys.json", &keys.to_string());
    let config = format!(
        r#"
[portal]
checkers = ["session", "guest", "cookie", "jwt"]
guest_key_file = "{key}"
address_failures = {{ per_minute = 0 }}

[portal.cookie]
key_file = "{key}"
lifetime_s = {LIFETIME_S}

[portal.jwt]
keys_file = "{keys}"
issuer = "login"
audience = "game"

[services.files]
direct_url = "https://files.example/"
direct_key = "{KEY}"
"#
    );
    Server::configured(&config, &[])
}

#[test]
fn signature_of_one_purpose_is_none_of_another_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_one_secret(folder.path());
    let mut guest = server.connect();
    guest.command("idme", json!({"credentials": {"guest": true}}));
    let welcome = guest.expect("welcome");
    let token = welcome["token"].as_str().unwrap().to_owned();
    if welcome["services"]["files"]["state"] != "enabled" {
        while guest.await_command("service")["files"]["state"] != "enabled" {}
    }
    let direct = json!({"f": "$av:direct", "args": {"service": "files"}});
    let direct = guest.request("call", direct);
    let direct = direct["token"].as_str().unwrap();
    let cookie = signed("1:mel", now_s() + 900, KEY);
    let value = cookie.strip_prefix("turntable_login=").unwrap();
    let of_token = |token: &str| json!({"credentials": {"token": token}});
    let named = json!({"credentials": {"cookie": true}});
    for (name, identify) in ENTRIES {
        // Each of them is good for what it was made for.
        let (welcomed, _) = identify(server.address, &cookie, &named);
        assert_eq!(welcomed, Ok("1:mel".to_owned()), "{name}");
        assert!(
            identify(server.address, "", &of_token(&token)).0.is_ok(),
            "{name}"
        );
        for (what, cookie, claim) in [
            ("cookie as a token", "a=b", of_token(value)),
            (
                "cookie as a sessionId",
                "a=b",
                json!({"credentials": {"sessionId": value}}),
            ),
            ("token of a service as a login", "a=b", of_token(direct)),
            (
                "guest's token as a cookie",
                &*format!("turntable_login={token}"),
                named.clone(),
            ),
            (
                "token of a service as a cookie",
                &*format!("turntable_login={direct}"),
                named.clone(),
            ),
        ] {
            let (refused, renewed) = identify(server.address, cookie, &claim);
            assert_eq!(refused, Err(json!("invalid")), "{name}: {what}");
            assert_eq!(renewed, None, "{name}: {what}");
        }
    }
}
