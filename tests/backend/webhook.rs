//! Webhooks: signed, in order, sent again until they are accepted, bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::receiver::{Backend, Request};
use turntable_testkit::Server;
use turntable_testkit::http::send;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn server(backend: &Backend, keys: &[(&str, &str)]) -> Server {
    let mut all = vec![
        ("webhooks.url", backend.url()),
        ("webhooks.secret", SECRET),
        ("webhooks.retry_ms", "20"),
        ("room.empty_ms", "0"),
        ("presence.grace_ms", "0"),
    ];
    all.extend_from_slice(keys);
    Server::with(&all)
}

/// The event of a request, whose signature must be right.
pub(crate) fn event(request: &Request) -> Value {
    let (id, second) = (
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
    );
    let secret = STANDARD
        .decode(SECRET.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(format!("{id}.{second}.{}", request.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(request.header("webhook-signature"), expected);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age_s = now.unwrap().as_secs().abs_diff(second.parse().unwrap());
    assert!(age_s < 300, "{second}");
    let event = request.json();
    assert_eq!(event["id"], id);
    event
}

#[test]
fn backend_hears_of_users_and_rooms() {
    let backend = Backend::start(|_| Some((204, String::new())));
    let server = server(&backend, &[("webhooks.in_flight_max", "1")]);
    // An alert on the increase of a series needs its beginning.
    let metrics = server.manage("/metrics");
    for name in ["delivered", "failed", "given_up", "dropped"] {
        let line = format!("turntable_webhooks_total{{name=\"{name}\"}} 0\n");
        assert!(metrics.text().contains(&line), "{line}");
    }
    let expect = |kind: &str, data: Value| {
        let event = event(&backend.next());
        assert_eq!(event["type"], kind, "{event}");
        for (name, value) in data.as_object().unwrap() {
            assert_eq!(&event["data"][name], value, "{event}");
        }
        assert!(event["time"].as_u64().unwrap() > 1_700_000_000_000);
        event
    };
    let mut mel = server.user("1:1");
    expect("user.online", json!({"user": "1:1"}));
    // Another device, and a status, are nothing new.
    let other = server.user("1:1");
    mel.request("status", json!("invisible"));
    other.bye();
    mel.request(
        "joingame",
        json!({"channel": "r", "self": "1:1", "game": "four"}),
    );
    expect(
        "room.created",
        json!({"channel": "r", "game": "four", "by": "1:1"}),
    );
    mel.request("leavegame", json!({"channel": "r"}));
    let ended = expect("room.ended", json!({"channel": "r", "game": "four"}));
    assert!(ended["data"]["lasted_ms"].is_u64(), "{ended}");
    mel.drop_connection();
    expect("user.offline", json!({"user": "1:1"}));
    backend.expect_none();
    server.await_metric("turntable_webhooks_total{name=\"delivered\"}", 4.0);
}

#[test]
fn event_is_sent_again_until_it_is_accepted_and_those_behind_it_wait() {
    let count = AtomicUsize::new(0);
    let backend = Backend::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Some((500, String::new())),
        1 => None,
        _ => Some((200, String::new())),
    });
    let server = server(&backend, &[("webhooks.timeout_ms", "200")]);
    server.user("1:1").bye();
    let events: Vec<Value> = (0..4).map(|_| event(&backend.next())).collect();
    let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(
        kinds,
        ["user.online", "user.online", "user.online", "user.offline"]
    );
    assert_eq!(events[0]["id"], events[2]["id"]);
    assert_ne!(events[0]["id"], events[3]["id"]);
    backend.expect_none();
    server.await_metric("turntable_webhooks_total{name=\"failed\"}", 2.0);
    server.await_metric("turntable_webhooks_waiting", 0.0);
}

#[test]
fn events_that_have_no_room_are_dropped_and_counted() {
    let backend = Backend::start(|_| None);
    let server = server(
        &backend,
        &[("webhooks.queue_max", "2"), ("webhooks.attempts_max", "1")],
    );
    let users: Vec<_> = (0..5).map(|n| server.user(&format!("1:{n}"))).collect();
    server.await_metric("turntable_webhooks_total{name=\"dropped\"}", 3.0);
    // Nobody waits for a backend.
    for mut user in users {
        user.expect_nothing_pending();
    }
}

#[test]
fn user_with_many_events_does_not_take_the_place_of_others() {
    let is_up = Arc::new(AtomicBool::new(false));
    let accepts = is_up.clone();
    let backend = Backend::start(move |_| match accepts.load(Ordering::Relaxed) {
        true => Some((204, String::new())),
        false => Some((503, String::new())),
    });
    let keys = [
        ("webhooks.queue_max", "8"),
        ("webhooks.attempts_max", "100"),
        ("webhooks.retry_ms", "100"),
        ("webhooks.retry_max_ms", "100"),
    ];
    let server = server(&backend, &keys);
    let dropped = |count| server.await_metric("turntable_webhooks_total{name=\"dropped\"}", count);
    let join = |user: &str, room: &str| json!({"channel": room, "self": user});
    // Its rooms fill the queue, beside `user.online`.
    let mut many = server.user("1:1");
    for room in 0..12 {
        many.request("joingame", join("1:1", &format!("many/{room}")));
    }
    dropped(5.0);
    let mut other = server.user("1:2");
    other.request("joingame", join("1:2", "r"));
    // Two of the first user's are dropped for them.
    dropped(7.0);
    is_up.store(true, Ordering::Relaxed);
    server.await_metric("turntable_webhooks_waiting", 0.0);
    server.await_metric("turntable_webhooks_total{name=\"delivered\"}", 8.0);
    // Events about different users and rooms come in any order, refused ones among them.
    let (mut has_user, mut has_room) = (false, false);
    while !(has_user && has_room) {
        let data = event(&backend.next())["data"].take();
        has_user |= data["user"] == "1:2";
        has_room |= data["channel"] == "r";
    }
}

#[test]
fn configuration_chooses_events_and_nothing_is_sent_without_url() {
    let backend = Backend::start(|_| Some((200, String::new())));
    let server = server(&backend, &[("webhooks.events", r#"["user.offline"]"#)]);
    server.user("1:1").bye();
    assert_eq!(event(&backend.next())["type"], "user.offline");
    backend.expect_none();
}

#[test]
fn stopping_server_delivers_what_waits() {
    let count = AtomicUsize::new(0);
    let backend = Backend::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Some((503, String::new())),
        _ => Some((200, String::new())),
    });
    let mut server = server(&backend, &[("webhooks.retry_ms", "500")]);
    server.user("1:1").bye();
    backend.next();
    server.signal("TERM");
    assert_eq!(event(&backend.next())["type"], "user.online");
    assert_eq!(event(&backend.next())["type"], "user.offline");
    assert!(server.wait().success());
}

#[test]
fn backend_hears_what_clients_set_of_the_named_attributes() {
    let backend = Backend::start(|_| Some((204, String::new())));
    let keys = [
        ("webhooks.attributes", r#"["email", "age"]"#),
        ("webhooks.events", r#"["user.attributes"]"#),
        ("attributes.durable", r#"["age"]"#),
    ];
    let server = server(&backend, &keys);
    let mut client = server.connect();
    let claim = json!({"user": "1:5", "attributes": {"email": "a@b", "name": "Mel"}});
    client.command("idme", claim);
    client.expect("welcome");
    let expect = |attributes: Value| {
        let event = event(&backend.next());
        assert_eq!(event["type"], "user.attributes");
        let data = json!({"user": "1:5", "attributes": attributes});
        assert_eq!(event["data"], data);
    };
    expect(json!({"email": "a@b"}));
    // What has no name in the configuration, and what does not change, is not sent.
    for changes in [json!({"name": "Melanie"}), json!({"email": "a@b"})] {
        client.request("set", changes);
    }
    client.request("set", json!({"email": "c@d", "age": 7, "name": "Mel"}));
    expect(json!({"age": 7, "email": "c@d"}));
    // Nor is what the server sets.
    let set = r#"{"userId": "1:5", "attributes": {"email": "e@f"}}"#;
    let (path, json) = (
        "/rpc/user/setAttributes",
        "Content-Type: application/json\r\n",
    );
    let answer = send(server.management, "POST", path, json, set);
    assert_eq!(answer.status, 200, "{}", answer.text());
    client.expect("attributes");
    client.request("set", json!({"email": null}));
    expect(json!({"email": null}));
}
