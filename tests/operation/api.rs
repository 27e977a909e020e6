//! What the management listener says of its own methods: `GET /api` and `GET /openapi.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use turntable_testkit::http::{Response, get, send};
use turntable_testkit::package::{has_npm_package, run_script};
use turntable_testkit::{Server, room};

/// Calls that succeed one after another, and what each has to have done before. `SESSION` is
/// the number of a session.
const CALLS: &[(&str, &str)] = &[
    ("auth/set", r#"{"userId": 7, "sessionId": "abc"}"#),
    ("auth/check", r#"{"sessionId": "abc"}"#),
    ("auth/check", r#"{"sessionId": "none"}"#),
    ("auth/listAll", "{}"),
    ("auth/listAll", r#"{"limit": 1}"#),
    ("audit/listAll", "{}"),
    ("audit/listAll", r#"{"limit": 1}"#),
    ("user/listAll", "{}"),
    ("user/listAll", r#"{"limit": 1}"#),
    ("user/getSessions", r#"{"userId": "1:1"}"#),
    ("user/getFrontendServer", r#"{"userId": "1:1"}"#),
    ("user/getPresence", r#"{"userIds": ["1:1", "1:2"]}"#),
    (
        "user/setAttributes",
        r#"{"userId": "1:1", "attributes": {"note": "hello"}}"#,
    ),
    ("user/getAttributes", r#"{"userId": "1:1"}"#),
    ("user/publish", r#"{"userId": "1:1", "message": {"a": 1}}"#),
    (
        "channel/subscribe",
        r#"{"userId": "1:1", "channelId": "news"}"#,
    ),
    (
        "channel/publish",
        r#"{"channelId": "news", "message": "hello"}"#,
    ),
    ("channel/getHistory", r#"{"channelId": "news"}"#),
    ("channel/getHistory", r#"{"channelId": "news", "since": 0}"#),
    ("channel/getSubscribers", r#"{"channelId": "news"}"#),
    ("channel/getSubscriptions", r#"{"userId": "1:1"}"#),
    ("channel/listAll", "{}"),
    ("channel/clearHistory", r#"{"channelId": "news"}"#),
    (
        "channel/unsubscribe",
        r#"{"userId": "1:1", "channelId": "news"}"#,
    ),
    ("channel/unsubscribeAll", r#"{"userId": "1:1"}"#),
    ("config/get", "{}"),
    ("config/check", r#"{"config": {"presence.watch_max": 7}}"#),
    ("config/set", r#"{"config": {"presence.watch_max": 7}}"#),
    ("config/getHistory", "{}"),
    ("config/checkRollback", r#"{"version": 1}"#),
    ("config/rollback", r#"{"version": 1}"#),
    ("config/getHistory", "{}"),
    ("config/reload", "{}"),
    ("config/getStatus", "{}"),
    ("audit/getCaller", "{}"),
    ("service/listAll", "{}"),
    ("service/disable", r#"{"name": "forum"}"#),
    ("service/enable", r#"{"name": "forum"}"#),
    ("service/disable", r#"{"name": "forum", "userId": "1:1"}"#),
    ("service/getDisabled", r#"{"userId": "1:1"}"#),
    ("game/listAll", "{}"),
    ("game/listAll", r#"{"limit": 1}"#),
    ("game/get", r#"{"channelId": "table"}"#),
    ("game/getActions", r#"{"channelId": "table"}"#),
    ("game/getActions", r#"{"channelId": "table", "since": 1}"#),
    ("game/kick", r#"{"channelId": "table", "userId": "1:4"}"#),
    ("game/end", r#"{"channelId": "table", "reason": "over"}"#),
    ("session/listAll", "{}"),
    ("session/listAll", r#"{"limit": 1}"#),
    ("session/listAll", r#"{"order": "queue"}"#),
    ("session/get", r#"{"session": "SESSION"}"#),
    ("session/getEvents", r#"{"session": "SESSION"}"#),
    ("session/trace", r#"{"session": "SESSION", "seconds": 60}"#),
    ("session/getTrace", r#"{"session": "SESSION"}"#),
    ("session/getTrace", r#"{"session": "SESSION", "since": 1}"#),
    ("session/trace", r#"{"session": "SESSION", "seconds": 0}"#),
    ("session/close", r#"{"session": "SESSION"}"#),
    ("session/getEvents", r#"{"session": "SESSION"}"#),
    ("session/getEnded", "{}"),
    ("session/getEnded", r#"{"userId": "1:4", "limit": 1}"#),
    (
        "user/setBlocked",
        r#"{"userId": "1:1", "userIds": ["1:9"]}"#,
    ),
    ("user/getBlocked", r#"{"userId": "1:1"}"#),
    ("user/listBlocked", "{}"),
    (
        "user/setPassword",
        r#"{"userId": "1:8", "password": "open sesame"}"#,
    ),
    ("user/removePassword", r#"{"userId": "1:8"}"#),
    ("user/kick", r#"{"userId": "1:1", "reason": "rude"}"#),
    (
        "user/ban",
        r#"{"userId": "1:5", "seconds": 60, "reason": "rude"}"#,
    ),
    ("user/ban", r#"{"userId": "1:6", "seconds": 0}"#),
    ("user/listBans", "{}"),
    ("user/listBans", r#"{"limit": 1}"#),
    ("user/unban", r#"{"userId": "1:5"}"#),
    ("user/remove", r#"{"userId": "1:1"}"#),
    ("user/erase", r#"{"userId": "1:1"}"#),
    ("auth/remove", r#"{"userId": 7}"#),
    ("node/getStatus", "{}"),
    ("node/getSamples", "{}"),
    ("node/drain", r#"{"seconds": 1}"#),
    ("node/undrain", "{}"),
];

/// The one method that needs a client which answers; `tests/service/` calls it.
const ANSWERED_BY_CLIENTS: &str = "user/call";
/// The one that the server does not answer twice; `restart.rs` calls it.
const RESTARTS: &str = "node/restart";

fn server() -> Server {
    Server::with(&[
        ("portal.checkers", r#"["session", "password", "anonymous"]"#),
        ("services.forum.providers", "[\"service:forum\"]"),
    ])
}

fn post(server: &Server, method: &str, body: &str) -> Response {
    let json = "Content-Type: application/json\r\n";
    send(
        server.management,
        "POST",
        &format!("/rpc/{method}"),
        json,
        body,
    )
}

#[test]
fn every_method_is_defined_and_returns_what_its_definition_says() {
    let server = server();
    let _client = server.user("1:1");
    let mut other = server.user("1:4");
    room::join(&mut other, "table", "1:4");
    room::act(&mut other, "table", "1:4", json!({"move": 1}));
    other.expect("game");
    let sessions = post(&server, "user/getSessions", r#"{"userId": "1:4"}"#).json();
    let number = sessions[0]["session"].as_str().unwrap();
    let page = get(server.management, "/api");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("Content-Type"), Some("application/json"));
    let api = page.json();
    let mut called: BTreeMap<String, usize> = BTreeMap::new();
    for (method, body) in CALLS {
        let body = &body.replace("SESSION", number);
        let answer = post(&server, method, body);
        assert_eq!(answer.status, 200, "{method} {body}: {}", answer.text());
        let (service, name) = method.split_once('/').unwrap();
        let definition = &api[service][name];
        let schema = jsonschema::draft202012::new(&definition["result"]).unwrap();
        let result = answer.json();
        let errors: Vec<String> = schema.iter_errors(&result).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{method} returned {result}: {errors:?}");
        *called.entry((*method).to_owned()).or_default() += 1;
    }
    for (service, methods) in api.as_object().unwrap() {
        for name in methods.as_object().unwrap().keys() {
            let method = format!("{service}/{name}");
            let is_called =
                called.contains_key(&method) || [ANSWERED_BY_CLIENTS, RESTARTS].contains(&&*method);
            assert!(is_called, "{method} has no call in this test");
        }
    }
}

#[test]
fn parameters_of_the_definitions_are_those_that_calls_need() {
    let server = server();
    let api = get(server.management, "/api").json();
    for (service, methods) in api.as_object().unwrap() {
        for (name, definition) in methods.as_object().unwrap() {
            let params = definition["params"].as_array().unwrap();
            let needed = params.iter().filter(|param| param["optional"] != true);
            let Some(first) = needed.map(|param| &param["name"]).next() else {
                continue;
            };
            let refused = post(&server, &format!("{service}/{name}"), "{}").json();
            let message = refused["error"]["message"].as_str().unwrap();
            let expected = format!("{} is missing", first.as_str().unwrap());
            assert_eq!(message, expected, "{service}/{name}");
        }
    }
}

#[test]
fn refusal_of_a_call_says_what_is_accepted() {
    let server = server();
    let refused = |answer: Response| {
        assert_eq!(answer.error(), (400, "bad_message".to_owned()));
        let message = answer.json()["error"]["message"].clone();
        message.as_str().unwrap().to_owned()
    };
    let surplus = refused(get(server.management, "/config/get/zz"));
    assert_eq!(surplus, "there are no arguments");
    let query = refused(get(server.management, "/user/listAll?limit=1"));
    assert!(query.contains("there is no query"), "{query}");
    let wrong = refused(post(&server, "user/listAll", r#"{"limit": true}"#));
    assert_eq!(wrong, "limit must be a whole number");
    let zipped = "Content-Encoding: gzip\r\n";
    let coded = send(server.management, "POST", "/rpc/user/listAll", zipped, "{}");
    let coded = refused(coded);
    assert_eq!(coded, "the body is not what Content-Encoding says it is");
    let double = r#"{"config": {"presence": {"watch_max": 501}, "presence.watch_max": 502}}"#;
    let double = refused(post(&server, "config/set", double));
    assert_eq!(double, "duplicate key presence.watch_max");
}

#[test]
fn service_is_disabled_only_where_an_operator_did_that() {
    let server = server();
    let state = || get(server.management, "/service/listAll").json()["forum"]["state"].clone();
    assert_eq!(state(), "down");
    let disabled = post(&server, "service/disable", r#"{"name": "forum"}"#).json();
    assert_eq!(disabled["state"], "disabled");
    assert_eq!(state(), "disabled");
    let enabled = post(&server, "service/enable", r#"{"name": "forum"}"#).json();
    assert_eq!(enabled["state"], "down");
}

#[test]
fn openapi_document_is_valid_and_has_every_method() {
    let server = server();
    let page = get(server.management, "/openapi.json");
    let document = page.json();
    assert_eq!(document["openapi"], "3.1.0");
    let api = get(server.management, "/api").json();
    for (service, methods) in api.as_object().unwrap() {
        for name in methods.as_object().unwrap().keys() {
            let path = &document["paths"][format!("/rpc/{service}/{name}")];
            assert_eq!(path["post"]["operationId"], format!("{service}.{name}"));
        }
    }
    // Null is a type of its own in this version.
    assert!(!page.text().contains("nullable"));
    if has_npm_package("@seriousme/openapi-schema-validator") {
        let url = format!("http://{}/openapi.json", server.management);
        run_script(Path::new("node"), "tests/operation/openapi.mjs", &[&url]);
    }
}

#[test]
fn definitions_are_read_alone() {
    let server = server();
    for path in ["/api", "/openapi.json"] {
        let head = send(server.management, "HEAD", path, "", "");
        assert_eq!(head.status, 200, "{path}");
        let refused = send(server.management, "DELETE", path, "", "");
        assert_eq!(
            (refused.status, refused.header("Allow")),
            (405, Some("GET, HEAD"))
        );
        let foreign = "Origin: http://elsewhere.example\r\nSec-Fetch-Site: cross-site\r\n";
        let foreign = send(server.management, "GET", path, foreign, "");
        assert_eq!(foreign.status, 403, "{path}: {}", foreign.text());
    }
    let unknown = get(server.management, "/nothing").json();
    let message: &Value = &unknown["error"]["message"];
    assert!(message.as_str().unwrap().contains("/api"), "{message}");
    assert_eq!(unknown["error"]["code"], json!("not_found"));
}
