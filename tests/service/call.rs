//! Calls, refusals and permissions.

use std::time::Instant;

use serde_json::json;

use turntable_testkit::http;
use turntable_testkit::websocket::Opcode;

use crate::{await_state, call, next, provider, server, user};

#[test]
fn call_reaches_the_provider_and_its_result_the_caller() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost", "read"]);
    let mut mel = user(&server, "1:1", "forum");
    call(
        &mut mel,
        "forum:createPost",
        json!({"title": "t", "n": 1.50}),
        7,
    );
    let called = next(&mut forum);
    assert_eq!(called["command"], "call");
    let expected =
        json!({"f": "forum:createPost", "args": {"title": "t", "n": 1.5}, "user": "1:1"});
    assert_eq!(called["data"], expected);
    forum.send(json!({"command": "reply", "data": {"post": 3}, "id": called["id"]}));
    let reply = next(&mut mel);
    let expected = json!({"command": "reply", "data": {"post": 3}, "id": 7});
    assert_eq!(reply, expected);
}

#[test]
fn error_of_a_provider_reaches_the_caller() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!(null), 1);
    let called = next(&mut forum);
    let error = json!({"error": {"code": "refused", "message": "no title"}});
    forum.send(json!({"command": "reply", "data": error, "id": called["id"]}));
    let answer = next(&mut mel);
    assert_eq!(answer["command"], "error");
    assert_eq!(answer["data"]["code"], "refused");
    assert_eq!(answer["data"]["message"], "no title");
    assert_eq!(answer["id"], 1);
}

#[test]
fn call_without_id_gets_no_answer() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    mel.command("call", json!({"f": "forum:createPost", "args": 1}));
    let called = next(&mut forum);
    forum.send(json!({"command": "reply", "data": 1, "id": called["id"]}));
    call(&mut mel, "forum:createPost", json!(2), 2);
    let called = next(&mut forum);
    forum.send(json!({"command": "reply", "data": 2, "id": called["id"]}));
    assert_eq!(next(&mut mel)["id"], 2);
}

#[test]
fn instance_that_answers_twice_is_closed_after_ten_such_answers() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    for id in 1..=10 {
        call(&mut mel, "forum:createPost", json!(id), id);
        let called = next(&mut forum);
        let answer = json!({"command": "reply", "data": id, "id": called["id"]});
        forum.send(answer.clone());
        forum.send(answer);
        let error = next(&mut forum);
        assert_eq!(error["data"]["code"], "not_found", "{error}");
        assert_eq!(next(&mut mel)["data"], id);
    }
    // Slowly, too: the errors of a session would be refilled.
    forum.send(json!({"command": "reply", "data": 1, "id": 1}));
    forum.expect_error("not_found");
    forum.expect_close(4006);
    await_state(&mut mel, "forum", "disabled");
}

#[test]
fn unknown_functions_and_services_are_refused_with_those_that_exist() {
    let server = server();
    let _forum = provider(&server, "forum", &["createPost", "read"]);
    let mut mel = user(&server, "1:1", "forum");
    for (f, exists) in [
        ("forum:__proto__", "createPost, read"),
        ("forum:unknown", "createPost, read"),
        ("forum", "createPost, read"),
        ("nosuch:x", "forum"),
        ("__proto__:x", "forum"),
    ] {
        call(&mut mel, f, json!(null), 5);
        let answer = next(&mut mel);
        assert_eq!(answer["data"]["code"], "not_found", "{f}");
        let message = answer["data"]["message"].as_str().unwrap();
        assert!(message.contains(exists), "{message}");
        assert!(!message.contains("staff"), "{message}");
    }
}

