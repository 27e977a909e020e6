//! Functions that ordinary clients offer: called by the server, by services, and by other
//! clients where the configuration permits it.

use serde_json::{Value, json};

use crate::{await_state, call, manage, next, offering, provider, user};
use turntable_testkit::poll::{PollClient, result};
use turntable_testkit::session::Session;
use turntable_testkit::{Client, Server, http};

const CONFIG: &str = r#"
[services.forum]
providers = ["service:forum"]
token = "secret"

[functions]
callers = ["1:*"]
callable = ["chat:*"]
timeout_ms = 1000
"#;

fn server() -> Server {
    Server::configured(CONFIG, &[])
}

fn call_user(client: &mut Client, whose: &str, f: &str, args: Value, id: u64) {
    let data = json!({"f": f, "args": args, "user": whose});
    client.send(json!({"command": "call", "data": data, "id": id}));
}

/// Answers the next call with its arguments, and returns it.
fn echo(client: &mut Client) -> Value {
    let called = next(client);
    assert_eq!(called["command"], "call");
    let args = called["data"]["args"].clone();
    client.send(json!({"command": "reply", "data": args, "id": called["id"]}));
    called
}

#[test]
fn client_calls_the_function_of_another_where_that_is_permitted() {
    let server = server();
    let mut mel = offering(&server, "1:2", "chat", &["sendMessage"]);
    let mut pomke = server.user("1:1");
    call_user(
        &mut pomke,
        "1:2",
        "chat:sendMessage",
        json!({"text": "hi"}),
        1,
    );
    let called = echo(&mut mel);
    let expected = json!({"f": "chat:sendMessage", "args": {"text": "hi"}, "user": "1:1"});
    assert_eq!(called["data"], expected);
    let reply = next(&mut pomke);
    assert_eq!(
        (&reply["id"], &reply["data"]),
        (&json!(1), &json!({"text": "hi"}))
    );
    // A function that she does not offer, and one that is not for other clients.
    call_user(&mut pomke, "1:2", "chat:sendFile", json!(1), 2);
    assert_eq!(next(&mut pomke)["data"]["code"], "service_down");
    call_user(&mut pomke, "1:2", "friends:newFriend", json!(1), 3);
    assert_eq!(next(&mut pomke)["data"]["code"], "forbidden");
    let mut guest = server.user("other:1");
    call_user(&mut guest, "1:2", "chat:sendMessage", json!(1), 4);
    assert_eq!(next(&mut guest)["data"]["code"], "forbidden");
    // Nobody else has it, and she has it no longer.
    call_user(&mut pomke, "1:3", "chat:sendMessage", json!(1), 5);
    assert_eq!(next(&mut pomke)["data"]["code"], "service_down");
    mel.request("provide", json!({"services": {"chat": []}}));
    server.await_metric("turntable_actors{name=\"service\"}", 1.0);
    call_user(&mut pomke, "1:2", "chat:sendMessage", json!(1), 6);
    assert_eq!(next(&mut pomke)["data"]["code"], "service_down");
}

#[test]
fn blocked_user_calls_nobody_and_cannot_tell() {
    let server = server();
    let _mel = offering(&server, "1:2", "chat", &["sendMessage"]);
    let list = json!({"userId": "1:2", "userIds": ["1:1"]});
    assert_eq!(manage(&server, "user/setBlocked", &list).0, 200);
    let mut pomke = server.user("1:1");
    let mut error_of = |user: &str, id: u64| {
        call_user(&mut pomke, user, "chat:sendMessage", json!(1), id);
        next(&mut pomke)["data"].clone()
    };
    let blocked = error_of("1:2", 1);
    assert_eq!(blocked["code"], "service_down");
    assert_eq!(
        blocked,
        error_of("1:9", 2),
        "as of a user that is not there"
    );
}

#[test]
fn function_of_an_invisible_user_is_absent_to_others() {
    let server = server();
    let mut mel = offering(&server, "1:2", "chat", &["sendMessage"]);
    let mut pomke = server.user("1:1");
    mel.request("status", json!("invisible"));
    let absent_of = |client: &mut Client, whose: &str, f: &str, id: u64| {
        call_user(client, whose, f, json!(1), id);
        let error = next(client);
        assert_eq!(error["data"]["code"], "service_down", "{error}");
        error["data"].clone()
    };
    let absent = absent_of(&mut pomke, "1:3", "chat:sendMessage", 1);
    // Also with a function that she does not offer.
    for f in ["chat:sendMessage", "chat:sendFile", "chat:nosuch"] {
        assert_eq!(absent_of(&mut pomke, "1:2", f, 2), absent, "{f}");
    }
    mel.expect_nothing_pending();
    // Its own sessions call it, and so does the server.
    let mut own = server.user("1:2");
    call_user(&mut own, "1:2", "chat:sendMessage", json!(2), 3);
    assert_eq!(echo(&mut mel)["data"]["args"], 2);
    assert_eq!(next(&mut own)["data"], 2);
    mel.request("status", json!("online"));
    call_user(&mut pomke, "1:2", "chat:sendMessage", json!(4), 4);
    assert_eq!(echo(&mut mel)["data"]["args"], 4);
    assert_eq!(next(&mut pomke)["data"], 4);
}

