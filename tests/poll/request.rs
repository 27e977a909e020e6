//! Requests of the poll transport: how they name a session, and what is refused
//! before any call runs.

use serde_json::{Value, json};

use turntable_testkit::poll::{PollClient, call, entries, post};
use turntable_testkit::{Server, http};

#[test]
fn plain_curl_begins_and_identifies_a_session() {
    let server = Server::start();
    let body = r#"[{"f": "$av:idme", "args": "1:12345", "id": 1}]"#;
    // The headers of `curl -d`.
    let headers = "User-Agent: curl/8.5.0\r\nAccept: */*\r\n\
                   Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = post(&server, "/poll", headers, body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Set-Cookie"), None);
    let session = answer.header("Turntable-Session").unwrap();
    assert_eq!(session.len(), 22);
    let entries = entries(&answer);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0]["f"], "$av:connected");
    let connected = &entries[0]["args"];
    assert_eq!(connected["user"], Value::Null);
    assert_eq!(connected["session"], session);
    assert_eq!(connected["resumed"], false);
    assert!(connected["time"].is_u64(), "{connected}");
    assert_eq!(entries[1]["id"], 1);
    assert_eq!(entries[1]["r"]["user"], "1:12345");
    assert_eq!(entries[1]["r"]["session"], session);
}

#[test]
fn session_is_named_by_header_then_cookie_then_query() {
    let server = Server::start();
    let [mel, tom, ann] = ["1:1", "1:2", "1:3"].map(|user| PollClient::user(&server, user));
    let header = |client: &PollClient<'_>| format!("Turntable-Session: {}\r\n", client.session);
    let cookie =
        |client: &PollClient<'_>| format!("Cookie: a=b; Turntable-Session={}\r\n", client.session);
    let query = |client: &PollClient<'_>| format!("/poll?session={}", client.session);
    let body = json!([
        call("$av:set", json!({}), 0),
        call("$av:idme", json!("9:9"), "who")
    ]);
    let session_of = |target: &str, headers: &str| {
        let answer = post(&server, target, headers, &body.to_string());
        entries(&answer);
        answer.header("Turntable-Session").unwrap().to_owned()
    };
    assert_eq!(session_of("/poll", &header(&mel)), mel.session);
    assert_eq!(session_of("/poll", &cookie(&mel)), mel.session);
    assert_eq!(session_of(&query(&mel), ""), mel.session);
    assert_eq!(
        session_of(&query(&ann), &(header(&mel) + &cookie(&tom))),
        mel.session
    );
    assert_eq!(session_of(&query(&ann), &cookie(&tom)), tom.session);
}

#[test]
fn cookie_is_set_if_configured() {
    let server = Server::with(&[("poll.cookie", "true")]);
    let answer = post(&server, "/poll", "", "[]");
    let session = answer.header("Turntable-Session").unwrap();
    let cookie = answer.header("Set-Cookie").unwrap();
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(pair, format!("Turntable-Session={session}"));
    for word in ["HttpOnly", "SameSite=Lax"] {
        assert!(attributes.contains(word), "{cookie}");
    }
    // It is for the folder of the request, wherever a proxy puts that.
    for word in ["Path", "Secure"] {
        assert!(!attributes.contains(word), "{cookie}");
    }
    let again = post(&server, "/poll", &format!("Cookie: {pair}\r\n"), "[]");
    assert_eq!(again.header("Turntable-Session"), Some(session));
    assert_eq!(again.text(), "[]");
    let server = Server::with(&[
        ("poll.cookie", "true"),
        ("server.trusted_proxies", "[\"127.0.0.1\"]"),
    ]);
    let answer = post(&server, "/poll", "X-Forwarded-Proto: https\r\n", "[]");
    let cookie = answer.header("Set-Cookie").unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
}

#[test]
fn invalid_body_is_refused_with_reason() {
    let server = Server::with(&[
        ("server.max_message_bytes", "4096"),
        ("poll.batch_max", "8"),
    ]);
    let client = PollClient::user(&server, "1:1");
    for body in ["", "{", "[1,", "x", "[]]"] {
        let answer = client.send("", body);
        assert_eq!(answer.error(), (400, "bad_json".to_owned()), "{body:?}");
        assert!(answer.text().contains("line 1 column"), "{}", answer.text());
    }
    for body in ["1", "null", "\"x\""] {
        let answer = client.send("", body);
        assert_eq!(answer.error(), (400, "bad_message".to_owned()), "{body:?}");
    }
    let long = format!("[\"{}\"]", "x".repeat(5000));
    assert_eq!(
        client.send("", &long).error(),
        (413, "too_large".to_owned())
    );
    let many = json!(vec![json!({"f": "$av:bye"}); 9]).to_string();
    assert_eq!(client.send("", &many).error(), (429, "too_many".to_owned()));
    // None of these calls ran.
    assert_eq!(client.heartbeat(), Vec::<Value>::new());
    for kind in ["text/html", "application/xml", "multipart/form-data"] {
        let headers = format!("{}Content-Type: {kind}\r\n", client.header());
        assert_eq!(post(&server, "/poll", &headers, "[]").status, 415, "{kind}");
    }
    for kind in ["application/json;charset=utf-8", "text/plain", "TEXT/PLAIN"] {
        let headers = format!("{}Content-Type: {kind}\r\n", client.header());
        assert_eq!(post(&server, "/poll", &headers, "[]").status, 200, "{kind}");
    }
}

#[test]
fn other_methods_are_not_allowed() {
    let server = Server::start();
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let answer = http::send(server.address, method, "/poll", "", "");
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("Allow"), Some("POST"));
    }
}

#[test]
fn only_allowed_origins_may_poll() {
    let page = "Origin: https://game.example\r\n";
    let server = Server::start();
    let refused = post(&server, "/poll", page, "[]");
    assert_eq!(refused.error(), (403, "forbidden".to_owned()));
    assert_eq!(refused.header("Turntable-Session"), None);
    let readable = refused.header("Access-Control-Allow-Origin");
    assert_eq!(readable, Some("https://game.example"));
    assert_eq!(refused.header("Access-Control-Allow-Credentials"), None);

    let server = Server::with(&[("server.allowed_origins", r#"["https://game.example"]"#)]);
    let answer = post(&server, "/poll", page, "[]");
    let gone = post(&server, "/poll?session=AAAAAAAAAAAAAAAAAAAAAA", page, "[]");
    assert_eq!((answer.status, gone.status), (200, 410));
    for answer in [&answer, &gone] {
        let allowed = answer.header("Access-Control-Allow-Origin");
        assert_eq!(allowed, Some("https://game.example"));
        assert_eq!(
            answer.header("Access-Control-Allow-Credentials"),
            Some("true")
        );
        let exposed = answer.header("Access-Control-Expose-Headers").unwrap();
        assert!(exposed.contains("Turntable-Session"));
    }
    let preflight = http::send(server.address, "OPTIONS", "/poll", page, "");
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("Access-Control-Allow-Methods"),
        Some("POST")
    );
}