#[test]
fn service_is_neither_shown_to_nor_called_by_users_without_permission() {
    let server = server();
    let mut staff = provider(&server, "staff", &["ban"]);
    let mut boss = user(&server, "staff:1", "staff");
    let mut mel = server.connect();
    mel.command("idme", json!("1:1"));
    let welcome = mel.await_command("welcome");
    assert!(welcome["services"].get("staff").is_none());
    assert!(welcome["services"].get("forum").is_some());
    call(&mut mel, "staff:ban", json!("1:2"), 1);
    let answer = next(&mut mel);
    assert_eq!(answer["data"]["code"], "forbidden");
    call(&mut boss, "staff:ban", json!("1:2"), 1);
    let called = next(&mut staff);
    assert_eq!(called["data"]["user"], "staff:1");
    // Nor is it sent changes.
    staff.drop_connection();
    await_state(&mut boss, "staff", "disabled");
    mel.expect_nothing_pending();
}

#[test]
fn provider_identifies_with_its_token_only() {
    let server = server();
    for credentials in [json!(null), json!({"token": "wrong"}), json!({})] {
        let mut client = server.connect();
        let mut user = json!({"user": "service:forum"});
        if !credentials.is_null() {
            user["credentials"] = credentials;
        }
        client.command("idme", user);
        client.expect_error("unauthorized");
    }
}

#[test]
fn credentials_of_the_portal_give_nobody_the_user_of_a_service() {
    let server = server();
    let entry = json!({"userId": "service:forum", "sessionId": "s"}).to_string();
    let json = "Content-Type: application/json\r\n";
    let set = http::send(server.management, "POST", "/rpc/auth/set", json, &entry);
    assert_eq!(set.status, 200);
    let mut client = server.connect();
    client.command("idme", json!({"credentials": {"sessionId": "s"}}));
    client.expect_error("unauthorized");
}

#[test]
fn wrong_tokens_of_one_address_are_limited() {
    let server = server();
    for _ in 0..100 {
        let mut client = server.connect();
        let claim = json!({"user": "service:forum", "credentials": {"token": "wrong"}});
        client.command("idme", claim);
        let error = client.expect("error");
        if error["code"] == "rate_limited" {
            return;
        }
        assert_eq!(error["details"]["reason"], "invalid");
    }
    panic!("a hundred guesses are looked at");
}

#[test]
fn functions_of_a_user_that_may_not_provide_are_its_own() {
    let server = server();
    let mut eve = server.user("1:666");
    let reply = eve.request("provide", json!({"services": {"forum": ["createPost"]}}));
    assert_eq!(reply, json!({"services": [], "own": ["forum"]}));
    call(&mut eve, "forum:createPost", json!(null), 1);
    assert_eq!(next(&mut eve)["data"]["code"], "service_down");
}

#[test]
fn silent_provider_is_notified_at_the_deadline_and_its_late_answer_is_discarded() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    let begun = Instant::now();
    call(&mut mel, "forum:createPost", json!(1), 1);
    let called = next(&mut forum);
    let answer = next(&mut mel);
    assert_eq!(answer["data"]["code"], "timeout");
    let waited = begun.elapsed().as_millis();
    assert!((1_000..3_000).contains(&waited), "{waited}");
    let cancel = next(&mut forum);
    assert_eq!(
        cancel["data"],
        json!({"f": "$av:cancel", "args": {"id": called["id"]}})
    );
    forum.send(json!({"command": "reply", "data": 1, "id": called["id"]}));
    call(&mut mel, "forum:createPost", json!(2), 2);
    let called = next(&mut forum);
    forum.send(json!({"command": "reply", "data": 2, "id": called["id"]}));
    let answer = next(&mut mel);
    assert_eq!((&answer["id"], &answer["data"]), (&json!(2), &json!(2)));
}

#[test]
fn provider_that_answers_what_it_was_not_asked_is_cut_off() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!(1), 1);
    let called = next(&mut forum);
    // More would find the socket closed.
    for _ in 0..110 {
        forum.send(json!({"command": "reply", "data": "forged", "id": 999_999}));
    }
    while forum.frame().opcode == Opcode::TEXT {}
    let answer = next(&mut mel);
    assert_eq!(answer["data"]["code"], "service_down", "{called}");
}
