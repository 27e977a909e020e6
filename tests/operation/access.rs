//! Who may call the management listener, and what the log says of it.

use std::fs;

use serde_json::{Value, json};

use turntable_testkit::Server;
use turntable_testkit::http::{Response, get, request, send};
use turntable_testkit::workspace::root;

const TOKENS: [(&str, &str); 3] = [
    ("read", "reads-0123456789"),
    ("operate", "operates-0123456789"),
    ("admin", "administers-0123456789"),
];

fn server(required: bool) -> Server {
    let tokens = TOKENS.map(|(role, token)| {
        (
            format!("management.tokens.{role}"),
            format!("{{ token = \"{token}\", role = \"{role}\" }}"),
        )
    });
    let mut keys = vec![("management.token_required".to_owned(), required.to_string())];
    keys.extend(tokens);
    let keys: Vec<(&str, &str)> = keys.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    Server::with(&keys)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn post(server: &Server, headers: &str, method: &str, body: &str) -> Response {
    let headers = format!("Content-Type: application/json\r\n{headers}");
    send(
        server.management,
        "POST",
        &format!("/rpc/{method}"),
        &headers,
        body,
    )
}

#[test]
fn every_method_is_open_to_its_role_and_those_above_it_alone() {
    let server = server(true);
    let headers = bearer(TOKENS[0].1);
    let api = send(server.management, "GET", "/api", &headers, "").json();
    let rank = |role: &str| TOKENS.iter().position(|(name, _)| *name == role).unwrap();
    for (service, methods) in api.as_object().unwrap() {
        for (name, definition) in methods.as_object().unwrap() {
            let method = format!("{service}/{name}");
            let needed = rank(definition["role"].as_str().unwrap());
            // The arguments are wrong, so that nothing is done where the caller may.
            let wrong = r#"{"surplus": 1}"#;
            for (own, (role, token)) in TOKENS.iter().enumerate() {
                let answer = post(&server, &bearer(token), &method, wrong);
                let expected = if own >= needed { 400 } else { 403 };
                assert_eq!(
                    answer.status,
                    expected,
                    "{method} by {role}: {}",
                    answer.text()
                );
                let path = format!("/{method}/%ff");
                let answer = send(server.management, "GET", &path, &bearer(token), "");
                assert_eq!(
                    answer.status,
                    expected,
                    "GET {path} by {role}: {}",
                    answer.text()
                );
            }
            let unknown = bearer("nothing-0123456789");
            for headers in ["", &unknown] {
                let path = format!("/{method}/%ff");
                for nobody in [
                    post(&server, headers, &method, wrong),
                    send(server.management, "GET", &path, headers, ""),
                ] {
                    assert_eq!(nobody.error(), (401, "unauthorized".to_owned()), "{method}");
                    let challenge = nobody.header("WWW-Authenticate").unwrap();
                    assert!(challenge.starts_with("Bearer"), "{challenge}");
                }
            }
        }
    }
}

#[test]
fn table_of_roles_names_every_method_of_the_highest_one() {
    let docs = fs::read_to_string(root().join("docs/management.md")).unwrap();
    let row = docs.lines().find(|line| line.starts_with("| `admin` |"));
    let row = row.unwrap();
    let server = Server::start();
    let api = get(server.management, "/api").json();
    for (service, methods) in api.as_object().unwrap() {
        // Its table has the role of each.
        if service == "config" {
            continue;
        }
        for (name, definition) in methods.as_object().unwrap() {
            let is_named = row.contains(&format!("`{service}/{name}`"));
            assert_eq!(definition["role"] == "admin", is_named, "{service}/{name}");
        }
    }
}

#[test]
fn pages_need_a_token_where_calls_do_and_health_never() {
    let server = server(true);
    for path in ["/metrics", "/api", "/openapi.json"] {
        assert_eq!(get(server.management, path).status, 401, "{path}");
        let wrong = send(
            server.management,
            "GET",
            path,
            &bearer("reads-0123456780"),
            "",
        );
        assert_eq!(wrong.status, 401, "{path}");
        let right = send(server.management, "GET", path, &bearer(TOKENS[0].1), "");
        assert_eq!(right.status, 200, "{path}");
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(get(server.management, path).status, 200, "{path}");
    }
}

#[test]
fn wrong_token_is_refused_where_none_is_needed() {
    let server = server(false);
    let list = |headers: &str| post(&server, headers, "user/listAll", "{}");
    assert_eq!(list("").json(), json!([]));
    assert_eq!(list(&bearer("nothing-0123456789")).status, 401);
    let refused = post(
        &server,
        &bearer(TOKENS[0].1),
        "user/kick",
        r#"{"userId": 1}"#,
    );
    let caller = |headers: &str| post(&server, headers, "audit/getCaller", "{}").json();
    assert_eq!(caller(""), json!({"name": "local", "role": "admin"}));
    let reader = json!({"name": "read", "role": "read"});
    assert_eq!(caller(&bearer(TOKENS[0].1)), reader);
    let error: &Value = &refused.json()["error"];
    assert_eq!(error["code"], "forbidden");
    assert_eq!(
        error["message"],
        "this needs the role operate; the token has the role read"
    );
}

#[test]
fn changes_are_logged_with_their_caller_and_no_secret() {
    let server = server(false);
    let operator = bearer(TOKENS[1].1);
    let ban = r#"{"userId": "1:5", "seconds": 60, "reason": "rude"}"#;
    assert_eq!(post(&server, &operator, "user/ban", ban).status, 200);
    let password = r#"{"userId": "1:5", "password": "open sesame"}"#;
    assert_eq!(
        post(&server, "", "user/setPassword", password).error().1,
        "forbidden"
    );
    let publish = r#"{"userId": "1:5", "message": "a message"}"#;
    assert_eq!(
        post(&server, &operator, "user/publish", publish).status,
        200
    );
    let line_of = |text: &str| {
        let log = server.await_log(text);
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains(text)).unwrap();
        line.to_owned()
    };
    let line = line_of("user/ban userId=1:5 seconds=60 reason=\"rude\"");
    assert!(line.contains("operate (127.0.0.1:"), "{line}");
    let line = line_of("user/setPassword userId=1:5 password=***");
    assert!(
        line.contains("local (") && line.ends_with(": forbidden"),
        "{line}"
    );
    let log = server.log();
    for secret in ["open sesame", "a message", TOKENS[1].1] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn name_that_another_site_may_choose_is_refused_where_no_token_is_needed() {
    let any = Server::with(&[("server.hosts", r#"["*", "ops.example"]"#)]);
    let answer = send_as(&any, "evil.example", "");
    assert_eq!(answer.error(), (403, "forbidden".to_owned()));
    let keys = [
        ("server.hosts", r#"["*"]"#),
        ("management.token_required", "true"),
        (
            "management.tokens.a",
            r#"{ token = "reads-0123456789", role = "read" }"#,
        ),
    ];
    let closed = Server::with(&keys);
    let headers = bearer("reads-0123456789");
    assert_eq!(send_as(&closed, "evil.example", &headers).status, 200);
}

/// A request of a page of `host`, to a server that this name leads to.
fn send_as(server: &Server, host: &str, headers: &str) -> Response {
    let text = format!(
        "GET /user/listAll HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Connection: close\r\n{headers}\r\n"
    );
    request(server.management, &text)
}

#[test]
fn opened_address_changes_nothing() {
    let server = Server::start();
    // A browser sends these for a link in a mail, as for an address that is typed.
    let opened = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n";
    let open = |path: &str| send(server.management, "GET", path, opened, "");
    let answer = open("/user/ban/1:mel/60");
    assert_eq!(answer.error(), (403, "forbidden".to_owned()));
    assert_eq!(open("/user/listBans").text(), "{}");
    assert_eq!(get(server.management, "/user/ban/1:mel/60").status, 200);
}

#[test]
fn body_that_is_too_long_is_an_error_as_others_are() {
    let server = Server::start();
    let answer = post(&server, "", "user/publish", &"x".repeat(70_000));
    assert_eq!(answer.error(), (413, "too_large".to_owned()));
}
