//! Services: the example, instances that share the load, and one that stops in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::Notify;
use turntable_client::{ErrorCode, Provided, Service};
use turntable_testkit::Server;
use turntable_testkit::workspace::root;

use crate::{instance, server, user};

#[allow(dead_code)]
#[path = "../../crates/turntable-client/examples/forum.rs"]
mod forum;

#[tokio::test]
async fn forum_of_the_example_is_called_and_goes_and_comes() {
    let config = root().join("examples/forum-service/turntable.toml");
    let server = Server::configured(&std::fs::read_to_string(config).unwrap(), &[]);
    let url = format!("ws://{}/ws", server.address);
    let mel = user(server.address, "1:7").await;
    for _ in 0..2 {
        let (forum, provided) = forum::provide(&url, "change-me").await.unwrap();
        assert_eq!(provided, Provided::Service);
        mel.service_up("forum").await.unwrap();
        let post = json!({"title": "t", "body": "b"});
        let created: Value = mel.call("forum:createPost", &post).await.unwrap();
        assert_eq!(created, json!({"number": 1}));
        let posts: Value = mel.call("forum:listPosts", &json!({})).await.unwrap();
        let expected = json!([{"number": 1, "author": "1:7", "title": "t", "body": "b"}]);
        assert_eq!(posts, expected);
        let bare = mel.call::<_, Value>("forum:createPost", &json!({})).await;
        let error = bare.unwrap_err();
        assert_eq!(error.to_string(), "refused: a post needs a title");
        forum.withdraw("forum").await.unwrap();
        let gone = mel.call::<_, Value>("forum:listPosts", &()).await;
        assert_eq!(gone.unwrap_err().code(), Some(ErrorCode::ServiceDown));
        forum.close().await;
    }
    let refused = forum::provide(&url, "wrong").await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorized));
}

#[tokio::test]
async fn withdrawn_instance_answers_what_it_has() {
    let server = server();
    let forum = instance(server.address).await;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = Service::new("forum", (begun.clone(), go.clone())).function(
        "slow",
        async |state: Arc<(Arc<Notify>, Arc<Notify>)>, _, n: u64| {
            state.0.notify_one();
            state.1.notified().await;
            Ok(n)
        },
    );
    forum.provide(service).await.unwrap();
    let mel = user(server.address, "1:1").await;
    mel.service_up("forum").await.unwrap();
    let caller = mel.clone();
    let call = tokio::spawn(async move { caller.call::<_, u64>("forum:slow", &8).await });
    begun.notified().await;
    let withdrawing = tokio::spawn({
        let forum = forum.clone();
        async move { forum.withdraw("forum").await }
    });
    // Nothing new is given to it, and what it has is still awaited.
    let mut code = None;
    while code != Some(ErrorCode::ServiceDown) {
        let hasty = mel.within(std::time::Duration::from_millis(200));
        code = hasty
            .call::<_, u64>("forum:slow", &9)
            .await
            .unwrap_err()
            .code();
    }
    assert!(!withdrawing.is_finished());
    go.notify_waiters();
    assert_eq!(call.await.unwrap().unwrap(), 8);
    withdrawing.await.unwrap().unwrap();
    forum.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_the_calls() {
    let server = server();
    let counts: Vec<Arc<AtomicU64>> = (0..2).map(|_| Arc::default()).collect();
    let mut instances = Vec::new();
    for count in &counts {
        let forum = instance(server.address).await;
        let service = Service::new("forum", count.clone()).function(
            "read",
            async |count: Arc<Arc<AtomicU64>>, _, n: u64| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(n)
            },
        );
        forum.provide(service).await.unwrap();
        instances.push(forum);
    }
    let mel = user(server.address, "1:1").await;
    mel.service_up("forum").await.unwrap();
    for number in 0..100 {
        assert_eq!(
            mel.call::<_, u64>("forum:read", &number).await.unwrap(),
            number
        );
    }
    for count in counts {
        assert_eq!(count.load(Ordering::Relaxed), 50);
    }
}
