//! Who a client is: a guest that comes back, one that gains an identity, and the key by
//! which an instance of a service knows a call again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use turntable_client::{Caller, Client, ErrorCode, Event, Presence, Service};
use turntable_testkit::http::send;
use turntable_testkit::{DEADLINE, Server};

use crate::forwarder::Forwarder;
use crate::{await_event, builder, instance, server, user};

const PORTAL: &str = r#"
[portal]
checkers = ["session", "guest", "anonymous"]

[session]
resume_ms = 200

[functions]
callers = ["1:*"]
callable = ["chat:*"]
"#;

/// The operator's backend knows who has this code.
fn set_session(server: &Server, user: &str, code: &str) {
    let body = json!({"userId": user, "sessionId": code}).to_string();
    let answer = send(server.management, "POST", "/rpc/auth/set", "", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Cuts the connection for so long that the session is over.
async fn lose_session(client: &Client, forwarder: &Forwarder, server: &Server) {
    let mut events = client.events();
    forwarder.close();
    server.await_metric("turntable_sessions", 0.0);
    forwarder.open();
    let resumed = await_event(&mut events, |event| match event {
        Event::Connected { resumed, .. } => Some(*resumed),
        _ => None,
    });
    assert!(!resumed.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_comes_back_as_the_same_user() {
    let server = Server::configured(PORTAL, &[]);
    let forwarder = Forwarder::start(server.address);
    let guest = builder(forwarder.address).guest().connect().await.unwrap();
    let id = guest.user().unwrap();
    let token = guest.token().unwrap();
    assert!(id.as_str().starts_with("guest:"), "{id}");
    lose_session(&guest, &forwarder, &server).await;
    assert_eq!(guest.user(), Some(id.clone()));
    guest.close().await;
    // Another client, as after a restart of the program.
    let again = builder(server.address).user(id.as_str()).token(token);
    assert_eq!(again.connect().await.unwrap().user(), Some(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_gains_an_identity_and_keeps_it() {
    let server = Server::configured(PORTAL, &[]);
    set_session(&server, "1:5", "secret-code");
    let forwarder = Forwarder::start(server.address);
    let guest = builder(forwarder.address).guest().connect().await.unwrap();
    let chat = Service::new("chat", ()).function("say", async |_, caller: Caller, n: u64| {
        assert_eq!(caller.key, None);
        Ok(n + 1)
    });
    guest.provide(chat).await.unwrap();
    let watcher = user(server.address, "1:9").await;
    let mut seen = watcher.events();
    watcher.watch(&["1:5"]).await.unwrap();
    let wrong = json!({"sessionId": "another"});
    let before = guest.user();
    let is_me = guest.authenticate(Some("1:5"), json!({"sessionId": "secret-code"}));
    assert_eq!(is_me.await.unwrap().unwrap().as_str(), "1:5");
    assert_ne!(guest.user(), before);
    assert_eq!(guest.user().unwrap().as_str(), "1:5");
    let online = |event: &Event| match event {
        Event::Presence(states) => states
            .values()
            .any(|state| *state == Presence::Online)
            .then_some(()),
        _ => None,
    };
    await_event(&mut seen, online).await;
    // What it provides is a function of that user now.
    let answer = async {
        loop {
            let called = watcher.call_user::<_, u64>("1:5", "chat:say", &7).await;
            match called.map_err(|error| error.code()) {
                Err(None | Some(ErrorCode::ServiceDown)) => {
                    // Within the rate of calls.
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                answer => return answer,
            }
        }
    };
    let answer = tokio::time::timeout(DEADLINE, answer).await.unwrap();
    assert_eq!(answer, Ok(8));
    watcher.close().await;
    // A new session is that user's, too.
    lose_session(&guest, &forwarder, &server).await;
    assert_eq!(guest.user().unwrap().as_str(), "1:5");
    // And it is no other one's.
    set_session(&server, "1:6", "another");
    let refused = guest.authenticate(Some("1:6"), wrong).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Forbidden));
    guest.publish("chat", &1).await.unwrap();
}

/// Reports each call with the number of its instance; a pending one of instance 0 is not
/// answered.
struct Reporter {
    number: u64,
    calls: mpsc::UnboundedSender<(u64, Option<String>)>,
}

impl Reporter {
    fn service(number: u64, calls: &mpsc::UnboundedSender<(u64, Option<String>)>) -> Service<Self> {
        let calls = calls.clone();
        Service::new("forum", Self { number, calls })
            .function(
                "read",
                async |of: Arc<Self>, caller: Caller, is_pending: bool| {
                    of.calls.send((of.number, caller.key)).unwrap();
                    if is_pending && of.number == 0 {
                        std::future::pending::<()>().await;
                    }
                    Ok(of.number)
                },
            )
            .function("write", async |_, caller: Caller, (): ()| Ok(caller.key))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_is_given_to_another_instance_has_its_key() {
    let server = server();
    let (calls, mut taken) = mpsc::unbounded_channel();
    let forwarder = Forwarder::start(server.address);
    let (first, second) = (
        instance(forwarder.address).await,
        instance(server.address).await,
    );
    first.provide(Reporter::service(0, &calls)).await.unwrap();
    let mel = user(server.address, "1:1").await;
    mel.service_up("forum").await.unwrap();
    let none: Option<String> = mel.call("forum:write", &()).await.unwrap();
    assert_eq!(none, None);
    let caller = mel.clone();
    let call = tokio::spawn(async move { caller.call::<_, u64>("forum:read", &true).await });
    let (number, key) = taken.recv().await.unwrap();
    assert_eq!(number, 0);
    assert!(key.is_some());
    second.provide(Reporter::service(1, &calls)).await.unwrap();
    forwarder.cut();
    assert_eq!(taken.recv().await.unwrap(), (1, key));
    assert_eq!(call.await.unwrap().unwrap(), 1);
}
