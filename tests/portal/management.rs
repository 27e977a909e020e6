//! `auth` and `user` of the management listener.

use serde_json::{Value, json};

use crate::entry::WAYS;
use turntable_testkit::Server;
use turntable_testkit::http::{Response, send};

fn rpc(server: &Server, method: &str, arguments: Value) -> Response {
    let json = "Content-Type: application/json\r\n";
    let body = arguments.to_string();
    send(
        server.management,
        "POST",
        &format!("/rpc/{method}"),
        json,
        &body,
    )
}

#[test]
fn session_of_auth_set_identifies_over_every_transport() {
    let server = Server::start();
    let set = rpc(
        &server,
        "auth/set",
        json!({"userId": 7, "sessionId": "abc/d"}),
    );
    assert_eq!((set.status, set.json()), (200, json!(true)));
    for (name, way) in WAYS {
        for claim in [
            json!({"user": "1:7", "credentials": {"sessionId": "abc/d"}}),
            json!({"credentials": {"sessionId": "abc/d"}}),
        ] {
            let welcome = way(server.address, &claim).expect(name);
            assert_eq!(welcome["user"], "1:7", "{name}");
        }
        // Who has an entry needs it.
        let bare = way(server.address, &json!({"user": "1:7"})).unwrap_err();
        assert_eq!(bare["code"], "unauthorized", "{name}");
    }
    let get = |path: &str| server.manage(path).json();
    assert_eq!(get("/auth/check/abc%2Fd"), "1:7");
    assert_eq!(get("/auth/check/x"), Value::Null);
    assert_eq!(get("/auth/set/fb:mel/xyz"), true);
    assert_eq!(get("/auth/listAll"), json!(["1:7", "fb:mel"]));
    assert_eq!(get("/auth/remove/fb:mel"), true);
    assert_eq!(get("/auth/remove/fb:mel"), false);
    assert!(!server.log().contains("abc/d"));
}

#[test]
fn wrong_calls_are_refused() {
    let server = Server::start();
    let error = |method: &str, arguments: Value| rpc(&server, method, arguments).error();
    let (wrong, gone) = ("bad_message".to_owned(), "not_found".to_owned());
    assert_eq!(
        error("auth/set", json!({"userId": "1:1"})),
        (400, wrong.clone())
    );
    assert_eq!(error("auth/set", json!([])), (400, wrong.clone()));
    assert_eq!(error("auth/no", json!({})), (404, gone));
    let id = error("auth/remove", json!({"userId": "a b:c"}));
    assert_eq!(id, (400, "invalid_id".to_owned()));
    let taken = |user: &str| {
        rpc(
            &server,
            "auth/set",
            json!({"userId": user, "sessionId": "s"}),
        )
    };
    assert_eq!(taken("1:1").status, 200);
    assert_eq!(taken("1:2").error(), (409, "conflict".to_owned()));
    // A page of another site reaches none.
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    let answer = send(server.management, "GET", "/auth/set/1:3/x", foreign, "");
    assert_eq!(answer.error(), (403, "forbidden".to_owned()));
    assert_eq!(server.manage("/auth/check/x").json(), Value::Null);
    let answer = send(server.management, "GET", "/rpc/auth/listAll", "", "");
    assert_eq!(answer.status, 405);
}
