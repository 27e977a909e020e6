//! `audit` of the management listener: what operators changed, and who.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::SockRef;

use turntable_testkit::http::{send, text};
use turntable_testkit::{DEADLINE, Server};

const OPERATE: &str = "operates-0123456789";

fn server(max: &str) -> Server {
    let token = format!("{{ token = \"{OPERATE}\", role = \"operate\" }}");
    Server::with(&[
        ("management.tokens.ops", &token),
        ("management.audit_entries_max", max),
    ])
}

/// Calls a method with the token; the status.
fn call(server: &Server, method: &str, body: &Value) -> u16 {
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {OPERATE}\r\n");
    let path = format!("/rpc/{method}");
    send(
        server.management,
        "POST",
        &path,
        &headers,
        &body.to_string(),
    )
    .status
}

fn methods(server: &Server, wanted: &Value) -> Vec<String> {
    let list = server.rpc("audit/listAll", wanted).json();
    let changes = list["changes"].as_array().unwrap().iter();
    changes
        .map(|change| change["method"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn changes_are_listed_with_caller_arguments_and_outcome() {
    let server = server("1000");
    let ban = json!({"userId": 5, "seconds": 60, "reason": "rude"});
    assert_eq!(call(&server, "user/ban", &ban), 200);
    let password = json!({"userId": "1:5", "password": "open sesame"});
    assert_eq!(server.rpc("user/setPassword", &password).status, 403);
    let session = json!({"userId": "1:5", "sessionId": "hush-hush"});
    assert_eq!(call(&server, "auth/set", &session), 200);
    // What only looks, messages, and what the caller may not are no changes.
    assert_eq!(call(&server, "user/listAll", &json!({})), 200);
    assert_eq!(call(&server, "config/reload", &json!({})), 403);
    let publish = json!({"userId": "1:5", "message": 1});
    assert_eq!(call(&server, "user/publish", &publish), 200);
    let check = json!({"config": {"presence.watch_max": 7}});
    assert_eq!(server.rpc("config/check", &check).status, 200);

    let list = server.rpc("audit/listAll", &json!({})).json();
    let changes = list["changes"].as_array().unwrap();
    let [set, failed, banned] = &changes[..] else {
        panic!("{list}");
    };
    let arguments = json!({"userId": "1:5", "seconds": "60", "reason": "rude"});
    assert_eq!(banned["method"], "user/ban");
    assert_eq!(banned["arguments"], arguments);
    assert_eq!(
        (&banned["by"], &banned["number"]),
        (&json!("ops"), &json!(1))
    );
    assert!(
        banned["address"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    assert!(banned["at_ms"].as_u64() > Some(1_600_000_000_000));
    assert_eq!(banned.get("error"), None);
    assert_eq!(
        (&failed["by"], &failed["error"]),
        (&json!("local"), &json!("forbidden"))
    );
    assert_eq!(failed["arguments"]["password"], "***");
    assert_eq!(
        set["arguments"],
        json!({"userId": "1:5", "sessionId": "***"})
    );
    let text = list.to_string();
    assert!(!text.contains("sesame") && !text.contains("hush"), "{text}");
    // Others than admins do not see it.
    assert_eq!(call(&server, "audit/listAll", &json!({})), 403);
}

/// A line must not look like another one.
#[test]
fn characters_of_ids_that_are_not_seen_are_escapes_in_the_log() {
    let server = server("1000");
    for id in ["1:\u{202e}abc", "1:\u{200b}\u{2066}x\u{feff}"] {
        let ban = json!({"userId": id, "seconds": 60, "reason": "\u{202e}rude\n"});
        assert_eq!(call(&server, "user/ban", &ban), 200);
        let list = server.rpc("audit/listAll", &json!({})).json();
        assert_eq!(list["changes"][0]["arguments"]["userId"], id);
    }
    let clear = json!({"channelId": "news/\u{202e}x"});
    call(&server, "channel/clearHistory", &clear);
    let _ = server.await_log("userId=1:\\u{202e}abc seconds=60 reason=\"\\u{202e}rude\\n\"");
    let _ = server.await_log("userId=1:\\u{200b}\\u{2066}x\\u{feff} seconds");
    let log = server.await_log("channelId=news/\\u{202e}x");
    for hidden in ['\u{202e}', '\u{200b}', '\u{2066}', '\u{feff}'] {
        assert!(!log.contains(hidden), "{hidden:?}");
    }
}

#[test]
fn changes_are_found_page_by_page_and_the_oldest_go() {
    let server = server("4");
    for user in 1..=3 {
        assert_eq!(call(&server, "user/unban", &json!({"userId": user})), 200);
    }
    let _ = server.rpc("user/unban", &json!({"userId": 2}));
    assert_eq!(
        server
            .rpc("user/ban", &json!({"userId": 2, "seconds": 1}))
            .status,
        200
    );
    let unban = "user/unban";
    let all = ["user/ban", unban, unban, unban];
    assert_eq!(methods(&server, &json!({})), all, "the first is gone");
    assert_eq!(methods(&server, &json!({"method": "user"})), all);
    assert_eq!(methods(&server, &json!({"method": unban})), [unban; 3]);
    assert_eq!(methods(&server, &json!({"by": "ops"})), [unban; 2]);
    assert_eq!(
        methods(&server, &json!({"argument": "1:2"})),
        ["user/ban", unban, unban]
    );
    let first = server.rpc("audit/listAll", &json!({"limit": 3})).json();
    assert_eq!(first["changes"].as_array().unwrap().len(), 3);
    let rest = server.rpc(
        "audit/listAll",
        &json!({"limit": 3, "after": first["next"]}),
    );
    let rest = rest.json();
    assert_eq!(rest["changes"][0]["number"], 2);
    assert_eq!(rest.get("next"), None, "{rest}");
    let wrong = server.rpc("audit/listAll", &json!({"after": "soon"}));
    assert_eq!(wrong.error().1, "bad_message");
    // The bound changes with the configuration, from the next change on.
    let set = json!({"config": {"management.audit_entries_max": 1}});
    assert_eq!(server.rpc("config/set", &set).status, 200);
    assert_eq!(methods(&server, &json!({})), ["config/set"]);
}

#[test]
fn call_whose_connection_is_reset_is_in_the_list() {
    let server = Server::with(&[
        ("portal.checkers", r#"["password"]"#),
        ("portal.password.hashing_max", "1"),
        ("portal.password.passes", "10"),
    ]);
    let begin = |user: u32| {
        let body = json!({"userId": user, "password": "open sesame"}).to_string();
        let path = "/rpc/user/setPassword";
        let headers = "Content-Type: application/json\r\n";
        let request = text(server.management, "POST", path, headers, &body);
        let mut stream = TcpStream::connect(server.management).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    // One password is hashed after another.
    let connections: Vec<TcpStream> = (0..6).map(begin).collect();
    let await_changes = |count: usize| {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let list = server.rpc("audit/listAll", &json!({})).json();
            let changes = list["changes"].as_array().unwrap();
            if changes.len() >= count {
                return changes.clone();
            }
            assert!(Instant::now() < deadline, "{list}");
            // The list takes turns with what it waits for.
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let _ = await_changes(1);
    for connection in connections {
        SockRef::from(&connection)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
    let changes = await_changes(6);
    let mut cut = changes
        .iter()
        .filter(|change| change["error"] == "unanswered");
    assert!(cut.next().is_some(), "{changes:?}");
}
