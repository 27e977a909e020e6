//! JSON that no message may have, from the operator: nobody gets any of it.

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::http::{escape, get, send};

/// Values, and the refusal of each.
fn flawed() -> [(String, (u16, String)); 4] {
    let bad_message = || (400, "bad_message".to_owned());
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    [
        (r#""\ud800""#.to_owned(), bad_message()),
        (r#"{"\udc00":1}"#.to_owned(), bad_message()),
        ("[1e999]".to_owned(), bad_message()),
        (deep, (413, "too_large".to_owned())),
    ]
}

#[test]
fn operator_sends_what_clients_may_send() {
    let server = Server::start();
    let mut mel = server.user("1:1");
    mel.request("joinchannel", json!({"channel": "c"}));
    mel.request("provide", json!({"services": {"own": ["f"]}}));
    for (value, refusal) in flawed() {
        for (method, body) in [
            (
                "user/publish",
                format!(r#"{{"userId":"1:1","message":{value}}}"#),
            ),
            (
                "user/setAttributes",
                format!(r#"{{"userId":"1:1","attributes":{{"a":{value}}}}}"#),
            ),
            (
                "user/call",
                format!(r#"{{"userId":"1:1","f":"own:f","args":{value}}}"#),
            ),
            (
                "channel/publish",
                format!(r#"{{"channelId":"c","message":{value}}}"#),
            ),
        ] {
            let kind = "Content-Type: application/json\r\n";
            let path = format!("/rpc/{method}");
            let answer = send(server.management, "POST", &path, kind, &body);
            assert_eq!(answer.error(), refusal, "{method} {value}");
        }
        let path = format!("/user/publish/1:1/{}", escape(&value));
        assert_eq!(get(server.management, &path).error(), refusal, "{value}");
    }
    mel.expect_nothing_pending();
    let attributes = get(server.management, "/user/getAttributes/1:1");
    assert_eq!(attributes.json(), Value::Object(Default::default()));
}

#[test]
fn credentials_of_a_tunnel_are_bounded_as_those_of_idme() {
    let server = Server::start();
    for (value, refusal) in flawed() {
        let credentials = escape(&format!(r#"{{"token":{value}}}"#));
        let path = format!("/tunnel?new=1&format=sse&user=1:1&credentials={credentials}");
        assert_eq!(server.get(&path).error(), refusal, "{value}");
    }
}