#[test]
fn poll_calls_the_function_of_another_user() {
    let server = server();
    let mut mel = offering(&server, "1:2", "chat", &["sendMessage"]);
    std::thread::scope(|scope| {
        scope.spawn(|| echo(&mut mel));
        let pomke = PollClient::user(&server, "1:1");
        let batch = json!([{"f": "chat:sendMessage", "args": "hi", "user": "1:2", "id": "a"}]);
        assert_eq!(result(&pomke.poll(&batch), "a"), "hi");
    });
}

#[test]
fn server_and_services_call_functions_of_clients() {
    let server = server();
    let mut mel = offering(&server, "1:2", "friends", &["newFriend"]);
    let mut forum = provider(&server, "forum", &["createPost"]);
    call_user(&mut forum, "1:2", "friends:newFriend", json!("Pomke"), 7);
    let called = echo(&mut mel);
    assert_eq!(called["data"]["user"], "service:forum");
    assert_eq!(next(&mut forum)["data"], "Pomke");
    let body = json!({"userId": "1:2", "f": "friends:newFriend", "args": {"name": "Ann"}});
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| manage(&server, "user/call", &body));
        let called = echo(&mut mel);
        let expected = json!({"f": "friends:newFriend", "args": {"name": "Ann"}});
        assert_eq!(called["data"], expected);
        assert_eq!(answered.join().unwrap(), (200, json!({"name": "Ann"})));
    });
    let (status, error) = manage(&server, "user/call", &json!({"userId": "1:9", "f": "a:b"}));
    assert_eq!(
        (status, &error["error"]["code"]),
        (503, &json!("service_down"))
    );
}

#[test]
fn silent_client_is_notified_at_the_deadline_and_a_lost_one_answers_service_down() {
    let server = server();
    let mut mel = offering(&server, "1:2", "chat", &["sendMessage"]);
    let mut pomke = server.user("1:1");
    call_user(&mut pomke, "1:2", "chat:sendMessage", json!(1), 1);
    let called = next(&mut mel);
    assert_eq!(next(&mut pomke)["data"]["code"], "timeout");
    let cancel = json!({"f": "$av:cancel", "args": {"id": called["id"]}});
    assert_eq!(next(&mut mel)["data"], cancel);
    call_user(&mut pomke, "1:2", "chat:sendMessage", json!(2), 2);
    next(&mut mel);
    mel.drop_connection();
    assert_eq!(next(&mut pomke)["data"]["code"], "service_down");
}

#[test]
fn client_offers_its_functions_again_with_its_resume() {
    let server = server();
    let mut mel = Session::begin(&server, "1:2");
    let services = json!({"services": {"chat": ["sendMessage"]}});
    mel.client
        .send(json!({"command": "provide", "data": services, "id": 1}));
    while mel.next()["command"] != "reply" {}
    mel.cut_and_resume();
    let mut pomke = server.user("1:1");
    call_user(&mut pomke, "1:2", "chat:sendMessage", json!("hi"), 1);
    let called = loop {
        let message = mel.next();
        if message["command"] == "call" {
            break message;
        }
    };
    mel.client
        .send(json!({"command": "reply", "data": "got", "id": called["id"]}));
    assert_eq!(next(&mut pomke)["data"], "got");
}

#[test]
fn operator_switches_a_service_off_and_on() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!(1), 1);
    let called = next(&mut forum);
    let (status, all) = manage(&server, "service/listAll", &json!({}));
    let expected = json!({"forum":
        {"state": "enabled", "functions": ["createPost"], "instances": 1, "open": 1,
            "disabled_users": 0}});
    assert_eq!((status, all), (200, expected));
    let (status, state) = manage(&server, "service/disable", &json!({"name": "forum"}));
    assert_eq!((status, &state["state"]), (200, &json!("disabled")));
    let (mut answer, mut is_off) = (Value::Null, false);
    while answer.is_null() || !is_off {
        let message = mel.next();
        match message["command"].as_str().unwrap() {
            "error" => answer = message,
            "service" => is_off |= message["data"]["forum"]["state"] == "disabled",
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        (&answer["id"], &answer["data"]["code"]),
        (&json!(1), &json!("service_down"))
    );
    let cancel = json!({"f": "$av:cancel", "args": {"id": called["id"]}});
    assert_eq!(next(&mut forum)["data"], cancel);
    call(&mut mel, "forum:createPost", json!(2), 2);
    let answer = next(&mut mel);
    assert_eq!(answer["data"]["message"], "the service is disabled");
    let enabled = http::get(server.management, "/service/enable/forum");
    assert_eq!(enabled.json()["state"], "enabled");
    await_state(&mut mel, "forum", "enabled");
    call(&mut mel, "forum:createPost", json!(3), 3);
    let called = next(&mut forum);
    forum.send(json!({"command": "reply", "data": "done", "id": called["id"]}));
    assert_eq!(next(&mut mel)["data"], "done");
    let (status, _) = manage(&server, "service/disable", &json!({"name": "nosuch"}));
    assert_eq!(status, 404);
}
