//! `examples/embedded`, started as its `main` does.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use turntable::config::{Config, load};
use turntable_core::id::UserId;
use turntable_testkit::Client;
use turntable_testkit::workspace::root;

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/embedded/main.rs"]
mod program;

fn config() -> Config {
    let file = root().join("examples/embedded/turntable.toml");
    let text = std::fs::read_to_string(file).unwrap();
    let free = ["SERVER", "MANAGEMENT"].map(|section| {
        let name = format!("TURNTABLE_{section}__LISTEN");
        (name, "127.0.0.1:0".to_owned())
    });
    load::compose(Some(("turntable.toml", &text)), &free, &|_| unreachable!()).unwrap()
}

/// Does something that blocks while the server runs on.
async fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

/// A client and its welcome.
fn identify(address: SocketAddr, claim: Value) -> (Client, Value) {
    let mut client = Client::greeted(address);
    client.command("idme", claim);
    let welcome = client.expect("welcome");
    (client, welcome)
}

/// Calls a function and returns the answer, and the attributes that come beside it.
fn call(client: &mut Client, f: &str, args: Value) -> (Value, Option<Value>) {
    client.send(json!({"command": "call", "data": {"f": f, "args": args}, "id": f}));
    let mut attributes = None;
    loop {
        let message = client.next();
        match message["command"].as_str().unwrap() {
            "attributes" => attributes = Some(message["data"].clone()),
            "service" => {}
            _ => {
                assert_eq!(message["id"], f, "{message}");
                return (message["data"].clone(), attributes);
            }
        }
    }
}

/// The next message but news of services, which come whenever their states change.
fn next_of_others(client: &mut Client) -> Value {
    loop {
        let message = client.next();
        if message["command"] != "service" {
            return message;
        }
    }
}

/// The rest of the clients' part, behind the disabling of the chat for 1:mel.
struct Users {
    mel: Client,
    pomke: Client,
}

fn use_both_services(address: SocketAddr) -> Users {
    let (mut mel, welcome) = identify(address, json!("1:mel"));
    // What the factory gives.
    let expected = json!({"username": "mel", "posts": 0});
    assert_eq!(welcome["attributes"], expected);
    let services = welcome["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["chat", "forum"]);
    let (mut tab, _) = identify(address, json!("1:mel"));
    let (mut guest, welcome) = identify(address, json!({"credentials": {"guest": true}}));
    assert!(welcome["services"]["chat"].is_null(), "{welcome}");
    let (mut reader, _) = identify(address, json!("1:reader"));
    reader.request("joinchannel", json!({"channel": "forum/posts"}));
    // The forum counts in the attributes of each user.
    for number in 1..=2 {
        let post = json!({"title": "test post", "body": "something"});
        let (result, mut attributes) = call(&mut mel, "forum:createPost", post);
        assert_eq!(result, json!({ "number": number }));
        let message = reader.await_command("message");
        assert!(message["from"].is_null(), "{message}");
        let [author, of] = ["author", "number"].map(|name| &message["data"][name]);
        assert_eq!((author, of), (&json!("1:mel"), &json!(number)));
        if attributes.is_none() {
            attributes = Some(mel.expect("attributes"));
        }
        assert_eq!(attributes, Some(json!({ "posts": number })));
        assert_eq!(tab.await_command("attributes"), json!({ "posts": number }));
    }
    let (result, _) = call(&mut guest, "forum:createPost", json!({"title": "hi"}));
    assert_eq!(result, json!({"number": 3}), "one forum for all");
    let (posts, _) = call(&mut tab, "forum:listPosts", json!(null));
    let authors: Vec<&Value> = posts
        .as_array()
        .unwrap()
        .iter()
        .map(|post| &post["author"])
        .collect();
    assert_eq!((authors[0], authors.len()), (&json!("1:mel"), 3));
    let (error, _) = call(&mut mel, "forum:createPost", json!({}));
    assert_eq!(error["code"], "bad_message");
    // The chat calls a function of the other client.
    let (mut pomke, _) = identify(address, json!("1:pomke"));
    pomke.request("provide", json!({"services": {"chat": ["receive"]}}));
    let line = json!({"to": "1:pomke", "text": "hi"});
    mel.send(json!({"command": "call", "data": {"f": "chat:send", "args": line}, "id": 1}));
    let called = next_of_others(&mut pomke);
    let expected = json!({"f": "chat:receive", "args": {"from": "1:mel", "text": "hi"}});
    assert_eq!(called["data"], expected);
    pomke.send(json!({"command": "reply", "data": "read", "id": called["id"]}));
    assert_eq!(next_of_others(&mut mel)["data"], "read");
    let (error, _) = call(
        &mut guest,
        "chat:send",
        json!({"to": "1:pomke", "text": "hi"}),
    );
    assert_eq!(error["code"], "forbidden");
    let (error, _) = call(
        &mut mel,
        "chat:send",
        json!({"to": "1:nobody", "text": "hi"}),
    );
    assert_eq!(error["code"], "service_down");
    Users { mel, pomke }
}

fn chat_is_disabled(users: &mut Users) {
    let line = json!({"to": "1:mel", "text": "hi"});
    let (error, _) = call(&mut users.mel, "chat:send", line.clone());
    assert_eq!(error["code"], "service_down");
    assert_eq!(error["message"], "the service is disabled for this user");
    let (post, _) = call(&mut users.mel, "forum:createPost", json!({"title": "t"}));
    assert_eq!(post["number"], 4);
    let (error, _) = call(&mut users.pomke, "chat:send", line);
    assert_ne!(error["message"], "the service is disabled for this user");
}

#[actix_rt::test]
async fn program_with_two_services_serves_them_and_its_factory_runs() {
    let running = program::start(config()).unwrap();
    let address = running.server;
    let mut users = beside(move || use_both_services(address)).await;
    let mel = running.avatar(&UserId::parse("1:mel").unwrap());
    assert_eq!(mel.disable_service("chat"), Ok(true));
    let _users = beside(move || {
        chat_is_disabled(&mut users);
        users
    })
    .await;
    // A method of the operator by its name.
    let client = running.client();
    let disabled = client.call("service", "getDisabled", json!(["1:mel"]));
    assert_eq!(disabled.await.unwrap().as_json(), r#"["chat"]"#);
    // In the name of the server itself.
    let refused = running.call_service("forum:createPost", None).await;
    assert_eq!(&*refused.unwrap_err().message, "a post has an author");
    running.stop(Duration::from_millis(100)).await;
}
