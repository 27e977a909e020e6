//! Services that are disabled for one user: by the operator, and by a program that embeds
//! the server.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::{await_state, beside, call, manage, next, provider, user};
use turntable::app::Running;
use turntable::config::load;
use turntable_core::id::UserId;
use turntable_core::reason::ErrorCode;
use turntable_testkit::package::{has_npm_package, run_script};
use turntable_testkit::poll::{PollClient, calls};
use turntable_testkit::session::{Session, resume};
use turntable_testkit::{Client, DEADLINE, Server, http};

const CONFIG: &str = r#"
[limits]
call = { per_second = 100000, burst = 100000 }

[services.forum]
providers = ["service:forum"]
token = "secret"

[services.chat]
providers = ["service:forum"]
token = "secret"

[server]
workers = 2
"#;

/// Answers the next call.
fn answer(provider: &mut Client, result: &str) {
    let called = next(provider);
    assert_eq!(called["command"], "call", "{called}");
    provider.send(json!({"command": "reply", "data": result, "id": called["id"]}));
}

/// The next error, and the state of the chat that comes beside it, in either order.
fn error_and_state(client: &mut Client) -> (Value, Value) {
    let (mut error, mut state) = (None, None);
    while error.is_none() || state.is_none() {
        let message = client.next();
        match message["command"].as_str().unwrap() {
            "error" => error = Some(message),
            "service" if message["data"]["chat"].is_null() => {}
            "service" => state = Some(message["data"]["chat"]["state"].clone()),
            other => panic!("{other}"),
        }
    }
    (error.unwrap(), state.unwrap())
}

#[test]
fn service_is_disabled_for_all_sessions_of_one_user_and_comes_back() {
    let server = Server::configured(CONFIG, &[]);
    let mut chat = provider(&server, "chat", &["send"]);
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "chat");
    await_forum(&mut mel);
    let mut tabs: Vec<Client> = (0..4).map(|_| user(&server, "1:1", "chat")).collect();
    let mut pomke = user(&server, "1:2", "chat");
    let poll = PollClient::user(&server, "1:1");
    // Calls of both are open.
    call(&mut mel, "chat:send", json!(1), 1);
    let open = next(&mut chat);
    call(&mut pomke, "chat:send", json!(2), 1);
    let other = next(&mut chat);
    let body = json!({"name": "chat", "userId": "1:1"});
    let (status, state) = manage(&server, "service/disable", &body);
    let expected = json!({"state": "disabled", "functions": ["send"], "instances": 1,
        "open": state["open"], "disabled_users": 1});
    assert_eq!((status, &state), (200, &expected));
    let (error, state) = error_and_state(&mut mel);
    assert_eq!(
        (&error["id"], &error["data"]["code"], &state),
        (&json!(1), &json!("service_down"), &json!("disabled"))
    );
    // The instance need not go on, and its answer for the other user counts.
    let cancel = json!({"f": "$av:cancel", "args": {"id": open["id"]}});
    assert_eq!(next(&mut chat)["data"], cancel);
    chat.send(json!({"command": "reply", "data": "late", "id": open["id"]}));
    chat.send(json!({"command": "reply", "data": "for 2", "id": other["id"]}));
    let answered = loop {
        let message = pomke.next();
        assert!(message["data"]["chat"].is_null(), "{message}");
        if message["command"] != "service" {
            break message;
        }
    };
    assert_eq!(answered["data"], "for 2");
    for tab in &mut tabs {
        await_state(tab, "chat", "disabled");
        call(tab, "chat:send", json!(3), 3);
        let error = next(tab);
        let message = "the service is disabled for this user";
        assert_eq!(
            (&error["data"]["code"], &error["data"]["message"]),
            (&json!("service_down"), &json!(message))
        );
    }
    await_state_of_chat(&poll, "disabled");
    // It is no error of the client, and another service goes on.
    for id in 10..300 {
        call(&mut mel, "chat:send", json!(4), id);
        assert_eq!(next(&mut mel)["data"]["code"], "service_down");
    }
    call(&mut mel, "forum:createPost", json!("t"), 4);
    answer(&mut forum, "posted");
    assert_eq!(next(&mut mel)["data"], "posted");
    // A change of the service is not shown to the user, nor a session that begins.
    chat.request("provide", json!({"services": {"chat": ["send", "leave"]}}));
    let state = await_state(&mut pomke, "chat", "enabled");
    assert_eq!(state["functions"], json!(["leave", "send"]));
    let welcome = server.connect().identify("1:1");
    assert_eq!(welcome["services"]["chat"]["state"], "disabled");
    let (status, all) = manage(&server, "service/listAll", &json!({}));
    assert_eq!((status, &all["chat"]["state"]), (200, &json!("enabled")));
    let (_, disabled) = manage(&server, "service/getDisabled", &json!({"userId": "1:1"}));
    assert_eq!(disabled, json!(["chat"]));
    // The other form of the call.
    let enabled = http::get(server.management, "/service/enable/chat/1:1").json();
    assert_eq!(
        (&enabled["state"], &enabled["disabled_users"]),
        (&json!("enabled"), &json!(0))
    );
    for tab in tabs.iter_mut().chain([&mut mel]) {
        let state = await_state(tab, "chat", "enabled");
        assert_eq!(state["functions"], json!(["leave", "send"]));
        call(tab, "chat:send", json!(5), 5);
        answer(&mut chat, "sent");
        assert_eq!(next(tab)["data"], "sent");
    }
    await_state_of_chat(&poll, "enabled");
}

