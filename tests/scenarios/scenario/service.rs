//! Services as clients of every transport see them.

use serde_json::{Value, json};

use crate::client::Client;
use crate::transport::Transport;
use crate::transport::ws::Ws;
use turntable_testkit::{Server, http};

const CONFIG: &str = r#"
[services.chat]
providers = ["1:99"]
direct_url = "wss://chat.example/ws"
direct_key = "0123456789abcdef0123456789abcdef"
"#;

/// Switches the chat for one user.
fn operate(server: &Server, method: &str, user: &str) {
    let body = json!({"name": "chat", "userId": user}).to_string();
    let path = format!("/rpc/service/{method}");
    let json = "Content-Type: application/json\r\n";
    let answer = http::send(server.management, "POST", &path, json, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Waits until the chat has this state for the client.
async fn await_state<T: Transport>(client: &mut Client<T>, state: &str) -> Value {
    loop {
        let message = client.next().await;
        // A poll has it as `$av:setService`.
        assert!(["service", "setService"].contains(&message.command.as_str()));
        if message.data["chat"]["state"] == state {
            return message.data["chat"].clone();
        }
    }
}

/// A user to whom the chat is enabled.
async fn user<T: Transport>(server: &Server, id: &str) -> Client<T> {
    let mut client = Client::<T>::open(server).await;
    let welcome = client.identify(id).await;
    if welcome["services"]["chat"]["state"] != "enabled" {
        await_state(&mut client, "enabled").await;
    }
    client
}

async fn provider(server: &Server) -> Client<Ws> {
    let mut provider = Client::<Ws>::user(server, "1:99").await;
    let services = json!({"services": {"chat": ["send"]}});
    provider.command("provide", services).await;
    await_state(&mut provider, "enabled").await;
    provider
}

/// Calls the chat, which answers.
async fn call<T: Transport>(client: &mut Client<T>, provider: &mut Client<Ws>) {
    let answering = async {
        let called = provider.next().await;
        assert_eq!(called.data["f"], "chat:send", "{called:?}");
        provider.send("reply", json!("sent"), called.id).await;
    };
    // A poll waits for its answer.
    let calling = client.start_request("call", json!({"f": "chat:send", "args": 1}));
    let (id, ()) = tokio::join!(calling, answering);
    let answer = client.next().await;
    assert_eq!((answer.id, answer.data), (Some(id), json!("sent")));
}

pub async fn service_of_one_user_is_disabled_and_comes_back<T: Transport>() {
    let server = Server::configured(CONFIG, &[]);
    let mut provider = provider(&server).await;
    let mut mel = user::<T>(&server, "1:1").await;
    let mut pomke = user::<T>(&server, "1:2").await;
    call(&mut mel, &mut provider).await;
    operate(&server, "disable", "1:1");
    await_state(&mut mel, "disabled").await;
    let args = json!({"f": "chat:send", "args": 1});
    mel.request_refused("call", args, "service_down").await;
    call(&mut pomke, &mut provider).await;
    pomke.expect_nothing_pending().await;
    // It is enabled while there is no connection.
    let position = mel.cut();
    operate(&server, "enable", "1:1");
    let mut mel = Client::<T>::resume(&server, &position).await;
    await_state(&mut mel, "enabled").await;
    call(&mut mel, &mut provider).await;
    mel.expect_nothing_pending().await;
}

pub async fn token_for_a_direct_connection_is_issued<T: Transport>() {
    let server = Server::configured(CONFIG, &[]);
    let _provider = provider(&server).await;
    let mut mel = user::<T>(&server, "1:1").await;
    let ask = |service: &str| json!({"f": "$av:direct", "args": {"service": service}});
    let answer = mel.request("call", ask("chat")).await;
    assert_eq!(
        (&answer["url"], &answer["protocol"], &answer["expires_in"]),
        (
            &json!("wss://chat.example/ws"),
            &json!("websocket"),
            &json!(60)
        )
    );
    let token = answer["token"].as_str().unwrap();
    assert_eq!(token.split('.').count(), 3, "{token}");
    mel.request_refused("call", ask("nosuch"), "not_found")
        .await;
    operate(&server, "disable", "1:1");
    await_state(&mut mel, "disabled").await;
    mel.request_refused("call", ask("chat"), "service_down")
        .await;
}
