//! What clients may set: rules, and attributes of the server.

use serde_json::{Value, json};

use turntable_testkit::http::send;
use turntable_testkit::poll::PollClient;
use turntable_testkit::socketio::Socket;
use turntable_testkit::{Client, Server};

const CONFIG: &str = r##"
[attributes]
server_only = ["role"]

[attributes.schema.name]
type = "string"
length_min = 1
length_max = 5

[attributes.schema.colour]
pattern = "#[0-9a-f]{6}"

[attributes.schema.score]
type = "integer"
min = 0
max = 100
"##;

fn server() -> Server {
    Server::configured(CONFIG, &[])
}

fn set(client: &mut Client, changes: &Value) -> Value {
    client.command("set", changes.clone());
    client.expect("error")
}

#[test]
fn setter_learns_which_attribute_was_refused_and_why() {
    let server = server();
    let mut client = server.user("1:1");
    let mut other = server.user("1:1");
    client.request(
        "set",
        json!({"name": "Mel", "colour": "#00ff00", "score": 7}),
    );
    other.expect("attributes");
    for (changes, key, reason) in [
        (
            json!({"name": "Melanie"}),
            "name",
            "must have at most 5 characters",
        ),
        (
            json!({"name": ""}),
            "name",
            "must have at least 1 characters",
        ),
        (json!({"name": 7}), "name", "must be a string"),
        (
            json!({"colour": "red"}),
            "colour",
            "must match the pattern #[0-9a-f]{6}",
        ),
        (json!({"score": 101}), "score", "must be at most 100"),
        (json!({"score": 1.5}), "score", "must be a whole number"),
        // All or none.
        (
            json!({"other": 1, "score": -1}),
            "score",
            "must be at least 0",
        ),
    ] {
        let error = set(&mut client, &changes);
        assert_eq!(error["code"], "refused", "{changes}");
        assert_eq!(error["details"], json!({"key": key, "reason": reason}));
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(key) && message.contains(reason),
            "{message}"
        );
    }
    other.expect_nothing_pending();
    // What is removed or unchanged is not looked at.
    client.request("set", json!({"colour": null, "score": 7, "any": [1]}));
    assert_eq!(
        other.expect("attributes"),
        json!({"colour": null, "any": [1]})
    );
    let mut late = server.connect();
    late.command("idme", json!({"user": "1:2", "attributes": {"score": "7"}}));
    let error = late.expect("error");
    assert_eq!(
        (&error["code"], &error["details"]["key"]),
        (&json!("refused"), &json!("score"))
    );
    let welcome = late.identify("1:2");
    assert_eq!(welcome["attributes"], json!({}));
}

#[test]
fn refusal_has_its_key_and_reason_over_other_transports() {
    let server = server();
    let reason = json!({"key": "score", "reason": "must be at most 100"});
    let poll = PollClient::user(&server, "1:1");
    let refused = poll.request_refused("$av:set", json!({"score": 101}));
    assert_eq!(
        (&refused["code"], &refused["details"]),
        (&json!("refused"), &reason)
    );
    let (mut socket, _) = Socket::user(server.address, "websocket", "1:2");
    let refused = socket.request("set", json!({"score": 101}));
    assert_eq!(refused["error"]["details"], reason, "{refused}");
}

#[test]
fn attributes_of_the_server_are_set_by_the_server_only() {
    let server = server();
    let mut client = server.user("1:1");
    let error = set(&mut client, &json!({"role": "admin"}));
    assert_eq!(
        (&error["code"], &error["details"]["key"]),
        (&json!("forbidden"), &json!("role"))
    );
    let mut late = server.connect();
    late.command(
        "idme",
        json!({"user": "1:1", "attributes": {"role": "admin"}}),
    );
    assert_eq!(late.expect("error")["details"]["key"], "role");
    let rpc = |method: &str, arguments: Value| {
        let json = "Content-Type: application/json\r\n";
        let path = format!("/rpc/user/{method}");
        send(
            server.management,
            "POST",
            &path,
            json,
            &arguments.to_string(),
        )
    };
    let roles = json!({"userId": "1:1", "attributes": {"role": "admin"}});
    assert_eq!(rpc("setAttributes", roles).json(), true);
    assert_eq!(client.expect("attributes"), json!({"role": "admin"}));
    // The rules are those of all.
    let refused = rpc(
        "setAttributes",
        json!({"userId": "1:1", "attributes": {"score": 101}}),
    );
    assert_eq!(refused.status, 409);
    assert_eq!(
        refused.json()["error"]["details"]["reason"],
        "must be at most 100"
    );
    let absent = json!({"userId": "1:9", "attributes": {"name": "Tom", "role": "guest"}});
    assert_eq!(rpc("setAttributes", absent).json(), true);
    let all = rpc("getAttributes", json!({"userId": "1:9"}));
    assert_eq!(all.json(), json!({"name": "Tom", "role": "guest"}));
    assert_eq!(server.connect().identify("1:9")["attributes"], all.json());
}
