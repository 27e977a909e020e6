//! What clients do without a result: tokens, timeouts, servers that are not there or none of
//! turntable; and where they send a call.

use serde_json::{Value, json};

use turntable_testkit::Server;

use crate::language::{Client, Language};
use crate::listener::{Listener, answer};

/// How long a call of these tests may take where that does not matter.
const LONG_MS: u64 = 20_000;

fn each(check: impl Fn(&Client)) {
    Language::clients().iter().for_each(check);
}

/// The code and the status of an error.
fn kind(error: &Value) -> (&str, u64) {
    let message = error["message"].as_str().unwrap();
    assert!(!message.is_empty(), "{error}");
    (
        error["code"].as_str().unwrap(),
        error["status"].as_u64().unwrap(),
    )
}

#[test]
fn token_is_needed_right_and_of_the_role() {
    let reader = r#"{ token = "reads-0123456789", role = "read" }"#;
    let server = Server::with(&[
        ("management.token_required", "true"),
        ("management.tokens.reader", reader),
    ]);
    let url = format!("http://{}", server.management);
    each(|client| {
        let of = |token: Option<&str>| {
            let calls = json!([["auth", "listAll", []], ["auth", "remove", ["1:1"]]]);
            client.calls(&url, token, &calls)
        };
        for token in [None, Some("wrong-0123456789")] {
            let answers = of(token);
            for answer in answers.as_array().unwrap() {
                assert_eq!(kind(&answer["error"]), ("unauthorized", 401), "{answers}");
            }
        }
        let answers = of(Some("reads-0123456789"));
        assert_eq!(answers[0], json!({"result": []}));
        assert_eq!(kind(&answers[1]["error"]), ("forbidden", 403));
    });
}

#[test]
fn call_is_a_post_with_the_token_in_a_header_alone() {
    let listener = Listener::answering("200 OK", "", "true");
    let url = format!("http://{}/ops/turntable/", listener.address);
    each(|client| {
        let calls = json!([["user", "setPassword", ["1:8", "open sesame"]]]);
        let answers = client.calls(&url, Some("a-token-0123456789"), &calls);
        assert_eq!(answers, json!([{"result": true}]));
        let request = listener.request();
        let line = "POST /ops/turntable/rpc/user/setPassword HTTP/1.1";
        assert_eq!(request.line(), line, "{:?}", client.language);
        let json = request.header("Content-Type").unwrap();
        assert!(json.starts_with("application/json"), "{json}");
        let token = request.header("Authorization");
        assert_eq!(token, Some("Bearer a-token-0123456789"));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body, json!({"userId": "1:8", "password": "open sesame"}));
    });
}

#[test]
fn optional_argument_is_left_out_where_it_is_null() {
    let listener = Listener::answering("200 OK", "", "0");
    let url = format!("http://{}", listener.address);
    each(|client| {
        let calls = json!([
            ["user", "kick", ["1:8"]],
            ["user", "publish", ["1:8", null]]
        ]);
        client.calls(&url, None, &calls);
        let kick: Value = serde_json::from_str(&listener.request().body).unwrap();
        assert_eq!(kick, json!({"userId": "1:8"}));
        let publish: Value = serde_json::from_str(&listener.request().body).unwrap();
        assert_eq!(publish, json!({"userId": "1:8", "message": null}));
    });
}

#[test]
fn address_may_be_of_ipv6() {
    let Some(listener) = Listener::at("::1", Some(answer("200 OK", "", "null"))) else {
        eprintln!("SKIPPED: this machine has no address of IPv6");
        return;
    };
    let url = format!("http://{}", listener.address);
    each(|client| {
        let calls = json!([["auth", "check", ["a"]]]);
        assert_eq!(client.calls(&url, None, &calls), json!([{"result": null}]));
        let host = listener.request();
        assert_eq!(host.header("Host"), Some(&*listener.address.to_string()));
    });
}

#[test]
fn server_that_does_not_answer_is_a_timeout() {
    let listener = Listener::at("127.0.0.1", None).unwrap();
    let url = format!("http://{}", listener.address);
    each(|client| {
        let error = client.error(&url, 300, None);
        assert_eq!(kind(&error), ("timeout", 0), "{:?}", client.language);
    });
}

#[test]
fn server_that_is_not_there_is_unreachable() {
    // Nothing listens at a port that was just free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    each(|client| {
        let error = client.error(&url, LONG_MS, None);
        assert_eq!(kind(&error), ("unreachable", 0), "{:?}", client.language);
    });
}

#[test]
fn answer_that_is_none_of_turntable_is_an_error() {
    for (status, code, body) in [
        ("502 Bad Gateway", 502, "<html>"),
        ("500 Internal Server Error", 500, "[]"),
        ("404 Not Found", 404, r#"{"error": "text"}"#),
        ("200 OK", 200, "<html>"),
        ("200 OK", 200, ""),
    ] {
        let listener = Listener::answering(status, "", body);
        let url = format!("http://{}", listener.address);
        each(|client| {
            let error = client.error(&url, LONG_MS, None);
            let language = client.language;
            assert_eq!(kind(&error), ("bad_answer", code), "{language:?} {status}");
        });
    }
}

#[test]
fn redirection_is_an_error_and_the_token_goes_nowhere_else() {
    let elsewhere = Listener::answering("200 OK", "", "true");
    let location = format!("Location: http://{}/\r\n", elsewhere.address);
    for status in ["302 Found", "307 Temporary Redirect"] {
        let listener = Listener::answering(status, &location, "");
        let url = format!("http://{}", listener.address);
        each(|client| {
            let error = client.error(&url, LONG_MS, Some("a-token-0123456789"));
            let number = status[..3].parse().unwrap();
            assert_eq!(
                kind(&error),
                ("bad_answer", number),
                "{:?}",
                client.language
            );
            assert!(!elsewhere.has_request(), "{:?}", client.language);
        });
    }
}
