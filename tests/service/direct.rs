//! Direct connections of clients to a service: the address, and a token that the server
//! issues.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use crate::{await_state, call, manage, next, provider, user};
use turntable_testkit::poll::PollClient;
use turntable_testkit::{Client, Server};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// `forum` is called through the server, too; `files` directly alone.
const CONFIG: &str = r#"
[services.forum]
providers = ["service:forum"]
token = "secret"
direct_url = "wss://forum.example/ws"
direct_key = "0123456789abcdef0123456789abcdef"

[services.files]
callers = ["1:*"]
functions = ["get", "put"]
direct_url = "https://files.example/"
direct_protocol = "tus"
direct_key = "fedcba9876543210fedcba9876543210"
direct_token_ms = 5000

[services.chat]
providers = ["service:forum"]
token = "secret"

[roles.reader]
services = ["forum", "files:get"]

[portal.roles]
anonymous = ["reader"]
"#;

/// Without the roles.
fn server() -> Server {
    let free = CONFIG.split("[roles.reader]").next().unwrap();
    Server::configured(free, &[])
}

/// Asks for a direct connection and returns the answer's message.
fn ask(client: &mut Client, service: &str) -> Value {
    call(client, "$av:direct", json!({"service": service}), 7);
    let answer = next(client);
    assert_eq!(answer["id"], 7);
    answer
}

/// The claims of a token as the service reads it.
fn claims(token: &Value, key: &str, service: &str) -> Value {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[service]);
    validation.set_issuer(&["turntable"]);
    let key = DecodingKey::from_secret(key.as_bytes()).unwrap();
    let token = token.as_str().unwrap();
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[test]
fn client_gets_the_address_and_a_token_that_the_service_can_check() {
    let server = server();
    let _forum = provider(&server, "forum", &["read"]);
    let mut mel = user(&server, "1:1", "forum");
    let welcome = server.connect().identify("1:2");
    let entry = &welcome["services"]["forum"];
    assert_eq!(
        (&entry["url"], &entry["protocol"]),
        (&json!("wss://forum.example/ws"), &json!("websocket"))
    );
    assert!(welcome["services"]["chat"]["url"].is_null());
    let answer = ask(&mut mel, "forum");
    let data = &answer["data"];
    assert_eq!(
        (&data["url"], &data["protocol"], &data["expires_in"]),
        (&entry["url"], &entry["protocol"], &json!(60))
    );
    let claims = claims(&data["token"], KEY, "forum");
    assert_eq!(claims["sub"], "1:1");
    assert!(claims["functions"].is_null(), "all of them");
    // Another user gets its own, over another transport.
    let poll = PollClient::user(&server, "1:2");
    let answer = poll.request("$av:direct", json!({"service": "forum"}));
    assert_eq!(self::claims(&answer["token"], KEY, "forum")["sub"], "1:2");
    // Those that there is none for.
    for (args, code) in [
        (json!({"service": "chat"}), "not_found"),
        (json!({"service": "nosuch"}), "not_found"),
        (json!({"service": 5}), "bad_message"),
        (json!("forum"), "bad_message"),
        (json!(null), "bad_message"),
    ] {
        assert_eq!(poll.request_refused("$av:direct", args)["code"], code);
    }
}

#[test]
fn service_that_is_only_direct_is_enabled_and_not_called_through_the_server() {
    let server = server();
    let mut mel = user(&server, "1:1", "files");
    let answer = ask(&mut mel, "files");
    let data = &answer["data"];
    assert_eq!(
        (&data["protocol"], &data["expires_in"]),
        (&json!("tus"), &json!(5))
    );
    claims(&data["token"], "fedcba9876543210fedcba9876543210", "files");
    call(&mut mel, "files:get", json!(null), 1);
    let refused = next(&mut mel);
    assert_eq!(refused["data"]["code"], "service_down");
    assert!(
        refused["data"]["message"]
            .as_str()
            .unwrap()
            .contains("$av:direct")
    );
    // Switched off for all, and for one user.
    let body = json!({"name": "files"});
    assert_eq!(manage(&server, "service/disable", &body).0, 200);
    await_state(&mut mel, "files", "disabled");
    assert_eq!(ask(&mut mel, "files")["data"]["code"], "service_down");
    assert_eq!(manage(&server, "service/enable", &body).0, 200);
    let state = await_state(&mut mel, "files", "enabled");
    assert_eq!(state["url"], "https://files.example/");
    let body = json!({"name": "files", "userId": "1:1"});
    assert_eq!(manage(&server, "service/disable", &body).0, 200);
    await_state(&mut mel, "files", "disabled");
    let refused = ask(&mut mel, "files");
    let message = "the service is disabled for this user";
    assert_eq!(refused["data"]["message"], message);
    let mut pomke = user(&server, "1:2", "files");
    assert!(ask(&mut pomke, "files")["data"]["token"].is_string());
}

#[test]
fn token_is_for_callers_and_names_the_functions_that_the_roles_allow() {
    let server = Server::configured(CONFIG, &[]);
    let _forum = provider(&server, "forum", &["read"]);
    let mut mel = user(&server, "1:1", "files");
    let answer = ask(&mut mel, "files");
    let claims_of = |answer: &Value, key, name| claims(&answer["data"]["token"], key, name);
    let files = claims_of(&answer, "fedcba9876543210fedcba9876543210", "files");
    assert_eq!(files["functions"], json!(["get"]));
    let mut other = user(&server, "2:1", "forum");
    let answer = ask(&mut other, "forum");
    assert!(claims_of(&answer, KEY, "forum")["functions"].is_null());
    // It is not among the callers of the files, and does not see where they are.
    assert_eq!(ask(&mut other, "files")["data"]["code"], "forbidden");
    let welcome = server.connect().identify("2:2");
    assert!(welcome["services"]["files"].is_null(), "{welcome}");
    // A role without the service.
    assert_eq!(ask(&mut other, "chat")["data"]["code"], "forbidden");
}