/// Polls until chat has this state; the poll may hear late of other services.
fn await_state_of_chat(poll: &PollClient<'_>, state: &str) {
    let until = Instant::now() + DEADLINE;
    let mut last = Value::Null;
    while last != state {
        assert!(Instant::now() < until, "chat is {last}, not {state}");
        for change in calls(&poll.heartbeat(), "$av:setService") {
            if let Some(state) = change["chat"].get("state") {
                last = state.clone();
            }
        }
    }
}

/// The forum may be up later than the client comes.
fn await_forum(client: &mut Client) {
    let until = Instant::now() + DEADLINE;
    let mut code = Value::Null;
    while code != "not_found" {
        assert!(Instant::now() < until, "forum: {code}");
        call(client, "forum:nosuch", json!(null), 99);
        code = next(client)["data"]["code"].clone();
    }
}

#[test]
fn resumed_session_learns_that_a_service_was_disabled_meanwhile() {
    let server = Server::configured(CONFIG, &[]);
    let _chat = provider(&server, "chat", &["send"]);
    drop(user(&server, "1:9", "chat"));
    let mut mel = Session::begin(&server, "1:1");
    mel.cut();
    let body = json!({"name": "chat", "userId": 1});
    assert_eq!(manage(&server, "service/disable", &body).0, 200);
    let (mut client, welcome) = resume(&server, &mel.secret, mel.received);
    let data = &welcome["data"];
    assert_eq!(
        (&data["resumed"], &data["services"]["chat"]["state"]),
        (&json!(true), &json!("disabled"))
    );
    call(&mut client, "chat:send", json!(1), 1);
    assert_eq!(next(&mut client)["data"]["code"], "service_down");
}

#[test]
fn only_known_services_of_a_limited_number_of_users_are_disabled() {
    let server = Server::configured(CONFIG, &[("avatar.disabled_users_max", "1")]);
    let disable = |name: &str, user: u32| {
        let body = json!({"name": name, "userId": user});
        let (status, answer) = manage(&server, "service/disable", &body);
        (status, answer["error"]["code"].clone())
    };
    assert_eq!(disable("nosuch", 1), (404, json!("not_found")));
    assert_eq!(disable("chat", 1), (200, Value::Null));
    assert_eq!(disable("forum", 1), (200, Value::Null));
    let (status, code) = disable("chat", 2);
    assert_eq!((status >= 400, code), (true, json!("too_many")));
    let erased = manage(&server, "user/erase", &json!({"userId": 1}));
    assert_eq!(erased.0, 200, "it forgets the user's services");
    assert_eq!(disable("chat", 2), (200, Value::Null));
}

#[test]
fn avatar_in_the_browser_hears_on_disable_and_on_enable() {
    let server = Server::configured(CONFIG, &[]);
    if has_npm_package("ws") {
        let (server, management) = (server.address, server.management);
        run_script(
            Path::new("node"),
            "tests/service/disabled.mjs",
            &[&format!("http://{server}"), &format!("http://{management}")],
        );
    }
}

#[actix_rt::test]
async fn program_that_embeds_the_server_disables_a_service_of_an_avatar() {
    let keys = "[server]\nlisten = \"127.0.0.1:0\"\n[management]\nlisten = \"127.0.0.1:0\"\n\
                [services.chat]\nproviders = [\"service:chat\"]\n";
    let config = load::compose(Some(("c.toml", keys)), &[], &|_| unreachable!()).unwrap();
    let running = Running::start(config).unwrap();
    let address = running.server;
    let mel = beside(move || {
        let mut client = Client::greeted(address);
        client.identify("1:1");
        client
    })
    .await;
    let avatar = running.avatar(&UserId::parse("1:1").unwrap());
    let unknown = avatar.disable_service("nosuch").unwrap_err();
    assert_eq!(unknown.code, ErrorCode::NotFound);
    assert_eq!(avatar.disable_service("chat"), Ok(true));
    assert_eq!(avatar.disable_service("chat"), Ok(false));
    let mel = beside(move || {
        let mut mel = mel;
        await_state(&mut mel, "chat", "disabled");
        mel
    })
    .await;
    assert!(avatar.enable_service("chat") && !avatar.enable_service("chat"));
    beside(move || {
        let mut mel = mel;
        // It has no instance, but is not disabled for the user any more.
        await_state(&mut mel, "chat", "disabled");
        call(&mut mel, "chat:send", json!(1), 1);
        let error = next(&mut mel);
        let message = "the service is down: it has no instance";
        assert_eq!(error["data"]["message"], message);
    })
    .await;
    running.stop(std::time::Duration::from_millis(100)).await;
}
